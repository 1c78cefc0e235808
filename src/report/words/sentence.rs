//! One sentence per event.

use super::span::{count, duration, grouped, plural, utc};
use crate::release::finding::waiver::Waiver;
use crate::release::{
    BackupId, Card, Clean, Digest, EffectKey, Event, Evidence, GateResult, GateVerdict, Judgement,
    Latch, Reading, Record, Release, ReleaseResult, RestoreReport, RuleVerdict, Seen, Slot,
    StageId, Start, StepEnd, StepId, StepResult, TrafficProof, Verdict, Via, Vote, Way,
    report_words,
};

/// What happened, in one sentence without a period. `release` is the fold up to and including
/// `record`; whoever acted is named, and where nobody is named gonogo acted by a rule.
pub fn sentence(record: &Record, release: &Release) -> Clean {
    Clean::new(&of_event(record, release))
}

fn of_event(record: &Record, release: &Release) -> String {
    let who = &record.by.person;
    match &record.event {
        Event::ReleaseStarted { start } => started(record, start),
        Event::SessionOpened { host, pid, build, .. } => {
            session(record, release, host, *pid, build)
        }
        Event::TailRepaired { bytes } => format!(
            "JOURNAL REPAIRED: {} bytes of a record that was never acknowledged were set aside",
            count(*bytes)
        ),
        Event::StepStarted { step } => step_started(release, step),
        Event::StepEnded { step, end } => step_ended(release, step, end),
        Event::StepSkipped { step, reason } => format!("{step} skipped: {reason}"),
        Event::EffectObserved { key, seen } => observed(key, seen),
        Event::StageJudged { stage, judgement } => judged(stage, judgement),
        Event::GateOpened { stage, card, digest } => {
            gate_opened(record, release, stage, card, digest)
        }
        Event::VoteCast { vote, comment, .. } => voted(record, release, *vote, comment),
        Event::GateClosed { stage, result } => gate_closed(stage, *result),
        Event::SwitchOrdered { from, to } => switch_ordered(record, *from, *to),
        Event::TrafficSwitched { to, way, proof, took_ms } => switched(*to, *way, proof, *took_ms),
        Event::SwitchFailed { to, way, reason } => switch_failed(release, *to, *way, reason),
        Event::WindowJudged { evidence, verdicts } => window(release, evidence, verdicts),
        Event::RollbackOrdered { to, reason } => match record.by.via {
            Via::Engine => format!("ROLLBACK to {to}, by rule: {reason}"),
            Via::Cockpit | Via::Shell | Via::Script => {
                format!("ROLLBACK to {to} by {who}: {reason}")
            }
        },
        Event::VersionLatched { latch } => latched(latch),
        Event::SlotTidied { slot, what } => {
            format!("slot {slot} tidied after the rollback: {what}")
        }
        Event::RestoreOrdered { backup, undo } => restore_ordered(record, release, backup, *undo),
        Event::RestoreAdvanced { report } => restore_advanced(release, report),
        Event::RestoreFailed { phase, reason } => {
            format!("database restore stopped at \"{}\": {reason}", phase.words())
        }
        Event::Held { hold } => format!("HELD, an operator is needed: {}", hold.sentence()),
        Event::RetryOrdered { steps } => retried(record, steps),
        Event::HoldOverridden { comment } => format!("hold overridden by {who}: {}", said(comment)),
        Event::FindingWaived { waiver } => {
            let Waiver { owner, until, reason, justification, .. } = &**waiver;
            let harmless = justification.map_or(String::new(), |word| format!(" ({})", word.key()));
            let what = waiver.what();
            format!("{who} waived {what} until {until}, {owner} answers for it: {reason}{harmless}")
        }
        Event::PolicyChanged { change } => {
            let (before, after) = (change.before.short(), change.after.short());
            let (words, from, why) = (change.words(), &change.from, &change.comment);
            format!(
                "{who} changed the findings gates, policy {before} → {after} from {from}; {words}; \
                 why: {why}"
            )
        }
        Event::AbortOrdered { comment } => format!("release aborted by {who}: {}", said(comment)),
        Event::ReleaseEnded { result } => ended(record, release, result),
        Event::Notified { about, channels, failed } => notified(about.0, *channels, failed),
    }
}

/// A comment, or that there was none.
fn said(comment: &Clean) -> &str {
    if comment.as_str().is_empty() { "no reason given" } else { comment.as_str() }
}

fn started(record: &Record, start: &Start) -> String {
    let rehearsal = start.rehearsal.as_ref().map_or(String::new(), |rehearsal| {
        format!("REHEARSAL {} (seed {}): ", rehearsal.scenario, rehearsal.seed)
    });
    let from = start.from.as_ref().or_else(|| start.plan.stages.first().map(|stage| &stage.id));
    let from = from.map_or(String::new(), |stage| format!("{stage} "));
    format!(
        "{rehearsal}release {} of {} to {} started by {}: revision {} on {}, stages {from}to {}",
        record.release,
        start.plan.name,
        start.environment,
        record.by.person,
        start.revision.short(),
        start.branch,
        start.until,
    )
}

fn session(record: &Record, release: &Release, host: &Clean, pid: u32, build: &Clean) -> String {
    let doubts = match release.doubts.len() {
        0 => String::new(),
        n => format!("; {} in doubt after the break", plural(n as u64, "effect")),
    };
    format!("driven from {host}, pid {pid}, epoch {}, gonogo {build}{doubts}", record.epoch)
}

fn step_started(release: &Release, step: &StepId) -> String {
    let attempt = release.steps.get(step).map_or(1, |state| state.attempt.0);
    let again = if attempt > 1 { format!(" again, attempt {attempt}") } else { String::new() };
    let known = release.plan().and_then(|plan| plan.step(step));
    let usually = known.map_or(String::new(), |step| {
        format!(", usually {}", duration(step.expected_s.saturating_mul(1000)))
    });
    format!("{step} started{again}{usually}")
}

fn step_ended(release: &Release, step: &StepId, end: &StepEnd) -> String {
    let took = duration(end.took_ms);
    match &end.result {
        StepResult::Passed => {
            let what = end.report.as_ref().map(report_words).or_else(|| facts(end));
            format!("{step} passed in {took}{}", after_colon(what.as_deref()))
        }
        StepResult::Failed { reason } => {
            format!("{step} FAILED after {took}: {reason}{}", what_follows(release, step))
        }
        StepResult::TimedOut { after_s } => {
            let limit = duration(after_s.saturating_mul(1000));
            format!("{step} TIMED OUT after {limit}{}", what_follows(release, step))
        }
        StepResult::Cancelled { reason } => format!("{step} cancelled after {took}: {reason}"),
    }
}

fn after_colon(what: Option<&str>) -> String {
    what.map_or(String::new(), |what| format!(": {what}"))
}

/// Whether a failed step is tried again without being asked.
fn what_follows(release: &Release, step: &StepId) -> &'static str {
    let known = release.plan().and_then(|plan| plan.step(step));
    match known {
        Some(known) if !release.failed_for_good(known) => "; it is tried again",
        Some(_) | None => "",
    }
}

fn facts(end: &StepEnd) -> Option<String> {
    let lines: Vec<String> =
        end.facts.iter().map(|line| format!("{} {}", line.what, line.value)).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn observed(key: &EffectKey, seen: &Seen) -> String {
    let found = match seen {
        Seen::Done { .. } => "it had happened".to_owned(),
        Seen::NotDone => "it had not happened".to_owned(),
        Seen::Partial { reason } => format!("it had happened in part: {reason}"),
        Seen::StillGoing => "it is still under way and taken over".to_owned(),
        Seen::Unknown { reason } => format!("NOT KNOWN whether it happened: {reason}"),
    };
    format!("looked at {key}: {found}")
}

fn judged(stage: &StageId, judgement: &Judgement) -> String {
    let reports = plural(u64::from(judgement.reports), "report");
    let findings = plural(u64::from(judgement.findings), "finding");
    let verdict = match judgement.verdict {
        GateVerdict::Go => return format!("stage {stage}: GO, {reports}, {findings}"),
        GateVerdict::NoGo => "NO-GO",
        GateVerdict::Hold => "HOLD",
    };
    let first = judgement.reasons.first().map_or("no reason given", Clean::as_str);
    let more = match judgement.reasons.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    format!("stage {stage}: {verdict}, {first}{more}")
}

fn gate_opened(
    record: &Record,
    release: &Release,
    stage: &StageId,
    card: &Card,
    digest: &Digest,
) -> String {
    let policy = release.policy().map(|policy| &policy.approval);
    let required = policy.map_or(1, |approval| approval.required);
    let expires = policy.map_or(String::new(), |approval| {
        let length = jiff::SignedDuration::from_secs(approval.expires_s.try_into().unwrap_or(0));
        let at = record.at_wall.saturating_add(length).unwrap_or(record.at_wall);
        format!(", expires {}", utc(at))
    });
    let slots = card.rollout.as_ref().map_or(String::new(), |rollout| {
        let to = rollout.preview;
        match rollout.survey.serving.slot() {
            Some(from) => format!(", {from} → {to}"),
            None => format!(", first release, to {to}"),
        }
    });
    format!(
        "go or no-go? gate of stage {stage} open{slots}, needs {}{expires}, card {}",
        plural(u64::from(required), "approval"),
        digest.short(),
    )
}

fn voted(record: &Record, release: &Release, vote: Vote, comment: &Clean) -> String {
    let who = &record.by.person;
    let sign = match &record.by.key {
        Some(key) => format!("signed with {key}"),
        None => "unsigned, same account".to_owned(),
    };
    let word = match vote {
        Vote::Approve => "GO",
        Vote::Reject => "NO-GO",
        Vote::Defer => "NOT NOW",
    };
    let votes = release.gate.as_ref().map_or(&[][..], |gate| &gate.votes);
    let approvals = votes.iter().filter(|entry| entry.vote == Vote::Approve).count();
    let required = release.policy().map_or(1, |policy| policy.approval.required);
    let comment = if comment.as_str().is_empty() { String::new() } else { format!(": {comment}") };
    format!("{who} says {word} ({sign}), {approvals} of {required}{comment}")
}

fn gate_closed(stage: &StageId, result: GateResult) -> String {
    let word = match result {
        GateResult::Go => "GO",
        GateResult::NoGo => "NO-GO",
        GateResult::Expired => "EXPIRED, nobody decided in time",
    };
    format!("gate of stage {stage} closed: {word}")
}

fn switch_ordered(record: &Record, from: Option<Slot>, to: Slot) -> String {
    let way = from.map_or(format!("the first slot, {to}"), |from| format!("{from} → {to}"));
    match record.by.via {
        Via::Engine => format!("switch {way} ordered by the policy, unattended"),
        Via::Cockpit | Via::Shell | Via::Script => {
            format!("switch {way} ordered by {}", record.by.person)
        }
    }
}

fn switched(to: Slot, way: Way, proof: &TrafficProof, took_ms: u64) -> String {
    let ours: Vec<String> = proof
        .endpoints
        .iter()
        .map(|e| match e.others {
            0 => format!("{} {}", e.service, e.ours),
            others => format!("{} {} (and {others} of another slot)", e.service, e.ours),
        })
        .collect();
    let seen = match (proof.holds(), ours.is_empty()) {
        (true, _) => format!("proven, endpoints: {}", ours.join(", ")),
        (false, true) => "NOT PROVEN, no endpoint seen".to_owned(),
        (false, false) => format!("NOT PROVEN, endpoints: {}", ours.join(", ")),
    };
    let took = duration(took_ms);
    match way {
        Way::Forward => format!("traffic is on {to}, in {took}; {seen}"),
        Way::Back => format!("traffic is BACK on {to}, in {took}; {seen}"),
    }
}

fn switch_failed(release: &Release, to: Slot, way: Way, reason: &Clean) -> String {
    let serves = match way {
        Way::Forward => release.rollout.from,
        Way::Back => Some(to.other()),
    };
    let stays = serves.map_or(String::new(), |slot| format!(", it stays on {slot}"));
    match way {
        Way::Forward => format!("traffic could NOT be moved to {to}{stays}: {reason}"),
        Way::Back => format!("ROLLBACK FAILED, traffic not moved to {to}{stays}: {reason}"),
    }
}

fn window(release: &Release, evidence: &Evidence, verdicts: &[RuleVerdict]) -> String {
    let number = release.monitor.as_ref().map_or(0, |monitor| monitor.windows.len());
    let (slot, window_s) = (evidence.slot, evidence.window_s);
    let head = format!("window {number} of {slot}, {window_s} s");
    let mut bad = Vec::new();
    for RuleVerdict { rule, verdict } in verdicts {
        match verdict {
            Verdict::Pass => {}
            Verdict::Fail { reason } => bad.push(format!("FAIL {} {reason}", rule.words())),
            Verdict::Unknown { reason } => bad.push(format!("UNKNOWN {}: {reason}", rule.words())),
        }
    }
    if !bad.is_empty() {
        return format!("{head}: {}", bad.join("; "));
    }
    let good = release.monitor.as_ref().map_or(0, crate::release::Monitor::good_s);
    let of = release.policy().map_or(0, |policy| policy.monitor.duration_s);
    format!("{head}: pass, {}; {good} of {of} s good", measured(evidence))
}

/// The numbers of a window; what is not known says so.
fn measured(evidence: &Evidence) -> String {
    let show = |reading: &Reading<crate::release::Finite>, show: &dyn Fn(f64) -> String| {
        reading.value().map_or_else(|| "unknown".to_owned(), |value| show(value.get()))
    };
    format!(
        "errors {}, average {}, {} requests",
        show(&evidence.error_ratio, &|v| format!("{:.2} %", v * 100.0)),
        show(&evidence.mean_ms, &|v| format!("{v:.0} ms")),
        show(&evidence.requests, &|v| grouped(&format!("{v:.0}"))),
    )
}

fn latched(latch: &Latch) -> String {
    let reason = &latch.reason;
    format!(
        "revision {} latched, a release that carries it stops: {reason}",
        latch.revision.short()
    )
}

fn restore_ordered(record: &Record, release: &Release, backup: &BackupId, undo: bool) -> String {
    let who = &record.by.person;
    if undo {
        return format!("database restore of {backup} is undone, ordered by {who}");
    }
    let known = release.backups.iter().find(|known| &known.id == backup);
    let taken = known.map_or(String::new(), |known| format!(", taken {}", utc(known.taken_at)));
    format!("database restore of {backup}{taken} ordered by {who}")
}

fn restore_advanced(release: &Release, report: &RestoreReport) -> String {
    let (number, of) = release
        .restore
        .as_ref()
        .map_or((1, 1), |restore| (restore.done.len(), restore.phases().len()));
    let took = duration(report.took_ms);
    let loss = report.loss.as_ref().map_or(String::new(), |loss| {
        let rows = loss.rows.as_ref().map_or("rows not counted".to_owned(), |rows| {
            plural(rows.values().map(|n| n.unsigned_abs()).sum(), "row")
        });
        format!("; loses {} of writes, {rows}", duration(loss.seconds.saturating_mul(1000)))
    });
    let (phase, detail) = (report.phase.words(), &report.detail);
    format!("database restore, phase {number} of {of} done in {took}: {phase}; {detail}{loss}")
}

fn retried(record: &Record, steps: &[StepId]) -> String {
    let who = &record.by.person;
    if steps.is_empty() {
        return format!("retry ordered by {who}");
    }
    let steps: Vec<&str> = steps.iter().map(StepId::as_str).collect();
    format!("retry of {} ordered by {who}", steps.join(", "))
}

fn ended(record: &Record, release: &Release, result: &ReleaseResult) -> String {
    let took = duration(release.elapsed_ms(record.at()));
    let serves = release.serving().map_or(String::new(), |slot| format!(", {slot} serves"));
    let what = result.sentence();
    format!("release ended after {took}{serves}: {what}")
}

fn notified(about: u64, channels: u32, failed: &[Clean]) -> String {
    let told = count(u64::from(channels));
    if failed.is_empty() {
        let s = if channels == 1 { "" } else { "s" };
        return format!("people told about record {about} on {told} channel{s}");
    }
    let failed: Vec<&str> = failed.iter().map(Clean::as_str).collect();
    let failed = failed.join("; ");
    if channels == 0 {
        return format!("NOBODY could be told about record {about}: {failed}");
    }
    format!("people told about record {about} on {told}, but not on all: {failed}")
}
