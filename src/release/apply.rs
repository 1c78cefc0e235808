//! The fold: the only writer of a release. Total (every event applies to every state without
//! panicking), pure, and independent of clock and map order (invariant I1).

use std::sync::Arc;

use super::finding::waiver::Waiver;
use super::policy::PolicyChange;
use super::state::{
    Doubt, Gate, GivenPolicy, GivenWaiver, Held, Monitor, Restore, StageState, StepState,
    StepStatus, SwitchOrder, VoteEntry, Window,
};
use super::{
    AfterCrash, BuiltIn, Cause, Clean, Deployed, EffectKey, Event, GateVerdict, Hold, Record,
    Release, ReleaseResult, Seen, Seq, Session, Slot, Start, StepEnd, StepId, StepResult,
    TrafficProof, Via, Way, owed,
};

impl Release {
    /// Applies one record.
    pub fn apply(&mut self, record: &Record) {
        self.keep_time(record);
        self.head = Some(record.seq);
        self.epoch = self.epoch.max(record.epoch);
        let now_ms = self.clock.elapsed_ms;
        let tells = self.start.as_deref().is_some_and(|start| start.tells);
        if tells && record.event.tells_people() {
            let (title, body) = notice(self, &record.event);
            self.untold.insert(record.seq, (title, body));
        }
        self.apply_event(record, now_ms);
    }

    fn apply_event(&mut self, record: &Record, now_ms: u64) {
        let seq = record.seq;
        match &record.event {
            Event::ReleaseStarted { start } => self.on_started(start, record),
            Event::SessionOpened { session, host, pid, .. } => {
                self.session = Some(Session { id: session.clone(), host: host.clone(), pid: *pid });
                self.on_session(seq);
            }
            // The line was never acknowledged, so nothing followed from it.
            Event::TailRepaired { .. } => {}
            Event::StepStarted { step } => self.on_step_started(step, seq, now_ms),
            Event::StepEnded { step, end } => self.on_step_ended(step, end, seq, now_ms),
            Event::StepSkipped { step, reason } => {
                self.set_step(step, seq, |s| s.status = StepStatus::Skipped(reason.clone()));
            }
            Event::EffectObserved { key, seen } => self.on_observed(key, seen),
            Event::StageJudged { stage, judgement } => {
                if let Some(state) = self.stage_mut(stage.as_str()) {
                    state.judgement = Some(judgement.clone());
                    state.changed = seq;
                }
            }
            Event::GateOpened { .. } | Event::VoteCast { .. } | Event::GateClosed { .. } => {
                self.on_gate(record, now_ms);
            }
            Event::SwitchOrdered { .. }
            | Event::TrafficSwitched { .. }
            | Event::SwitchFailed { .. }
            | Event::RollbackOrdered { .. }
            | Event::VersionLatched { .. }
            | Event::SlotTidied { .. } => self.on_traffic(record, now_ms),
            Event::WindowJudged { evidence, verdicts } => {
                if let Some(monitor) = &mut self.monitor {
                    monitor.cause = seq;
                    monitor.windows.push(Window {
                        evidence: evidence.clone(),
                        verdicts: verdicts.clone(),
                        at_ms: now_ms,
                    });
                }
            }
            Event::RestoreOrdered { .. }
            | Event::RestoreAdvanced { .. }
            | Event::RestoreFailed { .. } => self.on_restore(record),
            Event::Held { hold } => {
                self.hold = Some(Held { hold: hold.clone(), since_ms: now_ms, seq });
            }
            Event::RetryOrdered { steps } => self.on_retry(steps, seq),
            Event::HoldOverridden { .. } => self.on_overridden(seq),
            Event::FindingWaived { waiver } => self.on_waived(waiver, record),
            Event::PolicyChanged { change } => self.on_policy(change, record),
            Event::AbortOrdered { comment } => {
                self.aborted = Some(comment.clone());
                self.hold = None;
                self.cancel_running("the release was aborted", now_ms);
            }
            Event::ReleaseEnded { result } => {
                self.result = Some(result.clone());
                self.hold = None;
                self.cancel_running("the release has ended", now_ms);
            }
            Event::Notified { about, .. } => {
                self.untold.remove(about);
            }
        }
    }

    /// Adds the time since the last record: by the boot clock within one boot, by the wall clock
    /// across boots, never backwards (faults F26 and F27).
    fn keep_time(&mut self, record: &Record) {
        let at = record.at();
        if let Some(last) = self.clock.at {
            let rebooted = match &record.event {
                Event::SessionOpened { boot, .. } => {
                    self.clock.boot.as_ref().is_some_and(|known| known != boot)
                }
                _ => false,
            };
            let past = if rebooted {
                u64::try_from(at.wall_ms().saturating_sub(last.wall_ms())).unwrap_or(0)
            } else {
                at.boot_ms.saturating_sub(last.boot_ms)
            };
            self.clock.elapsed_ms = self.clock.elapsed_ms.saturating_add(past);
        }
        if let Event::SessionOpened { boot, .. } = &record.event {
            self.clock.boot = Some(boot.clone());
        }
        self.clock.at = Some(at);
    }

    fn on_started(&mut self, start: &Start, record: &Record) {
        let from = start.from.as_ref().and_then(|id| start.plan.stage_index(id)).unwrap_or(0);
        let until = start.plan.stage_index(&start.until).unwrap_or(usize::MAX);
        self.stages = (start.plan.stages.iter().enumerate())
            .map(|(i, stage)| StageState {
                judgement: None,
                changed: record.seq,
                planned: i >= from && i <= until,
                passed_before: i < from && start.passed_before.contains(&stage.id),
            })
            .collect();
        self.steps = start.plan.steps().map(|s| (s.id.clone(), StepState::new())).collect();
        self.started_by = Some(record.by.person.clone());
        self.started_at = Some(record.at_wall);
        self.start = Some(Arc::new(start.clone()));
    }

    /// Whatever is owed at this moment was owed by a session that is gone.
    fn on_session(&mut self, seq: Seq) {
        self.doubts.clear();
        for (key, effect) in owed(self) {
            match effect.after_crash() {
                AfterCrash::Rerun => {}
                AfterCrash::Observe => drop(self.doubts.insert(key, Doubt::Observe)),
                AfterCrash::Hold => drop(self.doubts.insert(key, Doubt::Hold)),
            }
        }
        // The way back is the one act that may run unrecorded, so only the Services can tell.
        let leads_on = self.rollout.order.as_ref().is_none_or(|order| order.way == Way::Forward);
        let left = self.is_switched() || self.rollout.order.is_some();
        self.rollout.unlooked = (left && leads_on && self.rollout.from.is_some()).then_some(seq);
    }

    fn set_step(&mut self, id: &StepId, seq: Seq, change: impl FnOnce(&mut StepState)) {
        if let Some(state) = self.steps.get_mut(id) {
            change(state);
        }
        let index = self.plan().and_then(|plan| plan.stage_of(id));
        if let Some(stage) = index.and_then(|i| self.stages.get_mut(i)) {
            stage.changed = seq;
        }
    }

    fn stage_mut(&mut self, id: &str) -> Option<&mut StageState> {
        let index = self.plan()?.stages.iter().position(|stage| stage.id.as_str() == id)?;
        self.stages.get_mut(index)
    }

    fn on_step_started(&mut self, step: &StepId, seq: Seq, now_ms: u64) {
        self.set_step(step, seq, |s| {
            s.status = StepStatus::Running;
            s.attempt = s.attempt.next();
            s.started_ms = Some(now_ms);
            s.ended_ms = None;
        });
        let what = self.plan().and_then(|plan| plan.step(step)).and_then(|step| step.uses);
        match what {
            Some(BuiltIn::Monitor) => {
                self.monitor = Some(Monitor {
                    started_ms: now_ms,
                    cause: seq,
                    windows: Vec::new(),
                    counted_from: 0,
                });
            }
            Some(BuiltIn::Switch) => self.rollout.changed = seq,
            _ => {}
        }
    }

    fn on_step_ended(&mut self, step: &StepId, end: &StepEnd, seq: Seq, now_ms: u64) {
        self.set_step(step, seq, |s| {
            s.status = match end.result {
                StepResult::Passed => StepStatus::Passed,
                _ => StepStatus::Failed,
            };
            s.ended_ms = Some(now_ms);
            s.end = Some(Box::new(end.clone()));
        });
        if let Some(survey) = &end.survey {
            self.rollout.survey = Some(survey.clone());
        }
        if let Some(Deployed { slot, images }) = &end.deployed {
            self.rollout.deployed = Some(Deployed { slot: *slot, images: images.clone() });
        }
        if let Some(backup) = &end.backup {
            self.backups.push(backup.clone());
        }
    }

    fn on_observed(&mut self, key: &EffectKey, seen: &Seen) {
        if self.rollout.unlooked.is_some_and(|seq| *key == EffectKey::rule(seq)) {
            self.rollout.unlooked = None;
            return;
        }
        match seen {
            Seen::Unknown { .. } => drop(self.doubts.insert(key.clone(), Doubt::Hold)),
            Seen::Done { .. } | Seen::NotDone | Seen::Partial { .. } | Seen::StillGoing => {
                self.doubts.remove(key);
            }
        }
    }

    fn on_gate(&mut self, record: &Record, now_ms: u64) {
        match &record.event {
            Event::GateOpened { stage, card, digest } => {
                let expires_s = self.policy().map_or(0, |policy| policy.approval.expires_s);
                if let Some(rollout) = &card.rollout {
                    self.rollout.survey = Some(rollout.survey.clone());
                    self.rollout.from = rollout.survey.serving.slot();
                    self.rollout.to = Some(rollout.preview);
                    self.rollout.changed = record.seq;
                }
                self.gate = Some(Gate {
                    stage: stage.clone(),
                    card: card.clone(),
                    digest: digest.clone(),
                    opened_ms: now_ms,
                    expires_ms: now_ms.saturating_add(expires_s.saturating_mul(1000)),
                    changed: record.seq,
                    votes: Vec::new(),
                    closed: None,
                });
            }
            Event::VoteCast { vote, comment, .. } => {
                let Some(gate) = &mut self.gate else { return };
                gate.votes.retain(|entry| entry.by != record.by.person);
                gate.votes.push(VoteEntry {
                    by: record.by.person.clone(),
                    signed: record.by.key.is_some(),
                    vote: *vote,
                    comment: comment.clone(),
                    at: record.at_wall,
                });
            }
            Event::GateClosed { result, .. } => {
                if let Some(gate) = &mut self.gate {
                    gate.closed = Some(*result);
                }
            }
            _ => {}
        }
    }

    fn on_traffic(&mut self, record: &Record, now_ms: u64) {
        self.rollout.changed = record.seq;
        match &record.event {
            Event::SwitchOrdered { from, to } => {
                self.rollout.order = Some(order(record, *from, *to, Way::Forward));
            }
            Event::RollbackOrdered { to, reason } => {
                self.rollout.order = Some(order(record, Some(to.other()), *to, Way::Back));
                self.rollout.rollback_reason = Some(reason.clone());
                self.rollout.unlooked = None;
                self.hold = None;
                self.cancel_running("the release is rolled back", now_ms);
            }
            Event::TrafficSwitched { way, proof, took_ms, .. } => {
                self.on_switched(*way, proof, *took_ms, now_ms);
            }
            Event::SwitchFailed { .. } => self.rollout.order = None,
            Event::VersionLatched { latch } => self.rollout.latch = Some(latch.clone()),
            Event::SlotTidied { .. } => self.rollout.tidied = true,
            _ => {}
        }
    }

    fn on_switched(&mut self, way: Way, proof: &TrafficProof, took_ms: u64, now_ms: u64) {
        self.rollout.order = None;
        self.rollout.proof = Some(proof.clone());
        match way {
            Way::Forward => {
                self.rollout.switched_ms = Some(now_ms);
                self.rollout.switch_took_ms = Some(took_ms);
            }
            Way::Back => {
                // A rollback that overtook its switch also ends on the old slot.
                self.rollout.switched_ms.get_or_insert(now_ms);
                self.rollout.rolled_back_ms = Some(now_ms);
                self.rollout.rollback_took_ms = Some(took_ms);
            }
        }
    }

    fn on_restore(&mut self, record: &Record) {
        match &record.event {
            Event::RestoreOrdered { backup, undo } => {
                self.restore = Some(Restore {
                    backup: backup.clone(),
                    undo: *undo,
                    by: record.by.person.clone(),
                    cause: record.seq,
                    done: Vec::new(),
                    failed: None,
                });
            }
            Event::RestoreAdvanced { report } => {
                if let Some(restore) = &mut self.restore {
                    restore.done.push((**report).clone());
                    restore.cause = record.seq;
                }
            }
            Event::RestoreFailed { phase, reason } => {
                if let Some(restore) = &mut self.restore {
                    restore.failed = Some((*phase, reason.clone()));
                }
            }
            _ => {}
        }
    }

    fn on_retry(&mut self, steps: &[StepId], seq: Seq) {
        self.hold = None;
        for id in steps {
            self.set_step(id, seq, |s| {
                s.status = StepStatus::Waiting;
                s.ordered = s.ordered.saturating_add(1);
            });
            let index = self.plan().and_then(|plan| plan.stage_of(id));
            if let Some(stage) = index.and_then(|i| self.stages.get_mut(i)) {
                stage.judgement = None;
            }
        }
        for doubt in self.doubts.values_mut() {
            *doubt = Doubt::Observe;
        }
        if let Some(monitor) = &mut self.monitor {
            monitor.counted_from = monitor.windows.len();
            monitor.cause = seq;
        }
        if let Some(restore) = &mut self.restore
            && restore.failed.take().is_some()
        {
            restore.cause = seq;
        }
    }

    fn on_waived(&mut self, waiver: &Waiver, record: &Record) {
        let (by, at) = (record.by.person.clone(), record.at_wall);
        self.waivers.push(GivenWaiver { waiver: waiver.clone(), by, at });
        self.judge_again(record.seq);
    }

    fn on_policy(&mut self, change: &PolicyChange, record: &Record) {
        let (by, at) = (record.by.person.clone(), record.at_wall);
        if let Some(start) = &mut self.start {
            let start = Arc::make_mut(start);
            start.policy.findings = change.findings.clone();
            start.policy_digest = change.after.clone();
        }
        self.policy_changes.push(GivenPolicy { change: change.clone(), by, at });
        self.judge_again(record.seq);
    }

    /// What counts has changed. Every stage with reports is judged again, but for those that
    /// people said go over, or that an operator went on over; an open gate closes, and its card is
    /// drawn up anew, so that nobody's vote stands for what they did not see.
    fn judge_again(&mut self, seq: Seq) {
        let Some(start) = self.start.clone() else { return };
        let plan = &start.plan;
        let gate = self.gate.as_ref();
        let place = |gate: &Gate| plan.stage_index(&gate.stage).unwrap_or(0);
        let decided = gate.filter(|gate| gate.closed.is_some()).map_or(0, place);
        if let Some(before) = gate.filter(|gate| gate.closed.is_none()).map(place) {
            self.gate = None;
            if let Some(stage) = self.stages.get_mut(before.saturating_sub(1)) {
                stage.changed = seq;
            }
        }
        let mut stopped = None;
        for (index, stage) in plan.stages.iter().enumerate().skip(decided) {
            let read = |id: &StepId| {
                let end = self.steps.get(id).and_then(|state| state.end.as_ref());
                end.is_some_and(|end| end.report.is_some())
            };
            let reports = stage.steps.iter().any(|step| read(&step.id));
            let Some(state) = self.stages.get_mut(index) else { break };
            let go = state.judgement.as_ref().map(|own| own.verdict == GateVerdict::Go);
            let overridden = go == Some(true)
                && state.judgement.as_ref().is_some_and(|own| !own.reasons.is_empty());
            match go {
                Some(true) if overridden || !reports => continue,
                Some(false) => stopped = stopped.or(Some(index)),
                // One that is being judged by what counted before begins anew.
                Some(true) | None => {}
            }
            state.judgement = None;
            state.changed = seq;
        }
        if let Some(index) = stopped {
            self.go_on_after(index, seq);
        }
    }

    /// What was withdrawn for a stage that was no-go waits again, and what held for it is void.
    fn go_on_after(&mut self, index: usize, seq: Seq) {
        let withdrawn = |(id, state): (&StepId, &StepState)| {
            let cancelled = state
                .end
                .as_ref()
                .is_some_and(|end| matches!(end.result, StepResult::Cancelled { .. }));
            (state.status == StepStatus::Failed && cancelled).then(|| id.clone())
        };
        let withdrawn: Vec<StepId> = self.steps.iter().filter_map(withdrawn).collect();
        for id in &withdrawn {
            self.set_step(id, seq, |state| {
                state.status = StepStatus::Waiting;
                state.ordered = state.ordered.saturating_add(1);
            });
        }
        let of_stage = |hold: &Hold| match hold {
            Hold::Failed { .. } => true,
            Hold::StepFailed { step, .. } => {
                self.plan().and_then(|plan| plan.stage_of(step)) == Some(index)
            }
            _ => false,
        };
        if self.hold.as_ref().is_some_and(|held| of_stage(&held.hold)) {
            self.hold = None;
        }
    }

    fn on_overridden(&mut self, seq: Seq) {
        let Some(held) = self.hold.take() else { return };
        match held.hold {
            Hold::StepFailed { step, .. } => {
                self.set_step(&step, seq, |s| {
                    if s.status == StepStatus::Failed {
                        s.status = StepStatus::Overridden;
                    }
                });
                let index = self.plan().and_then(|plan| plan.stage_of(&step));
                let stage = index.and_then(|i| self.stages.get_mut(i));
                if let Some(judgement) = stage.and_then(|stage| stage.judgement.as_mut()) {
                    judgement.verdict = GateVerdict::Go;
                }
            }
            Hold::Unknown { .. } => {
                let monitor = self.plan().and_then(|plan| plan.built_in(BuiltIn::Monitor));
                if let Some(id) = monitor.map(|step| step.id.clone()) {
                    self.set_step(&id, seq, |s| s.status = StepStatus::Overridden);
                }
            }
            Hold::InDoubt { key, .. } => drop(self.doubts.remove(&key)),
            _ => {}
        }
    }

    fn cancel_running(&mut self, why: &str, now_ms: u64) {
        for state in self.steps.values_mut().filter(|s| s.status == StepStatus::Running) {
            let took_ms = now_ms.saturating_sub(state.started_ms.unwrap_or(now_ms));
            let result = StepResult::Cancelled { reason: Clean::new(why) };
            state.status = StepStatus::Failed;
            state.ended_ms = Some(now_ms);
            state.end = Some(Box::new(StepEnd::new(result, took_ms)));
        }
    }
}

/// An order's effect is owed to the ask, or to the rule, that stands in its record.
fn order(record: &Record, from: Option<Slot>, to: Slot, way: Way) -> SwitchOrder {
    let cause = match record.by.via {
        Via::Engine => Cause::Rule(record.seq),
        Via::Cockpit | Via::Shell | Via::Script => Cause::Ask(record.seq),
    };
    SwitchOrder {
        key: EffectKey { cause, attempt: super::Attempt(1) },
        from,
        to,
        way,
        by: record.by.person.clone(),
        at: record.at_wall,
    }
}

/// The words that go to people who are not looking.
fn notice(release: &Release, event: &Event) -> (Clean, Clean) {
    let id = &release.id;
    let (title, body) = match event {
        Event::GateOpened { stage, .. } => {
            (format!("{id}: go or no-go"), format!("the gate of stage {stage} is open"))
        }
        Event::Held { hold } => (format!("{id}: held"), hold.sentence()),
        Event::TrafficSwitched { to, .. } => {
            let why = release.rollout.rollback_reason.clone().unwrap_or_default();
            (format!("{id}: rolled back"), format!("traffic is on {to} again: {why}"))
        }
        Event::ReleaseEnded { result } => (format!("{id}: ended"), result.sentence()),
        _ => (id.to_string(), String::new()),
    };
    (Clean::new(&title), Clean::new(&body))
}

impl Hold {
    /// Why the release waits, in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Failed { stage, reason } => format!("stage {stage} failed: {reason}"),
            Self::StepFailed { step, reason } => format!("step {step} failed: {reason}"),
            Self::GateBlocked { stage, reason } => {
                format!("the gate of stage {stage} cannot open: {reason}")
            }
            Self::Unknown { reason } => {
                format!("nothing is known about the slot that serves: {reason}")
            }
            Self::BothBad { reason } => format!("BOTH BAD, the way back too: {reason}"),
            Self::SwitchFailed { reason } => {
                format!("the traffic could not be moved and is as it was: {reason}")
            }
            Self::InDoubt { key, what } => format!("in doubt after a break, {key}: {what}"),
            Self::RestoreFailed { phase, reason } => {
                format!("the restore stopped at {:?}: {reason}", phase.words())
            }
        }
    }
}

impl ReleaseResult {
    /// How the release ended, in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Released => "released".to_owned(),
            Self::Failed { reason } => format!("failed before the switch: {reason}"),
            Self::Rejected { reason } if reason.as_str().is_empty() => "no-go".to_owned(),
            Self::Rejected { reason } => format!("no-go: {reason}"),
            Self::Expired => "no-go: the gate expired unanswered".to_owned(),
            Self::Aborted { reason } if reason.as_str().is_empty() => {
                "aborted before the switch".to_owned()
            }
            Self::Aborted { reason } => format!("aborted before the switch: {reason}"),
            Self::RolledBack { reason } => format!("rolled back: {reason}"),
        }
    }
}
