//! Random plans, random worlds, random operators: what must hold, holds after every event.

use gonogo::release::{
    AfterRollback, Event, Hold, Input, OnUnknown, Outcome, Plan, Policy, Record, ReleaseResult,
    Seen, StepId, Touches, decide, due,
};
use proptest::prelude::*;

use super::model::{Model, Mood, clean, fold, outcome, policy, start};
use super::rules::all_asks;

/// The production stage and what follows it, as in the shipped plan, but short.
const TAIL: &str = "
- {id: production, title: Production, approval: true, steps: [
    {id: production.backup, title: Backup, uses: backup},
    {id: production.migrate, title: Migrate, uses: migrate, needs: [production.backup]},
    {id: production.deploy, title: Deploy, uses: deploy-preview, needs: [production.migrate]},
    {id: production.switch, title: Switch, uses: switch, needs: [production.deploy]},
    {id: production.monitor, title: Watch, uses: monitor, needs: [production.switch]}]}
- {id: validate, title: Validate, steps: [
    {id: validate.health, title: Health, uses: health},
    {id: validate.load, title: Load, run: [k6], needs: [validate.health]}]}
";

#[derive(Clone, Debug)]
struct Dice {
    kind: u8,
    retries: u32,
    needs: Vec<prop::sample::Index>,
}

fn dice() -> impl Strategy<Value = Dice> {
    let needs = proptest::collection::vec(any::<prop::sample::Index>(), 0..3);
    (0..8_u8, 0..2_u32, needs).prop_map(|(kind, retries, needs)| Dice { kind, retries, needs })
}

/// A plan of up to three stages of dice, and with `tail` the production stages behind them.
fn plan(stages: &[Vec<Dice>], tail: bool, jobs: u32) -> Plan {
    let mut text = format!("name: dice\njobs: {jobs}\nbranches: []\nstages:\n");
    if tail {
        text.push_str(TAIL.trim_start());
    } else {
        text.push_str("  []");
    }
    let mut plan: Plan = serde_yaml::from_str(&text).expect("a plan");
    let template = serde_yaml::from_str::<Plan>(&format!(
        "name: t\njobs: 1\nbranches: []\nstages:\n{}",
        TAIL.trim_start()
    ));
    let template = template.expect("a plan").stages[1].clone();
    let mut known: Vec<StepId> = Vec::new();
    for (i, dice) in stages.iter().enumerate() {
        let mut stage = template.clone();
        stage.id = format!("stage{i}").parse().expect("an id");
        stage.steps.clear();
        for (j, dice) in dice.iter().enumerate() {
            let mut step = template.steps[1].clone();
            step.id = format!("stage{i}.step{j}").parse().expect("an id");
            step.needs = match known.len() {
                0 => Vec::new(),
                n => dice.needs.iter().map(|at| known[at.index(n)].clone()).collect(),
            };
            step.retries = dice.retries;
            step.touches = if dice.kind % 2 == 0 { Touches::Workspace } else { Touches::External };
            if dice.kind & 2 != 0 {
                step.secrets = vec!["TOKEN".parse().expect("a name")];
            }
            if dice.kind & 4 != 0 {
                let yaml = "{path: r.sarif, format: sarif}";
                step.report = Some(serde_yaml::from_str(yaml).expect("a report"));
            }
            known.push(step.id.clone());
            stage.steps.push(step);
        }
        plan.stages.insert(i, stage);
    }
    let until = plan.stages.last().expect("a stage").id.clone();
    let branches = format!(
        "[{{branch: main, until: {until}, external: true}}, \
          {{branch: \"*\", until: {until}, external: false}}]"
    );
    plan.branches = serde_yaml::from_str(&branches).expect("branches");
    plan.check().expect("a consistent plan");
    plan
}

fn plans() -> impl Strategy<Value = Plan> {
    let stages = proptest::collection::vec(proptest::collection::vec(dice(), 1..4), 1..4);
    (stages, prop::bool::weighted(0.8), 1..4_u32)
        .prop_map(|(stages, tail, jobs)| plan(&stages, tail, jobs))
}

fn policies() -> impl Strategy<Value = Policy> {
    (any::<u8>(), 1..3_u32).prop_map(|(bits, required)| {
        let bit = |n: u8| bits & (1 << n) != 0;
        let mut policy = policy();
        policy.approval.required = required;
        policy.approval.requester_may_approve = bit(0);
        policy.rollout.promote_unattended = bit(1);
        policy.rollout.automatic_rollback = bit(2) || bit(3);
        if bit(4) {
            policy.rollout.after_rollback = AfterRollback::ScaleDown;
        }
        if bit(5) {
            policy.monitor.on_unknown = OnUnknown::RollBack;
        }
        policy.retry_window_s = if bit(6) { 900 } else { 0 };
        policy.monitor.unknown_windows = if bit(7) { 1 } else { 3 };
        policy
    })
}

fn mood(die: u8) -> Mood {
    match die % 16 {
        0 => Mood::Bad,
        1 => Mood::Unknown,
        _ => Mood::Good,
    }
}

/// One throw: what happens next, and how.
type Throw = (u8, prop::sample::Index, u8);

fn throw(model: &mut Model, (what, which, how): Throw) {
    match what % 32 {
        0..=17 => {
            let owed = model.owed();
            if !owed.is_empty() {
                let (key, effect) = which.get(&owed).clone();
                model.answer(key, &effect, mood(how));
            }
        }
        18..=21 => {
            let asks = all_asks(&model.release);
            let who = ["ada", "bob", "gonogo-starter"][usize::from(how) % 3];
            let _ = model.ask(who, which.get(&asks).clone());
        }
        // People who want it released.
        22..=24 => {
            let comment = clean("fine");
            let who = ["ada", "bob"][usize::from(how) % 2];
            let _ = model.ask(who, gonogo::release::Ask::Approve { comment });
            if let Some(to) = model.release.rollout.to {
                let _ = model.ask(who, gonogo::release::Ask::Switch { to });
            }
        }
        25 => model.let_time_pass(),
        26 => model.open(None),
        27..=29 => look_at_a_doubt(model, which, how),
        30 => {
            // An answer of the wrong kind, or to a key nobody owes any more.
            let owed = model.owed();
            let late = model.journal.iter().find_map(|record| match &record.event {
                Event::EffectObserved { key, .. } => Some(key.clone()),
                _ => None,
            });
            let key = late.or_else(|| owed.first().map(|(key, _)| key.clone()));
            if let Some(key) = key {
                let odd = Outcome::Tidied { what: clean("odd") };
                model.input(Input::Answered(key, odd)).expect("never refused");
            }
        }
        _ => model.wait_ms(u64::from(how) * 1_000),
    }
}

fn look_at_a_doubt(model: &mut Model, which: prop::sample::Index, how: u8) {
    let doubts: Vec<_> = model.release.doubts.keys().cloned().collect();
    if doubts.is_empty() {
        return;
    }
    let key = which.get(&doubts).clone();
    let effect = model.owed().into_iter().find(|(owed, _)| owed == &key).map(|(_, e)| e);
    let seen = match (how % 8, effect) {
        (0..=2, Some(effect)) => {
            let outcome = outcome(&effect, mood(how / 8));
            Seen::Done { outcome: Box::new(outcome) }
        }
        (3, _) => Seen::Unknown { reason: clean("out of reach") },
        (4, _) => Seen::Partial { reason: clean("half") },
        (5, _) => Seen::StillGoing,
        _ => Seen::NotDone,
    };
    model.observe(key, seen);
}

fn throws() -> impl Strategy<Value = Vec<Throw>> {
    proptest::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<u8>()), 0..260)
}

/// Plays a history; some operators want the release out, so that the far ends are reached too.
fn play(plan: Plan, policy: Policy, branch: &str, attended: bool, throws: &[Throw]) -> Model {
    let mut start = start(plan, policy, branch);
    start.attended = attended;
    let mut model = Model::new(start);
    for one in throws {
        throw(&mut model, *one);
    }
    model
}

/// The dice would prove nothing if they never came as far.
#[test]
fn the_dice_reach_every_kind_of_event_and_hold() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let all = (plans(), policies(), throws()).new_tree(&mut runner).expect("a tree");
        let (plan, policy, throws) = all.current();
        let model = play(plan, policy, "main", true, &throws);
        seen.extend(model.kinds());
        for record in &model.journal {
            match &record.event {
                Event::Held { hold } => drop(seen.insert(hold_kind(hold))),
                Event::ReleaseEnded { result } => drop(seen.insert(result_kind(result))),
                _ => {}
            }
        }
    }
    for kind in [
        "abort_ordered",
        "gate_opened",
        "vote_cast",
        "switch_ordered",
        "traffic_switched",
        "switch_failed",
        "window_judged",
        "rollback_ordered",
        "version_latched",
        "slot_tidied",
        "restore_ordered",
        "restore_advanced",
        "restore_failed",
        "hold_overridden",
        "retry_ordered",
        "released",
        "failed",
        "rejected",
        "expired",
        "aborted",
        "rolled back",
        "hold failed",
        "hold step",
        "hold gate",
        "hold unknown",
        "hold both bad",
        "hold switch",
        "hold doubt",
        "hold restore",
    ] {
        assert!(seen.contains(kind), "{kind} is never reached: {seen:?}");
    }
}

fn hold_kind(hold: &Hold) -> &'static str {
    match hold {
        Hold::Failed { .. } => "hold failed",
        Hold::StepFailed { .. } => "hold step",
        Hold::GateBlocked { .. } => "hold gate",
        Hold::Unknown { .. } => "hold unknown",
        Hold::BothBad { .. } => "hold both bad",
        Hold::SwitchFailed { .. } => "hold switch",
        Hold::InDoubt { .. } => "hold doubt",
        Hold::RestoreFailed { .. } => "hold restore",
    }
}

fn result_kind(result: &ReleaseResult) -> &'static str {
    match result {
        ReleaseResult::Released => "released",
        ReleaseResult::Failed { .. } => "failed",
        ReleaseResult::Rejected { .. } => "rejected",
        ReleaseResult::Expired => "expired",
        ReleaseResult::Aborted { .. } => "aborted",
        ReleaseResult::RolledBack { .. } => "rolled back",
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(config(400))]

    /// I1, I3, I10, I16, I18 (see `rules`): after every event of every history.
    #[test]
    fn what_must_hold_holds_whatever_happens(
        (plan, policy) in (plans(), policies()),
        branch in prop::sample::select(vec!["main", "main", "main", "feature/x"]),
        attended: bool,
        throws in throws(),
    ) {
        let model = play(plan, policy, branch, attended, &throws);
        // I1: the journal alone gives the same release, also after a trip through its own words.
        prop_assert_eq!(&fold(&model.journal), &model.release);
        let lines: Vec<Record> = model.journal.iter().map(|record| {
            let line = serde_json::to_string(record).expect("a record is JSON");
            serde_json::from_str(&line).expect("a line is a record")
        }).collect();
        prop_assert_eq!(&fold(&lines), &model.release);
        // F1: a journal that ends anywhere is a release that can be opened.
        for cut in (0..=model.journal.len()).step_by(7) {
            let release = fold(&model.journal[..cut]);
            let _ = (gonogo::release::owed(&release), due(&release));
            let opened = gonogo::release::Opened {
                session: "s-9".parse().expect("an id"),
                host: clean("h"),
                pid: 1,
                boot: "b".into(),
                build: clean("t"),
                repaired: None,
                by: gonogo::release::Principal::engine(),
start: None,
            };
            prop_assert!(decide(&release, Input::Opened(opened), model.now()).is_ok());
        }
    }

}

proptest! {
    #![proptest_config(config(100))]

    /// Where everything goes well and people say yes, the release comes out.
    #[test]
    fn a_good_world_releases(plan in plans(), policy in policies()) {
        let mut model = Model::new(start(plan, policy, "main"));
        for _ in 0..12 {
            model.settle(Mood::Good);
            for who in ["ada", "bob"] {
                let _ = model.ask(who, gonogo::release::Ask::Approve { comment: clean("go") });
            }
            if let Some(to) = model.release.rollout.to {
                let _ = model.ask("ada", gonogo::release::Ask::Switch { to });
            }
        }
        prop_assert_eq!(&model.release.result, &Some(ReleaseResult::Released));
        prop_assert!(model.release.hold.is_none());
    }

    /// A world that breaks comes to rest: it ends, or it waits for a person, and says so.
    #[test]
    fn a_bad_world_comes_to_rest(plan in plans(), policy in policies(), unknown: bool) {
        let mood = if unknown { Mood::Unknown } else { Mood::Bad };
        let mut model = Model::new(start(plan, policy, "main"));
        for _ in 0..6 {
            model.settle(mood);
            model.let_time_pass();
        }
        let waits = model.release.hold.is_some() || model.release.awaits_switch();
        prop_assert!(model.release.result.is_some() || waits);
        prop_assert_ne!(&model.release.result, &Some(ReleaseResult::Released));
    }
}
