//! Single decisions, written down: what is asked or answered, and what follows.

use gonogo::release::finding::waiver::Waiver;
use gonogo::release::finding::weigh::weigh;
use gonogo::release::{
    Ask, Clean, Effect, EffectKey, Event, Finding, GateVerdict, Hold, Input, LAYERS, Outcome, Plan,
    Refusal, ReleaseResult, Seen, Severity, Slot, StepEnd, StepResult, Timer, Verdict, Way, due,
    judge, judge_window, owed,
};

use super::model::{Model, Mood, clean, evidence, person, policy, start};

const PLAN: &str = "
name: table
jobs: 2
branches: [{branch: main, until: validate, external: true},
           {branch: feature/*, until: build, external: false, skip: [build.image]}]
stages:
- {id: build, title: Build, steps: [
    {id: build.image, title: Image, run: [docker], touches: workspace},
    {id: build.scan, title: Scan, run: [trivy], touches: workspace, needs: [build.image],
     report: {path: r.sarif, format: sarif}},
    {id: build.push, title: Push, run: [docker], needs: [build.scan]}]}
- {id: production, title: Production, approval: true, steps: [
    {id: production.backup, title: Backup, uses: backup},
    {id: production.deploy, title: Deploy, uses: deploy-preview, needs: [production.backup]},
    {id: production.switch, title: Switch, uses: switch, needs: [production.deploy]},
    {id: production.monitor, title: Watch, uses: monitor, needs: [production.switch]}]}
- {id: validate, title: Validate, steps: [{id: validate.health, title: Health, uses: health}]}
";

fn plan() -> Plan {
    let plan: Plan = serde_yaml::from_str(PLAN).expect("a plan");
    plan.check().expect("a consistent plan");
    plan
}

fn comment() -> Clean {
    clean("because")
}

fn approve() -> Ask {
    Ask::Approve { comment: comment() }
}

/// A release whose gate is open.
fn at_the_gate() -> Model {
    let mut model = Model::new(start(plan(), policy(), "main"));
    model.settle(Mood::Good);
    assert!(model.release.open_gate().is_some());
    model
}

/// A release that waits for somebody to press switch.
fn at_the_switch() -> Model {
    let mut model = at_the_gate();
    model.ask("ada", approve()).expect("a vote");
    model.settle(Mood::Good);
    assert!(model.release.awaits_switch());
    model
}

/// A release that serves, under watch; the switch has been answered, no window yet.
fn under_watch() -> Model {
    let mut model = at_the_switch();
    model.ask("ada", Ask::Switch { to: Slot::Blue }).expect("a switch");
    one(&mut model, Mood::Good);
    assert!(model.release.is_switched());
    model
}

/// Answers the first thing owed that is no message.
fn one(model: &mut Model, mood: Mood) {
    let owed = model.owed().into_iter().find(|(_, e)| !matches!(e, Effect::Notify { .. }));
    let (key, effect) = owed.expect("something is owed");
    model.answer(key, &effect, mood);
}

fn hold(model: &Model) -> &Hold {
    &model.release.hold.as_ref().expect("a hold").hold
}

#[test]
fn a_failed_scan_is_no_go_and_waits_for_a_retry() {
    let mut model = Model::new(start(plan(), policy(), "main"));
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Bad);
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Good);
    let Hold::Failed { stage, reason } = hold(&model) else { panic!("{:?}", hold(&model)) };
    assert_eq!(stage.as_str(), "build");
    assert_eq!(reason.as_str(), "build.scan: 2 critical findings, limit 0");
    model.ask("ada", Ask::Retry).expect("a retry");
    model.settle(Mood::Good);
    assert!(model.release.open_gate().is_some());
}

fn waiver(rule: &str, until: &str) -> Box<Waiver> {
    let waiver = Waiver::new(clean("not built in"), person("mira"), until.parse().expect("a day"));
    Box::new(Waiver { rule: Some(clean(rule)), ..waiver })
}

/// Judges as the world does that finds two criticals of one rule in the stored report.
fn judge_again(model: &mut Model) -> Vec<Event> {
    let owed = model.owed().into_iter().find(|(_, e)| matches!(e, Effect::JudgeGate { .. }));
    let (key, Effect::JudgeGate { mut inputs, policy, .. }) = owed.expect("it is judged") else {
        unreachable!()
    };
    let critical =
        Finding { rule: clean("CVE-1"), severity: Severity::Critical, ..Finding::default() };
    let findings = [critical.clone(), critical];
    let why = clean("no release is known to serve");
    let today = "2026-11-24".parse().expect("a day");
    for input in inputs.iter_mut().filter(|input| input.report.is_some()) {
        let (own, _) = weigh(&input.step, &findings, Err(&why), &policy.waivers, today);
        input.weighed = Some(own);
    }
    let judgement = judge(&inputs, &policy);
    model.input(Input::Answered(key, Outcome::Judged(judgement))).expect("an answer")
}

/// A release whose first stage found more than its policy allows.
fn held_by_its_findings() -> Model {
    let mut model = Model::new(start(plan(), policy(), "main"));
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Bad);
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Good);
    assert!(matches!(hold(&model), Hold::Failed { .. }));
    model
}

#[test]
fn i10_a_waiver_has_the_stage_judged_again_and_only_what_it_covers_is_waived() {
    let mut model = held_by_its_findings();
    let past = Ask::Waive { waiver: waiver("CVE-1", "1969-12-31") };
    assert!(matches!(model.ask("ada", past), Err(Refusal::MayNotWaive { .. })));
    let nothing = Ask::Waive { waiver: waiver("*", "2026-12-31") };
    assert!(matches!(model.ask("ada", nothing), Err(Refusal::NotNow { .. })));
    // One that covers something else is judged, and found too little.
    model.ask("ada", Ask::Waive { waiver: waiver("CVE-2", "2026-12-31") }).expect("a waiver");
    assert!(model.release.hold.is_none(), "it is judged first");
    judge_again(&mut model);
    assert!(matches!(hold(&model), Hold::Failed { .. }), "still too many");
    model.ask("ada", Ask::Waive { waiver: waiver("CVE-1", "2026-12-31") }).expect("a waiver");
    assert!(model.ask("ada", Ask::Waive { waiver: waiver("CVE-1", "2026-12-31") }).is_err());
    let events = judge_again(&mut model);
    let Some(Event::StageJudged { judgement, .. }) = events.first() else { panic!("{events:?}") };
    assert_eq!(judgement.weighed[0].by[0].count, 2);
    assert_eq!(judgement.verdict, GateVerdict::Go);
    model.settle(Mood::Good);
    assert!(model.release.open_gate().is_some(), "and the release goes on");
}

#[test]
fn only_who_may_approve_may_waive() {
    let mut policy = policy();
    policy.approval.approvers = vec![person("mira")];
    let mut model = Model::new(start(plan(), policy, "main"));
    let ask = || Ask::Waive { waiver: waiver("CVE-1", "2026-12-31") };
    assert!(matches!(model.ask("zoe", ask()), Err(Refusal::MayNotWaive { .. })));
    assert!(model.ask("mira", ask()).is_ok());
}

#[test]
fn an_unanswered_failure_ends_the_release() {
    let mut model = Model::new(start(plan(), policy(), "main"));
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Unknown);
    model.settle(Mood::Good);
    assert!(matches!(hold(&model), Hold::Failed { .. }), "I10: not scanned is no-go");
    let early = Input::Due(Timer::RetryWindowEnds);
    assert_eq!(model.input(early), Ok(Vec::new()), "a timer that is not due changes nothing");
    model.let_time_pass();
    assert!(matches!(model.release.result, Some(ReleaseResult::Failed { .. })));
}

#[test]
fn a_command_that_leaves_no_report_has_failed() {
    let mut model = Model::new(start(plan(), policy(), "main"));
    one(&mut model, Mood::Good);
    let (key, _) = model.owed().swap_remove(0);
    let end = StepEnd::new(StepResult::Passed, 10);
    model.input(Input::Answered(key, Outcome::StepEnded(end))).expect("answered");
    let Hold::Failed { reason, .. } = hold(&model) else { panic!("{:?}", hold(&model)) };
    assert_eq!(reason.as_str(), "build.scan: it ended well and left no report r.sarif");
}

#[test]
fn a_branch_skips_what_its_rule_names_and_what_is_outside() {
    let model = Model::new(start(plan(), policy(), "feature/x"));
    let skipped: Vec<String> = model
        .journal
        .iter()
        .filter_map(|record| match &record.event {
            Event::StepSkipped { step, reason } => Some(format!("{step}: {reason}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        skipped,
        [
            "build.image: the plan leaves it out on branch feature/x",
            "build.push: branch feature/x touches nothing outside the workspace"
        ]
    );
}

#[test]
fn votes() {
    let mut model = at_the_gate();
    let seen = model.release.gate.as_ref().expect("a gate").changed;
    let stale = gonogo::release::Command {
        by: gonogo::release::Principal {
            person: person("ada"),
            via: gonogo::release::Via::Cockpit,
            key: None,
        },
        seen: Some(gonogo::release::Seq(seen.0 - 1)),
        ask: approve(),
    };
    let answer = model.input(Input::Asked(stale));
    assert!(matches!(answer, Err(Refusal::Stale { .. })), "{answer:?}");
    model.ask("ada", Ask::Defer { comment: comment() }).expect("not now");
    model.ask("bob", Ask::Reject { comment: comment() }).expect("no");
    assert!(matches!(model.release.result, Some(ReleaseResult::Rejected { .. })));
    let late = model.ask("ada", approve());
    assert!(matches!(late, Err(Refusal::Overtaken { .. })), "F21: {late:?}");
}

#[test]
fn an_open_gate_expires_and_says_so() {
    let mut model = at_the_gate();
    let due = due(&model.release).expect("a timer");
    assert_eq!(due.at_ms, model.release.gate.as_ref().expect("a gate").expires_ms);
    model.let_time_pass();
    assert_eq!(model.release.result, Some(ReleaseResult::Expired));
    assert!(model.ask("ada", approve()).is_err());
}

#[test]
fn four_eyes() {
    let mut policy = policy();
    policy.approval.required = 2;
    let mut model = Model::new(start(plan(), policy, "main"));
    model.settle(Mood::Good);
    model.ask("ada", approve()).expect("one");
    assert!(model.ask("ada", approve()).is_err(), "nobody votes twice");
    assert!(model.release.open_gate().is_some());
    model.ask("bob", approve()).expect("two");
    assert!(model.release.open_gate().is_none() && model.release.result.is_none());
}

#[test]
fn the_switch_goes_to_the_preview_slot_only() {
    let mut model = at_the_switch();
    assert!(model.ask("ada", Ask::Switch { to: Slot::Green }).is_err());
    assert!(model.ask("ada", Ask::RollBack { comment: comment() }).is_err(), "nothing switched");
    model.ask("ada", Ask::Switch { to: Slot::Blue }).expect("a switch");
    let second = model.ask("bob", Ask::Switch { to: Slot::Blue });
    assert!(matches!(second, Err(Refusal::Overtaken { .. })), "F21: {second:?}");
    assert!(model.ask("bob", Ask::Abort { comment: comment() }).is_err());
}

#[test]
fn two_bad_windows_of_three_roll_back_and_latch() {
    let mut model = under_watch();
    one(&mut model, Mood::Bad);
    assert!(model.release.rollout.order.is_none(), "one window is noise");
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Bad);
    assert!(model.release.rollout.order.is_some());
    model.settle(Mood::Good);
    assert!(model.release.is_rolled_back());
    let latch = model.release.rollout.latch.as_ref().expect("a latch");
    assert_eq!(latch.reason.as_str(), "error rate: 20.00 %, limit 1.00 %");
    assert_eq!(model.release.serving(), Some(Slot::Green));
}

#[test]
fn no_data_is_never_healthy() {
    let mut model = under_watch();
    for _ in 0..3 {
        one(&mut model, Mood::Unknown);
    }
    assert!(matches!(hold(&model), Hold::Unknown { .. }), "F46, I10");
    assert!(model.release.result.is_none());
    let policy = policy().monitor;
    let verdicts = judge_window(&evidence(Slot::Blue, 15, Mood::Unknown), &policy);
    let unknown = |v: &gonogo::release::RuleVerdict| matches!(v.verdict, Verdict::Unknown { .. });
    assert_eq!(verdicts.iter().filter(|v| unknown(v)).count(), 2);
    model.ask("ada", Ask::Retry).expect("look again");
    model.settle(Mood::Good);
    assert_eq!(model.release.result, Some(ReleaseResult::Released));
}

#[test]
fn a_failed_health_check_rolls_back() {
    let mut model = under_watch();
    for _ in 0..3 {
        one(&mut model, Mood::Good);
    }
    one(&mut model, Mood::Good);
    let (key, effect) = model
        .owed()
        .into_iter()
        .find(|(key, _)| key.to_string().starts_with("validate.health"))
        .expect("health is owed");
    model.answer(key, &effect, Mood::Bad);
    assert!(model.release.rollout.order.is_some());
    model.settle(Mood::Good);
    assert!(model.release.is_rolled_back());
}

#[test]
fn a_rollback_after_the_end_changes_the_result_and_latches() {
    let mut model = under_watch();
    model.settle(Mood::Good);
    assert_eq!(model.release.result, Some(ReleaseResult::Released));
    model.ask("ada", Ask::RollBack { comment: clean("checkout is slow") }).expect("a way back");
    model.settle(Mood::Good);
    assert!(model.release.is_rolled_back());
    let latch = model.release.rollout.latch.as_ref().expect("a latch");
    assert_eq!(latch.reason.as_str(), "checkout is slow");
}

#[test]
fn a_rollback_that_fails_holds_and_can_be_asked_again() {
    let mut model = under_watch();
    model.ask("ada", Ask::RollBack { comment: comment() }).expect("back");
    one(&mut model, Mood::Bad);
    assert!(matches!(hold(&model), Hold::BothBad { .. }));
    model.ask("bob", Ask::RollBack { comment: comment() }).expect("again");
    model.settle(Mood::Good);
    assert!(model.release.is_rolled_back());
}

#[test]
fn a_restore_that_fails_after_the_end_can_be_retried_and_undone() {
    let mut model = under_watch();
    model.settle(Mood::Good);
    let backup = model.release.backups[0].id.clone();
    let unknown: gonogo::release::BackupId = "backup_0.dump".parse().expect("an id");
    assert!(model.ask("ada", Ask::Restore { backup: unknown }).is_err(), "I18");
    assert!(model.ask("ada", Ask::UndoRestore).is_err());
    model.ask("ada", Ask::Restore { backup }).expect("verified");
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Bad);
    assert!(model.ask("ada", Ask::UndoRestore).is_err());
    model.ask("ada", Ask::Retry).expect("the writers may be fenced");
    model.settle(Mood::Good);
    model.ask("ada", Ask::UndoRestore).expect("an undo");
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Unknown);
    model.ask("ada", Ask::Retry).expect("in doubt");
    let doubts: Vec<_> = model.release.doubts.keys().cloned().collect();
    model.observe(doubts[0].clone(), Seen::NotDone);
    model.settle(Mood::Good);
    assert!(model.release.restore.as_ref().is_some_and(gonogo::release::Restore::is_done));
    assert!(model.ask("ada", Ask::UndoRestore).is_err(), "undone is undone");
}

#[test]
fn a_crash_looks_before_it_repeats() {
    let mut model = at_the_switch();
    model.ask("ada", Ask::Switch { to: Slot::Blue }).expect("a switch");
    model.open(None);
    let (look, _) = the_look(&model);
    let is_switch = |(_, effect): &(_, Effect)| matches!(effect, Effect::SwitchTraffic { .. });
    assert!(!model.owed().iter().any(is_switch), "not before the look for a rollback");
    found(&mut model, look, None);
    let (key, effect) = model
        .owed()
        .into_iter()
        .find(|(_, effect)| matches!(effect, Effect::SwitchTraffic { .. }))
        .expect("the switch is still owed");
    assert!(model.release.doubts.contains_key(&key), "F1: in doubt until it is looked at");
    let outcome = super::model::outcome(&effect, Mood::Good);
    model.observe(key, Seen::Done { outcome: Box::new(outcome) });
    assert!(model.release.is_switched());
    let switches = model.kinds().iter().filter(|kind| **kind == "traffic_switched").count();
    assert_eq!(switches, 1);
}

/// The look for a rollback that no journal knows.
fn the_look(model: &Model) -> (EffectKey, Effect) {
    let look = |(_, effect): &(_, Effect)| matches!(effect, Effect::FindRollback { .. });
    model.owed().into_iter().find(look).expect("a look is owed")
}

fn found(model: &mut Model, look: EffectKey, trace: Option<Clean>) {
    let outcome = Outcome::RollbackFound { trace };
    model.input(Input::Answered(look, outcome)).expect("answers are never refused");
}

#[test]
fn f4_a_rollback_that_was_not_recorded_is_recorded_by_the_next_session_and_ended() {
    for recorded in [true, false] {
        let mut model = if recorded { under_watch() } else { at_the_switch() };
        if !recorded {
            model.ask("ada", Ask::Switch { to: Slot::Blue }).expect("a switch");
        }
        model.open(None);
        let (look, effect) = the_look(&model);
        assert_eq!(effect, Effect::FindRollback { to: Slot::Green });
        let trace = Some(clean("ordered by ada at 3 and not recorded then: it burns"));
        found(&mut model, look, trace);
        let order = model.release.rollout.order.clone().expect("an order");
        assert_eq!((order.to, order.way), (Slot::Green, Way::Back));
        model.settle(Mood::Good);
        assert!(!model.release.is_switched());
        let reason = "ordered by ada at 3 and not recorded then: it burns".into();
        assert_eq!(model.release.result, Some(ReleaseResult::RolledBack { reason }));
    }
}

#[test]
fn a_session_that_finds_no_rollback_looks_once() {
    let mut model = under_watch();
    model.open(None);
    let (look, _) = the_look(&model);
    found(&mut model, look, None);
    assert!(model.release.is_switched());
    let look = |(_, effect): &(_, Effect)| matches!(effect, Effect::FindRollback { .. });
    assert!(!model.owed().iter().any(look));
}

#[test]
fn nothing_else_is_accepted_after_the_end() {
    let mut model = at_the_gate();
    model.ask("ada", Ask::Abort { comment: comment() }).expect("abort");
    assert!(matches!(model.release.result, Some(ReleaseResult::Aborted { .. })));
    model.settle(Mood::Good);
    for ask in super::rules::all_asks(&model.release) {
        assert!(model.ask("ada", ask.clone()).is_err(), "{ask:?}");
    }
    assert!(owed(&model.release).is_empty());
}

#[test]
fn a_late_answer_of_an_older_try_changes_nothing() {
    let mut model = Model::new(start(plan(), policy(), "main"));
    let (key, effect) = model.owed().swap_remove(0);
    model.answer(key.clone(), &effect, Mood::Good);
    let before = model.journal.len();
    model.answer(key, &effect, Mood::Bad);
    assert_eq!(model.journal.len(), before);
}

#[test]
fn plans_that_talk_their_way_past_the_gate_are_refused() {
    let table = [
        ("approval: true", "approval: false", "stages[1].steps[1].uses: it changes production"),
        (
            "{id: validate, title: Validate,",
            "{id: validate, title: Validate, approval: true,",
            "stages[2].approval: a second stage",
        ),
        ("until: validate", "until: verify", "branches[0].until: there is no stage"),
        ("skip: [build.image]", "skip: [build.x]", "branches[1].skip[0]: there is no step"),
        ("needs: [build.image]", "needs: [build.push]", "stages[0].steps[1].needs[0]"),
        ("id: build.push", "id: push", "stages[0].steps[2].id"),
        ("id: build.push", "id: build.scan", "stages[0].steps[2].id: build.scan stands twice"),
        ("uses: health", "uses: health, run: [x]", "stages[2].steps[0].uses"),
        ("jobs: 2", "jobs: 0", "jobs: at least one"),
    ];
    for (from, to, message) in table {
        assert!(PLAN.contains(from), "{from}");
        let plan: Plan = serde_yaml::from_str(&PLAN.replacen(from, to, 1)).expect("it parses");
        let error = plan.check().expect_err(message).to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_layer_is_proven_by_what_looked_at_it_and_by_nothing_else() {
    let proofs = |model: &Model| -> Vec<(&'static str, String)> {
        let of = |layer: &gonogo::release::Layer| {
            let proofs = layer.proofs(&model.release);
            proofs.first().map(|proof| (layer.name, proof.to_string()))
        };
        LAYERS.iter().filter_map(of).collect()
    };
    assert_eq!(proofs(&Model::new(start(plan(), policy(), "main"))), []);
    assert_eq!(proofs(&at_the_gate()), [("image", "build.scan/trivy".to_owned())]);
    let mut model = Model::new(start(plan(), policy(), "main"));
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Unknown);
    assert_eq!(proofs(&model), [], "what scanned nothing proves nothing");
    // A tool that leaves no report has an exit code, which is said and proves nothing.
    let signs = PLAN.replacen("title: Push, run: [docker]", "title: Push, run: [cosign]", 1);
    let signs: Plan = serde_yaml::from_str(&signs).expect("a plan");
    let mut model = Model::new(start(signs, policy(), "main"));
    model.settle(Mood::Good);
    assert_eq!(proofs(&model), [("image", "build.scan/trivy".to_owned())]);
    let image = LAYERS.iter().find(|layer| layer.name == "image").expect("a layer");
    assert_eq!(image.unreported(&model.release), ["cosign"]);
}

/// A release whose gate is open over two criticals, which the policy allows.
fn at_the_gate_with_findings() -> Model {
    let mut own = policy();
    own.findings = gonogo::release::FindingsPolicy::default();
    own.findings.limits.all.insert(Severity::Critical, 2);
    let mut model = Model::new(start(plan(), own, "main"));
    one(&mut model, Mood::Good);
    one(&mut model, Mood::Bad);
    model.settle(Mood::Good);
    assert!(model.release.open_gate().is_some());
    model
}

/// Asks for at most so many criticals.
fn at_most(model: &Model, criticals: u32) -> Ask {
    let mut policy = model.release.policy().expect("a policy").clone();
    policy.findings.limits.all.insert(Severity::Critical, criticals);
    Ask::ChangePolicy { policy: Box::new(policy), from: clean("a file"), comment: comment() }
}

#[test]
fn i13_a_card_freezes_findings_and_layers_and_a_changed_one_asks_everybody_anew() {
    let mut model = at_the_gate_with_findings();
    let gate = model.release.gate.clone().expect("a gate");
    assert_eq!(gate.card.findings.all[&Severity::Critical], 2);
    let image = gate.card.layers.iter().find(|layer| layer.name == "image".into());
    assert_eq!(image.expect("a layer").proofs, [clean("build.scan/trivy")]);
    let mut other = (*gate.card).clone();
    other.layers.clear();
    let digest = |card| gonogo::release::Digest::of(&serde_json::to_vec(card).expect("json"));
    assert_eq!(digest(&*gate.card), gate.digest);
    assert_ne!(digest(&other), gate.digest, "the layers are under the digest");
    model.ask("bob", Ask::Defer { comment: comment() }).expect("not now");
    let seen = model.release.head;
    // A waiver changes what the card says: it is drawn up anew, and what was said is void.
    model.ask("bob", Ask::Waive { waiver: waiver("CVE-1", "2026-12-31") }).expect("a waiver");
    assert_eq!(model.ask("ada", approve()), Err(Refusal::NoGate), "no card stands meanwhile");
    judge_again(&mut model);
    model.settle(Mood::Good);
    let anew = model.release.gate.clone().expect("a gate");
    assert_eq!(anew.card.findings.waived[0].count, 2);
    assert!(anew.digest != gate.digest && anew.votes.is_empty());
    let by = gonogo::release::Principal {
        person: person("ada"),
        via: gonogo::release::Via::Cockpit,
        key: None,
    };
    let late = gonogo::release::Command { by, seen, ask: approve() };
    let answer = model.input(Input::Asked(late));
    assert!(matches!(answer, Err(Refusal::Stale { .. })), "{answer:?}");
    model.ask("ada", approve()).expect("a vote on what there is");
}

#[test]
fn i10_a_looser_policy_has_the_stage_judged_again_and_skips_no_step() {
    let mut model = held_by_its_findings();
    model.ask("ada", at_most(&model, 1)).expect("a change");
    model.settle(Mood::Good);
    assert!(matches!(hold(&model), Hold::Failed { .. }), "still too many");
    let mut looser = model.release.policy().expect("a policy").clone();
    looser.findings.limits.all.insert(Severity::Critical, 2);
    looser.findings.limits.new.clear();
    let (policy, from) = (Box::new(looser), clean("a file"));
    model.ask("ada", Ask::ChangePolicy { policy, from, comment: comment() }).expect("a change");
    model.settle(Mood::Good);
    let gate = model.release.open_gate().expect("the gate opens").clone();
    for step in model.release.plan().expect("a plan").stages[0].steps.clone() {
        let status = &model.release.steps[&step.id].status;
        assert_eq!(*status, gonogo::release::StepStatus::Passed, "{} was skipped", step.id);
    }
    assert_eq!(gate.card.policy.len(), 2);
    assert!(gate.card.policy[1].as_str().contains("LOOSER: findings.limits.all.critical: 1 → 2"));
    let changed = model.release.start.as_deref().expect("a start");
    assert_eq!(changed.policy_digest, changed.policy.digest());
}

#[test]
fn i10_a_stricter_policy_stops_what_the_gate_asks_for_and_voids_its_votes() {
    let mut model = at_the_gate_with_findings();
    model.ask("bob", Ask::Defer { comment: comment() }).expect("not now");
    model.ask("ada", at_most(&model, 0)).expect("a change");
    assert_eq!(model.ask("ada", approve()), Err(Refusal::NoGate));
    model.settle(Mood::Good);
    assert!(matches!(hold(&model), Hold::Failed { .. }), "what passed passes no more");
    assert!(model.release.gate.is_none());
    model.ask("ada", at_most(&model, 2)).expect("a change");
    model.settle(Mood::Good);
    assert!(model.release.open_gate().expect("open again").votes.is_empty());
    // What people said go over stays said; what comes later is judged by the change.
    model.ask("ada", approve()).expect("a vote");
    model.settle(Mood::Good);
    assert!(model.release.awaits_switch());
    model.ask("ada", at_most(&model, 0)).expect("a change");
    assert!(model.release.stage_is_go(0) && model.release.awaits_switch());
}

#[test]
fn only_who_may_approve_may_change_the_policy_and_only_its_findings_gates() {
    let mut own = policy();
    own.approval.approvers = vec![person("mira")];
    own.approval.requester_may_approve = false;
    let mut model = Model::new(start(plan(), own, "main"));
    assert!(matches!(
        model.ask("zoe", at_most(&model, 9)),
        Err(Refusal::MayNotChangePolicy { .. })
    ));
    let same = model.release.policy().expect("a policy").clone();
    let ask = |policy: &gonogo::release::Policy, comment: &str| Ask::ChangePolicy {
        policy: Box::new(policy.clone()),
        from: clean("a file"),
        comment: clean(comment),
    };
    assert!(matches!(model.ask("mira", ask(&same, "why")), Err(Refusal::NotNow { .. })));
    let mut more = same.clone();
    more.findings.limits.all.insert(Severity::Low, 9);
    let silent = model.ask("mira", ask(&more, " "));
    assert!(matches!(silent, Err(Refusal::MayNotChangePolicy { .. })), "{silent:?}");
    more.approval.approvers.push(person("zoe"));
    let Err(Refusal::NotNow { why }) = model.ask("mira", ask(&more, "why")) else {
        panic!("more than the findings gates changed")
    };
    assert!(why.as_str().contains("approval.approvers"), "{why}");
    model.ask("mira", at_most(&model, 9)).expect("a change");
    model.let_time_pass();
}

#[test]
fn i13_what_changes_while_the_card_is_drawn_up_stands_on_it() {
    let mut model = Model::new(start(plan(), policy(), "main"));
    let (key, drawn) = loop {
        let owed = model.owed();
        let card = owed.iter().find(|(_, effect)| matches!(effect, Effect::DrawUpCard { .. }));
        if let Some(card) = card {
            break card.clone();
        }
        one(&mut model, Mood::Good);
    };
    model.ask("ada", at_most(&model, 3)).expect("a change");
    // The card of before is on its way, and is not the one that opens the gate.
    model.answer(key, &drawn, Mood::Good);
    assert!(model.release.gate.is_none());
    model.settle(Mood::Good);
    let gate = model.release.open_gate().expect("the gate opens");
    assert!(gate.card.policy[0].as_str().contains("LOOSER"), "{:?}", gate.card.policy);
}
