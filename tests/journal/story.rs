//! One release that meets everything: every kind of event, with fixed values, in an order that
//! could have happened.

use std::collections::BTreeMap;

use gonogo::release::finding::limits::Limits;
use gonogo::release::finding::waiver::Waiver;
use gonogo::release::policy::PolicyChange;
use gonogo::release::{
    AfterRollback, ApprovalPolicy, Attempt, Backup, BackupId, BranchRule, BuiltIn, Card, CardLayer,
    CardLine, CardRollout, Clean, Counted, DatabasePolicy, Deployed, DeploymentState, Digest,
    EffectKey, EndpointCount, Epoch, Event, Evidence, Finding, FindingsPolicy, Finite, GateResult,
    GateVerdict, Hold, Judgement, Latch, LatchedBy, Loss, MonitorPolicy, OnUnknown, Outcome,
    Person, Plan, Policy, Principal, Reading, Rehearsal, ReleaseId, ReleaseResult, ReportFile,
    ReportFormat, ReportState, ReportSummary, RestorePhase, RestoreReport, Revision, RolloutPolicy,
    Rule, RuleVerdict, SecretName, Seen, Seq, ServiceSlot, Serving, SessionId, Severity, Slot,
    SlotState, Stage, StageId, Start, Step, StepEnd, StepId, StepResult, Survey, TestCounts,
    Touches, TrafficProof, Verdict, Via, Vote, Way,
};

/// How many kinds of events there are.
pub(super) const KINDS: usize = 29;

/// The place of an event's kind. A new kind does not compile until it has a place here, a
/// strategy in `arbitrary` and a line in a golden journal.
pub(super) fn kind(event: &Event) -> usize {
    match event {
        Event::ReleaseStarted { .. } => 0,
        Event::SessionOpened { .. } => 1,
        Event::StepStarted { .. } => 2,
        Event::StepEnded { .. } => 3,
        Event::StepSkipped { .. } => 4,
        Event::EffectObserved { .. } => 5,
        Event::StageJudged { .. } => 6,
        Event::GateOpened { .. } => 7,
        Event::VoteCast { .. } => 8,
        Event::GateClosed { .. } => 9,
        Event::SwitchOrdered { .. } => 10,
        Event::TrafficSwitched { .. } => 11,
        Event::SwitchFailed { .. } => 12,
        Event::WindowJudged { .. } => 13,
        Event::RollbackOrdered { .. } => 14,
        Event::VersionLatched { .. } => 15,
        Event::SlotTidied { .. } => 16,
        Event::RestoreOrdered { .. } => 17,
        Event::RestoreAdvanced { .. } => 18,
        Event::RestoreFailed { .. } => 19,
        Event::Held { .. } => 20,
        Event::RetryOrdered { .. } => 21,
        Event::HoldOverridden { .. } => 22,
        Event::AbortOrdered { .. } => 23,
        Event::ReleaseEnded { .. } => 24,
        Event::Notified { .. } => 25,
        Event::TailRepaired { .. } => 26,
        Event::FindingWaived { .. } => 27,
        Event::PolicyChanged { .. } => 28,
    }
}

pub(super) fn clean(text: &str) -> Clean {
    Clean::new(text)
}

pub(super) fn stage(name: &str) -> StageId {
    StageId::new(name).expect("a stage id")
}

fn step_id(name: &str) -> StepId {
    StepId::new(name).expect("a step id")
}

pub(super) fn revision() -> Revision {
    Revision::new("a1b2c3d4e5f60718293a4b5c6d7e8f9001122334").expect("a revision")
}

fn finite(number: f64) -> Finite {
    Finite::new(number).expect("finite")
}

fn step(id: &str) -> Step {
    Step {
        id: step_id(id),
        title: format!("The step {id}"),
        run: Vec::new(),
        uses: None,
        needs: Vec::new(),
        touches: Touches::External,
        secrets: Vec::new(),
        env: BTreeMap::new(),
        report: None,
        exit_ok: Vec::new(),
        timeout_s: 600,
        retries: 0,
        expected_s: 30,
    }
}

pub(super) fn plan() -> Plan {
    let uses = |id: &str, what| Step { uses: Some(what), ..step(id) };
    let gitleaks = Step {
        run: vec!["gitleaks".into(), "detect".into()],
        touches: Touches::Workspace,
        secrets: vec![SecretName::new("SONAR_TOKEN").expect("a name")],
        env: BTreeMap::from([("NO_COLOR".into(), "1".into())]),
        report: Some(ReportFile { path: "gitleaks.sarif".into(), format: ReportFormat::Sarif }),
        exit_ok: vec![1],
        retries: 1,
        ..step("code.gitleaks")
    };
    let tests = Step { run: vec!["npm".into(), "test".into()], ..step("code.unit") };
    let mut preview = uses("production.preview", BuiltIn::DeployPreview);
    preview.needs = vec![step_id("code.unit")];
    let code = Stage {
        id: stage("code"),
        title: "Code".into(),
        approval: false,
        steps: vec![gitleaks, tests],
    };
    let production = Stage {
        id: stage("production"),
        title: "Production".into(),
        approval: true,
        steps: vec![
            uses("production.backup", BuiltIn::Backup),
            preview,
            uses("production.switch", BuiltIn::Switch),
            uses("production.monitor", BuiltIn::Monitor),
        ],
    };
    let rule = BranchRule {
        branch: "main".into(),
        until: stage("production"),
        external: true,
        skip: Vec::new(),
    };
    Plan { name: "shop".into(), jobs: 4, branches: vec![rule], stages: vec![code, production] }
}

fn most(all: &[(Severity, u32)]) -> Limits {
    Limits { all: all.iter().copied().collect(), ..Limits::default() }
}

pub(super) fn waiver() -> Waiver {
    let until = "2026-12-31".parse().expect("a day");
    let waiver = Waiver::new(clean("not reachable"), person("mira"), until);
    Waiver { rule: Some(clean("generic-api-key")), location: Some(clean("docs/*")), ..waiver }
}

fn policy() -> Policy {
    Policy {
        approval: ApprovalPolicy {
            required: 2,
            requester_may_approve: false,
            approvers: vec![person("bob"), person("carol@example.com")],
            expires_s: 3600,
        },
        findings: FindingsPolicy {
            limits: most(&[(Severity::Critical, 0), (Severity::High, 3)]),
            steps: BTreeMap::from([(step_id("code.gitleaks"), most(&[(Severity::Unknown, 0)]))]),
            ..FindingsPolicy::default()
        },
        rollout: RolloutPolicy {
            ready_min: 2,
            promote_unattended: false,
            after_rollback: AfterRollback::Keep,
            automatic_rollback: true,
        },
        monitor: MonitorPolicy {
            duration_s: 300,
            window_s: 30,
            error_ratio_max: finite(0.01),
            mean_ms_max: finite(2000.0),
            exits_max: 1,
            requests_min: 50,
            fail_windows: 2,
            of_windows: 3,
            unknown_windows: 3,
            on_unknown: OnUnknown::Hold,
        },
        database: DatabasePolicy { backup_max_age_s: 900, retention_days: 30 },
        retry_window_s: 900,
    }
}

fn policy_change() -> PolicyChange {
    let mut changed = policy();
    changed.findings.limits.all.insert(Severity::High, 5);
    let from = clean("/etc/gonogo/policy.yaml");
    let change = PolicyChange::of(&policy(), &changed, from, clean("known, mended on Monday"));
    change.expect("a change")
}

pub(super) fn person(name: &str) -> Person {
    Person::new(name).expect("a name")
}

pub(super) fn start() -> Start {
    let latch = LatchedBy { latch: latch(), release: ReleaseId::new("r-1120.3").expect("an id") };
    Start {
        plan: plan(),
        plan_digest: Digest::of(b"plan"),
        policy: policy(),
        policy_digest: Digest::of(b"policy"),
        policy_from: Clean::default(),
        revision: revision(),
        branch: clean("main"),
        environment: clean("production"),
        from: None,
        until: stage("production"),
        external: true,
        attended: true,
        rehearsal: Some(Rehearsal { scenario: clean("bad-canary"), seed: 42 }),
        latches: vec![latch],
        baseline: None,
        passed_before: vec![],
        tells: true,
    }
}

fn latch() -> Latch {
    Latch {
        revision: Revision::new("00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff").expect("a revision"),
        images: vec![clean("shop/backend@sha256:0123456789abcdef")],
        reason: clean("error rate 4.10 %, limit 1.00 %"),
    }
}

fn survey() -> Survey {
    let slot = |image: &str| SlotState {
        deployments: vec![DeploymentState {
            name: clean("backend"),
            image: clean(image),
            desired: 3,
            ready: 3,
        }],
    };
    Survey {
        serving: Serving::One { slot: Slot::Blue },
        services: vec![ServiceSlot {
            service: clean("backend"),
            slot: Some(Slot::Blue),
            epoch: Some(Epoch(7)),
        }],
        blue: slot("shop/backend:1.4.1"),
        green: slot("shop/backend:1.4.2"),
    }
}

fn proof(slot: Slot) -> TrafficProof {
    let endpoints = vec![EndpointCount { service: clean("backend"), ours: 3, others: 0 }];
    TrafficProof { slot, endpoints }
}

fn report() -> ReportSummary {
    ReportSummary {
        tool: clean("gitleaks"),
        state: ReportState::Findings,
        coverage: clean("41 files, 3 commits"),
        covered: 44,
        tests: Some(TestCounts { passed: 214, failed: 0, skipped: 1 }),
        counts: BTreeMap::from([(Severity::Medium, 2)]),
        worst: vec![Finding {
            tool: clean("gitleaks"),
            rule: clean("generic-api-key"),
            severity: Severity::Medium,
            original: Some(clean("warning")),
            title: clean("A key \u{202e}that hides"),
            location: clean("src/pay.rs:88"),
            fingerprint: Digest::of(b"fingerprint"),
            ..Finding::default()
        }],
        digest: Digest::of(b"report"),
        measures: BTreeMap::new(),
    }
}

fn backup() -> Backup {
    Backup {
        id: backup_id(),
        taken_at: "2026-11-23T02:41:10Z".parse().expect("a time"),
        bytes: 1_234_567,
        sha256: Digest::of(b"dump"),
        rows: BTreeMap::from([("orders".into(), 41_202), ("users".into(), 77)]),
        schema_version: clean("1.2"),
        verified: true,
    }
}

pub(super) fn backup_id() -> BackupId {
    BackupId::new("backup_20261123_024110.dump").expect("an id")
}

fn card() -> Card {
    let line = CardLine {
        what: clean("Unit tests"),
        value: clean("214 passed, 1 skipped"),
        verdict: Verdict::Pass,
    };
    Card {
        rollout: Some(CardRollout { survey: survey(), preview: Slot::Green }),
        evidence: vec![line],
        findings: Counted { new: [(Severity::Medium, 2)].into(), ..Counted::default() },
        layers: vec![CardLayer {
            name: clean("code"),
            proofs: vec![clean("code.gitleaks/gitleaks")],
            unreported: vec![],
        }],
        policy: Vec::new(),
        undo: clean("traffic: switch back, no data loss (target 2 min)"),
    }
}

fn passed(took_ms: u64) -> StepEnd {
    StepEnd::new(StepResult::Passed, took_ms)
}

fn judged(verdict: GateVerdict, reasons: &[&str]) -> Judgement {
    let reasons = reasons.iter().map(|reason| clean(reason)).collect();
    Judgement { verdict, reasons, reports: 1, findings: 2, weighed: Vec::new() }
}

fn evidence() -> Evidence {
    Evidence {
        slot: Slot::Green,
        window_s: 30,
        requests: Reading::known(finite(1500.0)),
        error_ratio: Reading::known(finite(0.041)),
        mean_ms: Reading::known(finite(84.5)),
        p95_ms: Reading::unknown("the query answered NaN"),
        sample_age_s: Reading::known(finite(1.25)),
        exits: Reading::known(0),
        ready_min: Reading::known(3),
    }
}

fn by(name: &str, event: Event) -> (Principal, Event) {
    (Principal { person: person(name), via: Via::Cockpit, key: None }, event)
}

fn own(event: Event) -> (Principal, Event) {
    (Principal::engine(), event)
}

/// Every kind of event at least once.
pub(super) fn story() -> Vec<(Principal, Event)> {
    let mut story = before_the_gate();
    story.extend(gate_and_switch());
    story.extend(back_and_restore());
    story
}

fn before_the_gate() -> Vec<(Principal, Event)> {
    let (code, unit) = (stage("code"), step_id("code.unit"));
    let failed = StepResult::Failed { reason: clean("exit code 1") };
    let opened = |session: &str| Event::SessionOpened {
        session: SessionId::new(session).expect("an id"),
        host: clean("host7"),
        pid: 4711,
        boot: "5c7d1c6e-0000-4000-8000-000000000001".into(),
        build: clean("0.1.0"),
    };
    let end = |end: StepEnd| Box::new(end);
    let gitleaks = StepEnd { report: Some(report()), masked: 3, ..passed(812) };
    vec![
        by("alice", Event::ReleaseStarted { start: Box::new(start()) }),
        own(opened("s-4f2a")),
        own(Event::StepStarted { step: step_id("code.gitleaks") }),
        own(Event::StepStarted { step: unit.clone() }),
        own(Event::StepEnded { step: step_id("code.gitleaks"), end: end(gitleaks) }),
        own(opened("s-77b0")),
        own(Event::TailRepaired { bytes: 17 }),
        own(Event::EffectObserved { key: EffectKey::step(&unit, Attempt(1)), seen: Seen::NotDone }),
        own(Event::StepEnded { step: unit.clone(), end: end(StepEnd::new(failed, 9001)) }),
        own(Event::Held {
            hold: Hold::Failed { stage: code.clone(), reason: clean("code.unit: exit code 1") },
        }),
        by("alice", Event::RetryOrdered { steps: vec![unit.clone()] }),
        own(Event::StepStarted { step: unit.clone() }),
        own(Event::StepEnded { step: unit, end: end(passed(8000)) }),
        own(Event::StageJudged { stage: code, judgement: judged(GateVerdict::Go, &[]) }),
        own(Event::StepSkipped { step: step_id("code.gone"), reason: clean("not in this plan") }),
    ]
}

fn gate_and_switch() -> Vec<(Principal, Event)> {
    let production = stage("production");
    let digest = Digest::of(b"card");
    let vote = |vote, comment: &str| Event::VoteCast {
        stage: stage("production"),
        card: Digest::of(b"card"),
        vote,
        comment: clean(comment),
    };
    let done = Seen::Done { outcome: Box::new(Outcome::Tidied { what: clean("kept") }) };
    let images = vec![clean("shop/backend@sha256:0123456789abcdef")];
    let deployed = Some(Deployed { slot: Slot::Green, images });
    let step = |name: &str| step_id(&format!("production.{name}"));
    let ended =
        |name: &str, end: StepEnd| own(Event::StepEnded { step: step(name), end: Box::new(end) });
    let mut signed = by("bob", vote(Vote::Approve, "go"));
    signed.0.key = Some(clean("SHA256:abcdef"));
    signed.0.via = Via::Shell;
    vec![
        own(Event::GateOpened { stage: production.clone(), card: Box::new(card()), digest }),
        own(Event::Notified { about: Seq(15), channels: 2, failed: vec![clean("mail: refused")] }),
        by("carol@example.com", vote(Vote::Defer, "after the sale")),
        signed,
        by("carol@example.com", vote(Vote::Approve, "")),
        own(Event::GateClosed { stage: production.clone(), result: GateResult::Go }),
        own(Event::StepStarted { step: step("backup") }),
        ended("backup", StepEnd { backup: Some(backup()), ..passed(4000) }),
        own(Event::StepStarted { step: step("preview") }),
        ended("preview", StepEnd { deployed, survey: Some(survey()), ..passed(60_000) }),
        own(Event::StepStarted { step: step("switch") }),
        by("alice", Event::SwitchOrdered { from: Some(Slot::Blue), to: Slot::Green }),
        own(Event::SwitchFailed {
            to: Slot::Green,
            way: Way::Forward,
            reason: clean("409 conflict on Service backend"),
        }),
        own(Event::Held { hold: Hold::SwitchFailed { reason: clean("409 conflict") } }),
        by("carol@example.com", Event::FindingWaived { waiver: Box::new(waiver()) }),
        by("carol@example.com", Event::PolicyChanged { change: Box::new(policy_change()) }),
        by("alice", Event::HoldOverridden { comment: clean("looked at it") }),
        by("alice", Event::SwitchOrdered { from: Some(Slot::Blue), to: Slot::Green }),
        own(Event::TrafficSwitched {
            to: Slot::Green,
            way: Way::Forward,
            proof: proof(Slot::Green),
            took_ms: 412,
        }),
        ended("switch", passed(90_000)),
        own(Event::StepStarted { step: step("monitor") }),
        own(Event::EffectObserved { key: EffectKey::rule(Seq(33)), seen: done }),
    ]
}

fn back_and_restore() -> Vec<(Principal, Event)> {
    let verdict = Verdict::fail("4.10 %, limit 1.00 %");
    let verdicts = vec![RuleVerdict { rule: Rule::ErrorRatio, verdict }];
    let loss = Loss { seconds: 41, rows: Some(BTreeMap::from([("orders".into(), -3)])) };
    let report = RestoreReport {
        phase: RestorePhase::Aside,
        took_ms: 39_000,
        detail: clean("restored 2 tables, counts equal"),
        loss: Some(loss),
    };
    let reason = clean("error rate 4.10 %, limit 1.00 %");
    vec![
        own(Event::WindowJudged { evidence: evidence(), verdicts }),
        own(Event::RollbackOrdered { to: Slot::Blue, reason: reason.clone() }),
        own(Event::TrafficSwitched {
            to: Slot::Blue,
            way: Way::Back,
            proof: proof(Slot::Blue),
            took_ms: 388,
        }),
        own(Event::VersionLatched { latch: Latch { revision: revision(), ..latch() } }),
        own(Event::SlotTidied { slot: Slot::Green, what: clean("kept for the post-mortem") }),
        by("alice", Event::RestoreOrdered { backup: backup_id(), undo: false }),
        own(Event::RestoreAdvanced { report: Box::new(report) }),
        own(Event::RestoreFailed {
            phase: RestorePhase::Fence,
            reason: clean("a writer came back"),
        }),
        by("alice", Event::AbortOrdered { comment: clean("enough for tonight") }),
        own(Event::ReleaseEnded { result: ReleaseResult::RolledBack { reason } }),
        own(Event::Notified { about: Seq(45), channels: 3, failed: vec![] }),
    ]
}
