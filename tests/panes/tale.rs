//! Short histories, told record by record.

use std::sync::Arc;

use gonogo::config;
use gonogo::engine::handle::{Link, Live, Snapshot};
use gonogo::release::{
    BuiltIn, Card, CardLine, CardRollout, Clean, Digest, Epoch, Event, FORMAT, Finite, GateResult,
    GateVerdict, Hold, Judgement, Person, Principal, Record, Rehearsal, Release, ReleaseId,
    ReleaseResult, Revision, Serving, Slot, SlotState, Start, StepEnd, StepId, StepResult, Survey,
    Telemetry, Timestamp, TrafficProof, Verdict, Via, Vote, Way,
};

/// A release's records so far, and the live picture beside them.
#[derive(Clone)]
pub(super) struct Tale {
    release: Release,
    records: Vec<Arc<Record>>,
    live: Live,
    link: Link,
    now_ms: u64,
}

pub(super) fn finite(value: f64) -> Finite {
    Finite::new(value).expect("a number")
}

impl Tale {
    pub(super) fn new() -> Self {
        Self {
            release: Release::new(ReleaseId::new("r-1123.1").expect("an id")),
            records: Vec::new(),
            live: Live::default(),
            link: Link::Live,
            now_ms: 0,
        }
    }

    pub(super) fn started() -> Self {
        Self::begun(Some(Rehearsal { scenario: Clean::new("drill"), seed: 7 }))
    }

    /// Not a rehearsal.
    pub(super) fn for_real() -> Self {
        Self::begun(None)
    }

    fn begun(rehearsal: Option<Rehearsal>) -> Self {
        let mut tale = Self::new();
        let plan = config::read_plan(&config::pipeline().expect("shipped")).expect("a plan");
        let policy = config::read_policy(&config::policy().expect("shipped")).expect("a policy");
        let until = plan.stages.last().expect("stages").id.clone();
        tale.tell(Event::ReleaseStarted {
            start: Box::new(Start {
                plan,
                plan_digest: Digest::zero(),
                policy,
                policy_digest: Digest::zero(),
                policy_from: Clean::default(),
                revision: Revision::new("3f9c2e1aaaa").expect("a revision"),
                branch: Clean::new("main"),
                environment: Clean::new("production"),
                from: None,
                until,
                external: true,
                attended: true,
                tells: false,
                rehearsal,
                latches: Vec::new(),
                baseline: None,
                passed_before: Vec::new(),
            }),
        });
        tale
    }

    pub(super) fn at_gate() -> Self {
        let mut tale = Self::started();
        for index in 0..7 {
            tale.pass_stage(index);
        }
        let stage = tale.release.plan().expect("a plan").stages[7].id.clone();
        let survey = Survey {
            serving: Serving::One { slot: Slot::Blue },
            services: Vec::new(),
            blue: SlotState::default(),
            green: SlotState::default(),
        };
        let line = CardLine {
            what: Clean::new("backup"),
            value: Clean::new("1.2 MB, verified"),
            verdict: Verdict::Pass,
        };
        let card = Card {
            rollout: Some(CardRollout { survey, preview: Slot::Green }),
            evidence: vec![line],
            undo: Clean::new("switch back, 2 s"),
            ..tale.release.card_so_far()
        };
        tale.tell(Event::GateOpened { stage, card: Box::new(card), digest: Digest::zero() });
        tale
    }

    pub(super) fn ready_to_switch() -> Self {
        let mut tale = Self::at_gate();
        let stage = tale.release.plan().expect("a plan").stages[7].clone();
        let (id, comment) = (stage.id.clone(), Clean::new("looks good"));
        tale.tell(Event::VoteCast {
            stage: id.clone(),
            card: Digest::zero(),
            vote: Vote::Approve,
            comment,
        });
        tale.tell(Event::GateClosed { stage: id, result: GateResult::Go });
        for step in stage.steps {
            match step.uses {
                Some(BuiltIn::Switch) => tale.tell(Event::StepStarted { step: step.id }),
                Some(BuiltIn::Monitor) => {}
                _ => tale.pass_step(&step.id),
            }
        }
        tale
    }

    pub(super) fn switched() -> Self {
        let mut tale = Self::ready_to_switch();
        tale.tell(Event::SwitchOrdered { from: Some(Slot::Blue), to: Slot::Green });
        tale.traffic(Slot::Green, Way::Forward);
        let step = |what| tale.release.plan().and_then(|plan| plan.built_in(what)).cloned();
        let (switch, monitor) = (step(BuiltIn::Switch), step(BuiltIn::Monitor));
        let end = Box::new(StepEnd::new(StepResult::Passed, 1900));
        tale.tell(Event::StepEnded { step: switch.expect("a step").id, end });
        tale.tell(Event::StepStarted { step: monitor.expect("a step").id });
        tale
    }

    pub(super) fn rolled_back() -> Self {
        let mut tale = Self::switched();
        let reason = Clean::new("errors 6.00 %, limit 1.00 %");
        tale.tell(Event::RollbackOrdered { to: Slot::Blue, reason: reason.clone() });
        tale.traffic(Slot::Blue, Way::Back);
        tale.tell(Event::ReleaseEnded { result: ReleaseResult::RolledBack { reason } });
        tale
    }

    pub(super) fn held() -> Self {
        let mut tale = Self::started();
        tale.pass_stage(0);
        let stage = tale.release.plan().expect("a plan").stages[1].clone();
        let step = stage.steps[0].id.clone();
        tale.tell(Event::StepStarted { step: step.clone() });
        let reason = Clean::new("exit code 1");
        let failed = StepResult::Failed { reason: reason.clone() };
        tale.tell(Event::StepEnded { step, end: Box::new(StepEnd::new(failed, 9000)) });
        tale.tell(Event::Held { hold: Hold::Failed { stage: stage.id, reason } });
        tale
    }

    fn traffic(&mut self, to: Slot, way: Way) {
        let proof = TrafficProof { slot: to, endpoints: Vec::new() };
        self.tell(Event::TrafficSwitched { to, way, proof, took_ms: 1900 });
    }

    fn pass_stage(&mut self, index: usize) {
        let stage = self.release.plan().expect("a plan").stages[index].clone();
        for step in &stage.steps {
            self.pass_step(&step.id);
        }
        let judgement = Judgement {
            verdict: GateVerdict::Go,
            reasons: Vec::new(),
            reports: 0,
            findings: 0,
            weighed: Vec::new(),
        };
        self.tell(Event::StageJudged { stage: stage.id, judgement });
    }

    fn pass_step(&mut self, step: &StepId) {
        self.tell(Event::StepStarted { step: step.clone() });
        self.now_ms += 20_000;
        let end = Box::new(StepEnd::new(StepResult::Passed, 20_000));
        self.tell(Event::StepEnded { step: step.clone(), end });
    }

    pub(super) fn tell(&mut self, event: Event) {
        let person = Person::new("mira").expect("a name");
        let now = self.now();
        let record = Record {
            format: FORMAT,
            release: self.release.id.clone(),
            seq: self.release.next_seq(),
            epoch: Epoch(1),
            prev: Digest::zero(),
            attempt_id: String::new(),
            at_wall: now.wall,
            at_boot: now.boot_ms,
            by: Principal { person, via: Via::Cockpit, key: None },
            event,
        };
        self.release.apply(&record);
        self.records.push(Arc::new(record));
    }

    pub(super) fn telemetry(&mut self, change: impl FnOnce(&mut Telemetry, i64)) {
        let now_ms = self.now().wall_ms();
        change(&mut self.live.telemetry, now_ms);
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub(super) fn lose_link(&mut self, why: &str) {
        self.link = Link::Lost { why: Clean::new(why), since_ms: self.now().wall_ms() };
    }

    fn now(&self) -> Timestamp {
        let begun: jiff::Timestamp = "2026-11-23T02:26:00Z".parse().expect("a time");
        let past = jiff::SignedDuration::from_millis(self.now_ms.cast_signed());
        Timestamp { wall: begun + past, boot_ms: self.now_ms }
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
}
