//! Drives a release through `decide` alone: no engine, no world, time by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use gonogo::engine::handle::{Link, Live, Snapshot};
use gonogo::release::{
    AfterRollback, ApprovalPolicy, Ask, Attempt, BranchRule, BuiltIn, Card, CardLine, CardRollout,
    Clean, Command, DatabasePolicy, Deployed, DeploymentState, Digest, Effect, EffectKey,
    EndpointCount, Epoch, Evidence, FORMAT, FindingsPolicy, Finite, GateVerdict, Input, Judgement,
    MonitorPolicy, OnUnknown, Opened, Outcome, Person, Plan, Policy, Principal, Reading, Record,
    Release, ReleaseId, ReportState, ReportSummary, RolloutPolicy, Serving, SessionId, Slot,
    SlotState, Stage, StageId, Start, Step, StepEnd, StepId, StepResult, Survey, TestCounts,
    Timestamp, Touches, TrafficProof, Verdict, Via, Vote, decide, owed,
};

pub(super) fn finite(number: f64) -> Finite {
    Finite::new(number).expect("finite")
}

pub(super) fn step_id(id: &str) -> StepId {
    StepId::new(id).expect("a name")
}

pub(super) fn stage_id(id: &str) -> StageId {
    StageId::new(id).expect("a name")
}

pub(super) fn key(step: &str, attempt: u32) -> EffectKey {
    EffectKey::step(&step_id(step), Attempt(attempt))
}

pub(super) fn person(name: &str) -> Principal {
    Principal { person: Person::new(name).expect("a name"), via: Via::Shell, key: None }
}

pub(super) struct Drive {
    pub(super) release: Release,
    pub(super) records: Vec<Arc<Record>>,
    pub(super) live: Live,
    pub(super) link: Link,
    at_s: i64,
}

impl Drive {
    pub(super) fn new() -> Self {
        Self {
            release: Release::new(ReleaseId::new("r-1").expect("a name")),
            records: Vec::new(),
            live: Live::default(),
            link: Link::Live,
            at_s: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let start: jiff::Timestamp = "2026-11-23T02:41:00Z".parse().expect("a time");
        let past = jiff::SignedDuration::from_secs(self.at_s);
        let boot_ms = u64::try_from(self.at_s).expect("time goes on") * 1000 + 77_000;
        Timestamp { wall: start + past, boot_ms }
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.at_s += seconds;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            release: self.release.clone(),
            records: self.records.clone(),
            live: Arc::new(self.live.clone()),
            link: self.link.clone(),
            now: self.now(),
        }
    }

    /// Decides and applies. The first event of an ask is the asker's.
    pub(super) fn input(&mut self, input: Input) {
        let now = self.now();
        let mut by = match &input {
            Input::Asked(command) => command.by.clone(),
            _ => Principal::engine(),
        };
        let events = decide(&self.release, input, now).expect("allowed");
        for event in events {
            if matches!(event, gonogo::release::Event::ReleaseStarted { .. }) {
                by = person("ben");
            }
            let record = Record {
                format: FORMAT,
                release: self.release.id.clone(),
                seq: self.release.next_seq(),
                epoch: Epoch(1),
                prev: Digest::zero(),
                attempt_id: String::new(),
                at_wall: now.wall,
                at_boot: now.boot_ms,
                by: std::mem::replace(&mut by, Principal::engine()),
                event,
            };
            self.release.apply(&record);
            self.records.push(Arc::new(record));
        }
    }

    pub(super) fn open(&mut self) {
        self.input(Input::Opened(Opened {
            session: SessionId::new("s-1").expect("a name"),
            host: Clean::new("host7"),
            pid: 4711,
            boot: "boot-1".to_owned(),
            build: Clean::new("0.1.0"),
            repaired: None,
            by: Principal::engine(),
            start: Some(Box::new(start())),
        }));
    }

    pub(super) fn answer(&mut self, key: &EffectKey, outcome: Outcome) {
        self.input(Input::Answered(key.clone(), outcome));
    }

    fn answer_step(&mut self, step: &str, end: StepEnd) {
        let key = self.release.step_key(&step_id(step)).expect("a step");
        self.answer(&key, Outcome::StepEnded(end));
    }

    fn took_ms(&self, step: &str) -> u64 {
        let started = self.release.steps[&step_id(step)].started_ms.expect("it runs");
        self.release.elapsed_ms(self.now()) - started
    }

    pub(super) fn end(&mut self, step: &str, result: StepResult) {
        self.answer_step(step, StepEnd::new(result, self.took_ms(step)));
    }

    pub(super) fn pass(&mut self, step: &str) {
        self.end(step, StepResult::Passed);
    }

    pub(super) fn pass_tests(&mut self, step: &str) {
        let mut end = StepEnd::new(StepResult::Passed, self.took_ms(step));
        end.report = Some(report(ReportState::Clean));
        self.answer_step(step, end);
    }

    pub(super) fn deploy(&mut self, step: &str) {
        let mut end = StepEnd::new(StepResult::Passed, self.took_ms(step));
        end.deployed = Some(Deployed { slot: Slot::Green, images: vec![Clean::new("shop:2")] });
        self.answer_step(step, end);
    }

    /// The effect owed that `wanted` picks.
    fn owed(&self, wanted: impl Fn(&Effect) -> bool) -> EffectKey {
        let owed = owed(&self.release).into_iter().find(|(_, effect)| wanted(effect));
        owed.expect("something of the kind is owed").0
    }

    pub(super) fn judge(&mut self) {
        let key = self.owed(|effect| matches!(effect, Effect::JudgeGate { .. }));
        let verdict = GateVerdict::Go;
        let judgement =
            Judgement { verdict, reasons: Vec::new(), reports: 1, findings: 0, weighed: vec![] };
        self.answer(&key, Outcome::Judged(judgement));
    }

    pub(super) fn draw_card(&mut self) {
        let key = self.owed(|effect| matches!(effect, Effect::DrawUpCard { .. }));
        let drawn = self.release.card_so_far();
        self.answer(&key, Outcome::CardDrawn(Box::new(Card { rollout: card().rollout, ..drawn })));
    }

    pub(super) fn ask(&mut self, who: &str, ask: Ask) {
        self.input(Input::Asked(Command { by: person(who), seen: self.release.head, ask }));
    }

    pub(super) fn vote(&mut self, who: &str, vote: Vote, comment: &str) {
        let comment = Clean::new(comment);
        let ask = match vote {
            Vote::Approve => Ask::Approve { comment },
            Vote::Reject => Ask::Reject { comment },
            Vote::Defer => Ask::Defer { comment },
        };
        self.ask(who, ask);
    }

    pub(super) fn change_policy(&mut self, who: &str, policy: &Policy, comment: &str) {
        let (policy, from) = (Box::new(policy.clone()), Clean::new("a file"));
        self.ask(who, Ask::ChangePolicy { policy, from, comment: Clean::new(comment) });
    }

    pub(super) fn switch(&mut self, who: &str) {
        self.ask(who, Ask::Switch { to: Slot::Green });
    }

    pub(super) fn answer_traffic(&mut self) {
        let key = self.owed(|effect| matches!(effect, Effect::SwitchTraffic { .. }));
        let slot = self.release.rollout.order.as_ref().expect("ordered").to;
        let outcome = Outcome::Switched { proof: proof(slot), took_ms: 1900 };
        self.answer(&key, outcome);
    }

    pub(super) fn answer_restore(&mut self, outcome: Outcome) {
        let key = self.owed(|effect| matches!(effect, Effect::Restore { .. }));
        self.answer(&key, outcome);
    }

    pub(super) fn window(&mut self, error_ratio: f64, mean_ms: Reading<Finite>) {
        let key = self.owed(|effect| matches!(effect, Effect::MeasureWindow { .. }));
        let evidence = evidence(error_ratio, mean_ms);
        self.answer(&key, Outcome::Measured { evidence });
    }

    pub(super) fn tell_all(&mut self) {
        for seq in self.release.untold.keys().copied().collect::<Vec<_>>() {
            let told = Outcome::Notified { channels: 2, failed: Vec::new() };
            self.answer(&EffectKey::rule(seq), told);
        }
    }
}

pub(super) fn evidence(error_ratio: f64, mean_ms: Reading<Finite>) -> Evidence {
    Evidence {
        slot: Slot::Green,
        window_s: 30,
        requests: Reading::known(finite(4211.0)),
        error_ratio: Reading::known(finite(error_ratio)),
        mean_ms,
        p95_ms: Reading::known(finite(300.0)),
        sample_age_s: Reading::known(finite(4.0)),
        exits: Reading::known(0),
        ready_min: Reading::known(2),
    }
}

pub(super) fn proof(slot: Slot) -> TrafficProof {
    let of = |service: &str, ours| EndpointCount { service: Clean::new(service), ours, others: 0 };
    TrafficProof { slot, endpoints: vec![of("backend", 3), of("frontend", 2)] }
}

pub(super) fn card() -> Card {
    let deployment = |name: &str, ready| DeploymentState {
        name: Clean::new(name),
        image: Clean::new("shop:1"),
        desired: 3,
        ready,
    };
    let survey = Survey {
        serving: Serving::One { slot: Slot::Blue },
        services: Vec::new(),
        blue: SlotState { deployments: vec![deployment("backend-blue", 3)] },
        green: SlotState::default(),
    };
    let evidence = vec![CardLine {
        what: Clean::new("unit tests"),
        value: Clean::new("42 passed"),
        verdict: Verdict::Pass,
    }];
    let rollout = Some(CardRollout { survey, preview: Slot::Green });
    Card {
        rollout,
        evidence,
        undo: Clean::new("switch back to BLUE, ~2 s, no data loss"),
        ..Release::new(ReleaseId::new("r-1").expect("a name")).card_so_far()
    }
}

pub(super) fn report(state: ReportState) -> ReportSummary {
    ReportSummary {
        tool: Clean::new("jest"),
        state,
        coverage: Clean::new("42 tests"),
        covered: 42,
        tests: Some(TestCounts { passed: 42, failed: 0, skipped: 1 }),
        counts: BTreeMap::new(),
        worst: Vec::new(),
        digest: Digest::zero(),
        measures: BTreeMap::new(),
    }
}

fn step(id: &str, uses: Option<BuiltIn>, needs: &[&str], expected_s: u64) -> Step {
    Step {
        id: step_id(id),
        title: id.to_owned(),
        run: if uses.is_none() { vec!["true".to_owned()] } else { Vec::new() },
        uses,
        needs: needs.iter().map(|need| step_id(need)).collect(),
        touches: Touches::External,
        secrets: Vec::new(),
        env: BTreeMap::new(),
        report: None,
        exit_ok: Vec::new(),
        timeout_s: 600,
        retries: 1,
        expected_s,
    }
}

pub(super) fn plan() -> Plan {
    let production = vec![
        step("production.deploy", Some(BuiltIn::DeployPreview), &[], 20),
        step("production.switch", Some(BuiltIn::Switch), &["production.deploy"], 10),
        step("production.monitor", Some(BuiltIn::Monitor), &["production.switch"], 300),
    ];
    let code = vec![step("code.lint", None, &[], 10), step("code.unit", None, &[], 60)];
    let stage = |id: &str, approval, steps| Stage {
        id: stage_id(id),
        title: id.to_owned(),
        approval,
        steps,
    };
    Plan {
        name: "shop".to_owned(),
        jobs: 2,
        branches: vec![BranchRule {
            branch: "main".to_owned(),
            until: stage_id("production"),
            external: true,
            skip: Vec::new(),
        }],
        stages: vec![stage("code", false, code), stage("production", true, production)],
    }
}

pub(super) fn policy() -> Policy {
    Policy {
        approval: ApprovalPolicy {
            required: 1,
            requester_may_approve: false,
            approvers: Vec::new(),
            expires_s: 3600,
        },
        findings: FindingsPolicy::default(),
        rollout: RolloutPolicy {
            ready_min: 1,
            promote_unattended: false,
            after_rollback: AfterRollback::Keep,
            automatic_rollback: true,
        },
        monitor: MonitorPolicy {
            duration_s: 300,
            window_s: 30,
            error_ratio_max: finite(0.01),
            mean_ms_max: finite(2000.0),
            exits_max: 0,
            requests_min: 100,
            fail_windows: 1,
            of_windows: 1,
            unknown_windows: 3,
            on_unknown: OnUnknown::Hold,
        },
        database: DatabasePolicy { backup_max_age_s: 900, retention_days: 30 },
        retry_window_s: 900,
    }
}

pub(super) fn start() -> Start {
    let revision = "1a2b3c4d5e6f708192a3b4c5d6e7f80912345678";
    Start {
        plan: plan(),
        plan_digest: Digest::of(b"plan"),
        policy: policy(),
        policy_digest: Digest::of(b"policy"),
        policy_from: Clean::default(),
        revision: gonogo::release::Revision::new(revision).expect("a name"),
        branch: Clean::new("main"),
        environment: Clean::new("production"),
        from: None,
        until: stage_id("production"),
        external: true,
        attended: true,
        tells: true,
        rehearsal: None,
        latches: Vec::new(),
        baseline: None,
        passed_before: Vec::new(),
    }
}
