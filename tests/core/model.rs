//! A world of dice around the real core: it answers what is owed, asks, crashes, and checks every
//! event against the rules before it is applied.

use gonogo::release::{
    AfterRollback, Ask, Backup, BackupId, Card, CardRollout, Clean, Command, Deployed, Digest,
    Effect, EffectKey, EndpointCount, Event, Evidence, FORMAT, Finite, Input, Opened, Outcome,
    Person, Plan, Policy, Principal, Reading, Record, Refusal, Release, ReleaseId, RestoreReport,
    Revision, Seen, Serving, SessionId, Slot, Start, StepEnd, StepResult, Survey, Timestamp,
    TrafficProof, Via, decide, due, judge, owed, permit,
};
use gonogo::release::{BuiltIn, ReportState, ReportSummary};

use super::rules;

pub(crate) struct Model {
    pub(crate) release: Release,
    pub(crate) journal: Vec<Record>,
    now_ms: u64,
    boot: u32,
    sessions: u32,
}

/// How a world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Bad,
    Unknown,
}

pub(crate) fn clean(text: &str) -> Clean {
    Clean::new(text)
}

pub(crate) fn person(name: &str) -> Person {
    Person::new(name).expect("a name")
}

fn by(name: &str, via: Via) -> Principal {
    Principal { person: person(name), via, key: None }
}

pub(crate) fn start(plan: Plan, policy: Policy, branch: &str) -> Start {
    let rule = plan.branch_rule(branch).expect("a rule").clone();
    Start {
        plan_digest: Digest::of(b"plan"),
        policy_digest: Digest::of(b"policy"),
        policy_from: Clean::default(),
        plan,
        policy,
        revision: Revision::new("0123456789abcdef").expect("a revision"),
        branch: clean(branch),
        environment: clean("production"),
        from: None,
        until: rule.until,
        external: rule.external,
        attended: true,
        tells: true,
        rehearsal: None,
        latches: Vec::new(),
        baseline: None,
        passed_before: Vec::new(),
    }
}

impl Model {
    /// A release that has just been opened.
    pub(crate) fn new(start: Start) -> Self {
        let id = ReleaseId::new("r-1").expect("an id");
        let mut model = Self {
            release: Release::new(id),
            journal: Vec::new(),
            now_ms: 1_000,
            boot: 1,
            sessions: 0,
        };
        model.open(Some(start));
        model
    }

    pub(crate) fn now(&self) -> Timestamp {
        let wall = i64::try_from(self.now_ms).expect("a small number");
        Timestamp {
            wall: jiff::Timestamp::from_millisecond(wall).expect("a time"),
            boot_ms: self.now_ms,
        }
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// A session opens the journal: at first, and again after each crash.
    pub(crate) fn open(&mut self, start: Option<Start>) {
        self.sessions += 1;
        let opened = Opened {
            session: SessionId::new(format!("s-{}", self.sessions)).expect("an id"),
            host: clean("host7"),
            pid: 4711,
            boot: format!("boot-{}", self.boot),
            build: clean("test"),
            repaired: None,
            by: Principal::engine(),
            start: start.map(Box::new),
        };
        // Whoever opens a journal knows nothing but the journal.
        self.release = fold(&self.journal);
        self.input(Input::Opened(opened)).expect("opening is never refused");
    }

    /// One input through decide, the rules, and the fold.
    pub(crate) fn input(&mut self, input: Input) -> Result<Vec<Event>, Refusal> {
        let asker = match &input {
            Input::Asked(command) => Some(command.by.clone()),
            _ => None,
        };
        let events = decide(&self.release, input, self.now())?;
        for (i, event) in events.iter().enumerate() {
            let by = asker.clone().filter(|_| i == 0).unwrap_or_else(Principal::engine);
            rules::check(&self.release, event, &by);
            let record = Record {
                format: FORMAT,
                release: self.release.id.clone(),
                seq: self.release.next_seq(),
                epoch: gonogo::release::Epoch(u64::from(self.sessions)),
                prev: Digest::zero(),
                attempt_id: String::new(),
                at_wall: self.now().wall,
                at_boot: self.now().boot_ms,
                by,
                event: event.clone(),
            };
            self.release.apply(&record);
            self.journal.push(record);
        }
        rules::check_state(&self.release);
        Ok(events)
    }

    pub(crate) fn ask(&mut self, who: &str, ask: Ask) -> Result<Vec<Event>, Refusal> {
        let allowed = permit(&self.release, &ask);
        let command = Command { by: by(who, Via::Cockpit), seen: self.release.head, ask };
        let answer = self.input(Input::Asked(command));
        if let Err(refusal) = allowed {
            assert_eq!(answer.as_ref().err(), Some(&refusal), "what greys the key refuses the ask");
        } else if let Err(refusal) = &answer {
            let about_the_person = matches!(
                refusal,
                Refusal::MayNotVote { .. }
                    | Refusal::MayNotWaive { .. }
                    | Refusal::MayNotChangePolicy { .. }
            );
            assert!(about_the_person, "permitted and refused: {refusal}");
        }
        answer
    }

    pub(crate) fn owed(&self) -> Vec<(EffectKey, Effect)> {
        owed(&self.release).into_iter().collect()
    }

    pub(crate) fn answer(&mut self, key: EffectKey, effect: &Effect, mood: Mood) {
        if let Effect::MeasureWindow { window_s, .. } = effect {
            self.wait_ms(window_s * 1000);
        }
        let outcome = outcome(effect, mood);
        self.input(Input::Answered(key, outcome)).expect("answers are never refused");
    }

    /// Answers everything that is owed, until nothing is.
    pub(crate) fn settle(&mut self, mood: Mood) {
        for _ in 0..2_000 {
            let Some((key, effect)) = self.owed().into_iter().next() else { return };
            self.answer(key, &effect, mood);
            self.wait_ms(100);
        }
        panic!("the release never rests: {:?}", self.owed());
    }

    /// Lets time bring what it brings next.
    pub(crate) fn let_time_pass(&mut self) {
        if let Some(due) = due(&self.release) {
            let left = due.at_ms.saturating_sub(self.release.elapsed_ms(self.now()));
            self.wait_ms(left);
            self.input(Input::Due(due.timer)).expect("a timer is never refused");
        }
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.journal.iter().map(|record| record.event.kind()).collect()
    }

    pub(crate) fn observe(&mut self, key: EffectKey, seen: Seen) {
        self.input(Input::Observed(key, seen)).expect("observations are never refused");
    }
}

pub(crate) fn fold(journal: &[Record]) -> Release {
    let mut release = Release::new(ReleaseId::new("r-1").expect("an id"));
    for record in journal {
        release.apply(record);
    }
    release
}

fn finite(value: f64) -> Reading<Finite> {
    Reading::known(Finite::new(value).expect("finite"))
}

pub(crate) fn evidence(slot: Slot, window_s: u64, mood: Mood) -> Evidence {
    let unknown = || Reading::unknown("no data");
    let (ratio, requests) = match mood {
        Mood::Good => (finite(0.0), finite(500.0)),
        Mood::Bad => (finite(0.2), finite(500.0)),
        Mood::Unknown => (unknown(), unknown()),
    };
    Evidence {
        slot,
        window_s,
        requests,
        error_ratio: ratio,
        mean_ms: finite(80.0),
        p95_ms: finite(200.0),
        sample_age_s: finite(1.0),
        exits: Reading::known(0),
        ready_min: Reading::known(3),
    }
}

pub(crate) fn report(mood: Mood) -> ReportSummary {
    use gonogo::release::Severity;
    let counts = if mood == Mood::Bad { vec![(Severity::Critical, 2)] } else { Vec::new() };
    ReportSummary {
        tool: clean("scanner"),
        state: match mood {
            Mood::Good => ReportState::Clean,
            Mood::Bad => ReportState::Findings,
            Mood::Unknown => ReportState::NotScanned { reason: clean("empty") },
        },
        coverage: clean("4 files"),
        covered: u64::from(mood != Mood::Unknown) * 4,
        tests: None,
        counts: counts.into_iter().collect(),
        worst: Vec::new(),
        digest: Digest::of(b"report"),
        measures: std::collections::BTreeMap::new(),
    }
}

fn card(mood: Mood, card: Card, switches: bool) -> Card {
    let serving = match mood {
        Mood::Good | Mood::Unknown => Serving::One { slot: Slot::Green },
        Mood::Bad => Serving::Split { detail: clean("backend: green, frontend: blue") },
    };
    let empty = gonogo::release::SlotState::default();
    let survey = Survey { serving, services: Vec::new(), blue: empty.clone(), green: empty };
    let rollout = switches.then_some(CardRollout { survey, preview: Slot::Blue });
    Card { rollout, ..card }
}

fn proof(slot: Slot) -> TrafficProof {
    let endpoints = vec![EndpointCount { service: clean("backend"), ours: 3, others: 0 }];
    TrafficProof { slot, endpoints }
}

fn step_end(effect: &Effect, mood: Mood) -> StepEnd {
    let mut end = StepEnd::new(StepResult::Passed, 50);
    match effect {
        Effect::RunCommand { step } if step.report.is_some() => end.report = Some(report(mood)),
        Effect::BuiltIn { what: BuiltIn::Backup, .. } => {
            end.backup = Some(Backup {
                id: BackupId::new("backup_1.dump").expect("an id"),
                taken_at: jiff::Timestamp::UNIX_EPOCH,
                bytes: 1,
                sha256: Digest::of(b"dump"),
                rows: std::collections::BTreeMap::new(),
                schema_version: clean("1.2"),
                verified: mood == Mood::Good,
            });
        }
        Effect::BuiltIn { what: BuiltIn::DeployPreview, job, .. } => {
            let slot = job.slot.unwrap_or(Slot::Blue);
            end.deployed = Some(Deployed { slot, images: vec![clean("backend@sha256:1")] });
        }
        _ if mood == Mood::Bad => end.result = StepResult::Failed { reason: clean("broken") },
        _ => {}
    }
    end
}

pub(crate) fn outcome(effect: &Effect, mood: Mood) -> Outcome {
    let doubt = Outcome::InDoubt { reason: clean("the line broke") };
    let failed = Outcome::Failed { reason: clean("refused") };
    match (effect, mood) {
        (Effect::RunCommand { step }, Mood::Unknown) if step.report.is_none() => doubt,
        (Effect::RunCommand { .. }, mood)
        | (Effect::BuiltIn { .. }, mood @ (Mood::Good | Mood::Bad)) => {
            Outcome::StepEnded(step_end(effect, mood))
        }
        (Effect::JudgeGate { inputs, policy, .. }, _) => Outcome::Judged(judge(inputs, policy)),
        (Effect::DrawUpCard { card: drawn, switches, .. }, mood @ (Mood::Good | Mood::Bad)) => {
            Outcome::CardDrawn(Box::new(card(mood, (**drawn).clone(), *switches)))
        }
        (Effect::SwitchTraffic { to, .. }, Mood::Good) => {
            Outcome::Switched { proof: proof(*to), took_ms: 40 }
        }
        (Effect::MeasureWindow { slot, window_s }, mood) => {
            Outcome::Measured { evidence: evidence(*slot, *window_s, mood) }
        }
        (Effect::FindRollback { .. }, _) => Outcome::RollbackFound { trace: None },
        (Effect::TidySlot { .. }, _) => Outcome::Tidied { what: clean("scaled down") },
        (Effect::Restore { phase, .. }, Mood::Good) => Outcome::Restored {
            report: Box::new(RestoreReport {
                phase: *phase,
                took_ms: 10,
                detail: clean("done"),
                loss: None,
            }),
        },
        (
            Effect::BuiltIn { .. } | Effect::SwitchTraffic { .. } | Effect::Restore { .. },
            Mood::Unknown,
        ) => doubt,
        (Effect::DrawUpCard { .. }, Mood::Unknown)
        | (Effect::SwitchTraffic { .. } | Effect::Restore { .. }, Mood::Bad) => failed,
        (Effect::Notify { .. }, _) => Outcome::Notified { channels: 1, failed: Vec::new() },
    }
}

/// A policy for tests: the shipped one, with the watch cut short.
pub(crate) fn policy() -> Policy {
    let mut policy = super::shipped::policy();
    policy.monitor.duration_s = 45;
    policy.rollout.after_rollback = AfterRollback::Keep;
    policy
}
