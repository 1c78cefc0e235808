//! Every record reads back as it was written: all kinds of events, with values nobody thought of.

use std::fmt::Debug;

use gonogo::journal::{Disk, Journal, Mode, reader};
use gonogo::release::finding::limits::{Bound, Limits};
use gonogo::release::finding::waiver::Waiver;
use gonogo::release::finding::weigh::WaivedBy;
use gonogo::release::finding::{FindingKind, Measure, Package};
use gonogo::release::policy::PolicyChange;
use gonogo::release::{
    AfterRollback, ApprovalPolicy, Attempt, Backup, BackupId, BranchRule, BuiltIn, Card, CardLayer,
    CardLine, CardRollout, Cause, Clean, Counted, DatabasePolicy, Deployed, DeploymentState,
    Digest, EffectKey, EndpointCount, Epoch, Event, Evidence, Finding, FindingsPolicy, Finite,
    GateResult, GateVerdict, Hold, Judgement, Latch, LatchedBy, Loss, MonitorPolicy, OnUnknown,
    Outcome, Person, Plan, Policy, Principal, Reading, Rehearsal, ReleaseId, ReleaseResult,
    ReportFile, ReportFormat, ReportState, ReportSummary, RestorePhase, RestoreReport, Revision,
    RolloutPolicy, Rule, RuleVerdict, SecretName, Seen, Seq, ServiceSlot, Serving, SessionId,
    Severity, Slot, SlotState, Stage, StageId, Start, Step, StepEnd, StepId, StepResult, Survey,
    TestCounts, Timestamp, Touches, TrafficProof, Verdict, Via, Vote, Way,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::kit::{driver, folder, id, quick_dir, run};
use super::story;

/// A strategy without a name.
type Any<T> = BoxedStrategy<T>;

fn clean() -> Any<Clean> {
    any::<String>().prop_map(|text| Clean::new(&text)).boxed()
}

fn few<T: Debug + Clone + 'static>(of: Any<T>) -> Any<Vec<T>> {
    vec(of, 0..3).boxed()
}

fn one_of<T: Debug + Clone + 'static>(all: &[T]) -> Any<T> {
    select(all.to_vec()).boxed()
}

macro_rules! named {
    ($($function:ident $Name:ident $grammar:literal),* $(,)?) => {
        $(fn $function() -> Any<$Name> {
            $grammar.prop_map(|text: String| $Name::new(text).expect("in its grammar")).boxed()
        })*
    };
}

named! {
    stage_id StageId "[a-z_][a-z0-9_-]{0,20}",
    step_id StepId "[a-z_][a-z0-9_.-]{0,30}",
    revision Revision "[0-9a-f]{40}",
    backup_id BackupId "backup_[0-9]{8}_[0-9]{6}\\.dump",
    secret_name SecretName "[A-Z_]{1,20}",
    session_id SessionId "s-[0-9a-f]{4,16}",
    person Person "[a-zA-Z0-9_.@+][a-zA-Z0-9_.@+-]{0,30}",
    release_id ReleaseId "r-[0-9]{4}\\.[0-9]{1,3}",
}

fn digest() -> Any<Digest> {
    any::<[u8; 8]>().prop_map(|bytes| Digest::of(&bytes)).boxed()
}

fn finite() -> Any<Finite> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    let finite = POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO;
    finite.prop_map(|number| Finite::new(number).expect("finite")).boxed()
}

fn wall() -> Any<jiff::Timestamp> {
    (-377_705_023_201_i64..253_402_207_200, 0..1_000_000_000_i32)
        .prop_filter_map("outside time", |(s, ns)| jiff::Timestamp::new(s, ns).ok())
        .boxed()
}

fn slot() -> Any<Slot> {
    one_of(&[Slot::Blue, Slot::Green])
}

fn way() -> Any<Way> {
    one_of(&[Way::Forward, Way::Back])
}

fn phase() -> Any<RestorePhase> {
    use RestorePhase::{Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack};
    one_of(&[Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack])
}

fn verdict() -> Any<Verdict> {
    prop_oneof![
        Just(Verdict::Pass),
        clean().prop_map(|reason| Verdict::Fail { reason }),
        clean().prop_map(|reason| Verdict::Unknown { reason }),
    ]
    .boxed()
}

fn reading<T: Debug + Clone + 'static>(value: Any<T>) -> Any<Reading<T>> {
    prop_oneof![
        value.prop_map(|value| Reading::Known { value }),
        clean().prop_map(|reason| Reading::Unknown { reason }),
    ]
    .boxed()
}

fn principal() -> Any<Principal> {
    let via = one_of(&[Via::Cockpit, Via::Shell, Via::Script, Via::Engine]);
    (person(), via, of(clean()))
        .prop_map(|(person, via, key)| Principal { person, via, key })
        .boxed()
}

fn effect_key() -> Any<EffectKey> {
    let cause = prop_oneof![
        step_id().prop_map(Cause::Step),
        any::<u64>().prop_map(|seq| Cause::Ask(Seq(seq))),
        any::<u64>().prop_map(|seq| Cause::Rule(Seq(seq))),
    ];
    (cause, any::<u32>())
        .prop_map(|(cause, attempt)| EffectKey { cause, attempt: Attempt(attempt) })
        .boxed()
}

fn step() -> Any<Step> {
    let built_in = one_of(&[BuiltIn::Backup, BuiltIn::Switch, BuiltIn::Monitor, BuiltIn::Smoke]);
    let formats = one_of(&[ReportFormat::Junit, ReportFormat::Sarif, ReportFormat::CargoJson]);
    let report = (any::<String>(), formats).prop_map(|(path, format)| ReportFile { path, format });
    let touches = one_of(&[Touches::Workspace, Touches::External]);
    let what = (step_id(), any::<String>(), few(any::<String>().boxed()), of(built_in));
    let with = (
        few(step_id()),
        touches,
        few(secret_name()),
        btree_map(any::<String>(), any::<String>(), 0..3),
    );
    let how = (of(report), few(any::<i32>().boxed()), any::<[u64; 2]>(), any::<u32>());
    (what, with, how)
        .prop_map(|(what, with, how)| Step {
            id: what.0,
            title: what.1,
            run: what.2,
            uses: what.3,
            needs: with.0,
            touches: with.1,
            secrets: with.2,
            env: with.3,
            report: how.0,
            exit_ok: how.1,
            timeout_s: how.2[0],
            retries: how.3,
            expected_s: how.2[1],
        })
        .boxed()
}

fn plan() -> Any<Plan> {
    let rule = (any::<String>(), stage_id(), any::<bool>(), few(step_id()))
        .prop_map(|(branch, until, external, skip)| BranchRule { branch, until, external, skip });
    let stage = (stage_id(), any::<String>(), any::<bool>(), few(step()))
        .prop_map(|(id, title, approval, steps)| Stage { id, title, approval, steps });
    (any::<String>(), any::<u32>(), few(rule.boxed()), few(stage.boxed()))
        .prop_map(|(name, jobs, branches, stages)| Plan { name, jobs, branches, stages })
        .boxed()
}

fn waiver() -> Any<Box<Waiver>> {
    let text = || of(clean());
    let which = (text(), text(), of(digest()), text(), text());
    (which, clean(), person())
        .prop_map(|((tool, rule, fingerprint, location, package), reason, owner)| {
            let until = "2026-12-31".parse().expect("a day");
            let waiver = Waiver::new(reason, owner, until);
            Box::new(Waiver { tool, rule, fingerprint, location, package, ..waiver })
        })
        .boxed()
}

fn counts() -> Any<std::collections::BTreeMap<Severity, u32>> {
    btree_map(one_of(&Severity::ALL), any::<u32>(), 0..4).boxed()
}

fn limits() -> Any<Limits> {
    let bound = (of(finite()), of(finite())).prop_map(|(min, max)| Bound { min, max });
    let measures = btree_map(one_of(&Measure::ALL), bound, 0..3);
    (counts(), counts(), measures)
        .prop_map(|(all, new, measures)| Limits { all, new, measures })
        .boxed()
}

fn policy() -> Any<Policy> {
    let approval = (any::<u32>(), any::<bool>(), few(person()), any::<u64>()).prop_map(
        |(required, requester_may_approve, approvers, expires_s)| ApprovalPolicy {
            required,
            requester_may_approve,
            approvers,
            expires_s,
        },
    );
    let findings = (limits(), btree_map(step_id(), limits(), 0..3))
        .prop_map(|(limits, steps)| FindingsPolicy { limits, steps, ..<_>::default() });
    let after = one_of(&[AfterRollback::Keep, AfterRollback::ScaleDown]);
    let rollout = (any::<u32>(), any::<bool>(), after, any::<bool>()).prop_map(
        |(ready_min, promote_unattended, after_rollback, automatic_rollback)| RolloutPolicy {
            ready_min,
            promote_unattended,
            after_rollback,
            automatic_rollback,
        },
    );
    let on_unknown = one_of(&[OnUnknown::Hold, OnUnknown::RollBack]);
    let monitor = (any::<[u64; 3]>(), any::<[u32; 4]>(), finite(), finite(), on_unknown).prop_map(
        |(long, short, error_ratio_max, mean_ms_max, on_unknown)| MonitorPolicy {
            duration_s: long[0],
            window_s: long[1],
            error_ratio_max,
            mean_ms_max,
            exits_max: short[0],
            requests_min: long[2],
            fail_windows: short[1],
            of_windows: short[2],
            unknown_windows: short[3],
            on_unknown,
        },
    );
    let database = any::<(u64, u32)>().prop_map(|(backup_max_age_s, retention_days)| {
        DatabasePolicy { backup_max_age_s, retention_days }
    });
    (approval, findings, rollout, monitor, database, any::<u64>())
        .prop_map(|(approval, findings, rollout, monitor, database, retry_window_s)| Policy {
            approval,
            findings,
            rollout,
            monitor,
            database,
            retry_window_s,
        })
        .boxed()
}

fn policy_change() -> Any<Box<PolicyChange>> {
    let words = (clean(), clean(), few(clean()), few(clean()));
    (policy(), words, digest(), digest())
        .prop_map(|(policy, (from, comment, loosened, tightened), before, after)| {
            let findings = policy.findings;
            let change =
                PolicyChange { findings, from, comment, before, after, loosened, tightened };
            Box::new(change)
        })
        .boxed()
}

fn latch() -> Any<Latch> {
    (revision(), few(clean()), clean())
        .prop_map(|(revision, images, reason)| Latch { revision, images, reason })
        .boxed()
}

fn start() -> Any<Start> {
    let rehearsal =
        (clean(), any::<u64>()).prop_map(|(scenario, seed)| Rehearsal { scenario, seed }).boxed();
    let latched = (latch(), release_id()).prop_map(|(latch, release)| LatchedBy { latch, release });
    let what = (plan(), digest(), policy(), digest());
    let which = (revision(), clean(), clean(), of(stage_id()), stage_id());
    let how = (any::<[bool; 3]>(), of(rehearsal), few(latched.boxed()), few(stage_id()));
    (what, which, how)
        .prop_map(|(what, which, how)| Start {
            plan: what.0,
            plan_digest: what.1,
            policy: what.2,
            policy_digest: what.3,
            policy_from: Clean::default(),
            revision: which.0,
            branch: which.1,
            environment: which.2,
            from: which.3,
            until: which.4,
            external: how.0[0],
            attended: how.0[1],
            rehearsal: how.1,
            latches: how.2,
            baseline: None,
            passed_before: how.3,
            tells: how.0[2],
        })
        .boxed()
}

fn survey() -> Any<Survey> {
    let serving = prop_oneof![
        slot().prop_map(|slot| Serving::One { slot }),
        Just(Serving::Bootstrap),
        clean().prop_map(|detail| Serving::Split { detail }),
    ];
    let service = (clean(), of(slot()), of(any::<u64>()))
        .prop_map(|(service, slot, epoch)| ServiceSlot { service, slot, epoch: epoch.map(Epoch) });
    let state = || {
        let deployment = (clean(), clean(), any::<u32>(), any::<u32>()).prop_map(
            |(name, image, desired, ready)| DeploymentState { name, image, desired, ready },
        );
        few(deployment.boxed()).prop_map(|deployments| SlotState { deployments })
    };
    (serving, few(service.boxed()), state(), state())
        .prop_map(|(serving, services, blue, green)| Survey { serving, services, blue, green })
        .boxed()
}

fn proof() -> Any<TrafficProof> {
    let count = (clean(), any::<u32>(), any::<u32>())
        .prop_map(|(service, ours, others)| EndpointCount { service, ours, others });
    (slot(), few(count.boxed()))
        .prop_map(|(slot, endpoints)| TrafficProof { slot, endpoints })
        .boxed()
}

fn report() -> Any<ReportSummary> {
    let state = prop_oneof![
        Just(ReportState::Clean),
        Just(ReportState::Findings),
        clean().prop_map(|reason| ReportState::NotScanned { reason }),
        clean().prop_map(|reason| ReportState::Crashed { reason }),
    ];
    let tests = any::<[u32; 3]>().prop_map(|[passed, failed, skipped]| TestCounts {
        passed,
        failed,
        skipped,
    });
    let known = (clean(), clean(), one_of(&Severity::ALL), of(clean()), clean(), clean(), digest());
    let kinds = one_of(&[FindingKind::Other, FindingKind::Vulnerability, FindingKind::Secret]);
    let package = (clean(), of(clean()), of(clean()), of(clean()))
        .prop_map(|(name, purl, installed, fixed)| Package { name, purl, installed, fixed });
    let more = (
        kinds,
        of(clean()),
        of(package.boxed()),
        of(clean()),
        of(clean()),
        of(digest()),
        few(clean()),
    );
    let finding = (known, more).prop_map(|(f, more)| Finding {
        tool: f.0,
        rule: f.1,
        aliases: more.6,
        severity: f.2,
        original: f.3,
        title: f.4,
        location: f.5,
        fingerprint: f.6,
        kind: more.0,
        resource: more.1,
        package: more.2,
        fix: more.3,
        evidence: more.4,
        secret: more.5,
    });
    let measures =
        btree_map(one_of(&[Measure::Score, Measure::P95Ms, Measure::Destroyed]), finite(), 0..3);
    let head = (clean(), state, clean(), any::<u64>());
    (head, of(tests), counts(), few(finding.boxed()), digest(), measures)
        .prop_map(|(head, tests, counts, worst, digest, measures)| {
            let (tool, state, coverage, covered) = head;
            ReportSummary { tool, state, coverage, covered, tests, counts, worst, digest, measures }
        })
        .boxed()
}

fn backup() -> Any<Backup> {
    let rows = btree_map(any::<String>(), any::<u64>(), 0..3);
    (backup_id(), wall(), any::<u64>(), digest(), rows, clean(), any::<bool>())
        .prop_map(|(id, taken_at, bytes, sha256, rows, schema_version, verified)| Backup {
            id,
            taken_at,
            bytes,
            sha256,
            rows,
            schema_version,
            verified,
        })
        .boxed()
}

fn card_line() -> Any<CardLine> {
    (clean(), clean(), verdict())
        .prop_map(|(what, value, verdict)| CardLine { what, value, verdict })
        .boxed()
}

fn step_result() -> Any<StepResult> {
    prop_oneof![
        Just(StepResult::Passed),
        clean().prop_map(|reason| StepResult::Failed { reason }),
        any::<u64>().prop_map(|after_s| StepResult::TimedOut { after_s }),
        clean().prop_map(|reason| StepResult::Cancelled { reason }),
    ]
    .boxed()
}

fn step_end() -> Any<StepEnd> {
    let deployed =
        (slot(), few(clean())).prop_map(|(slot, images)| Deployed { slot, images }).boxed();
    let found = (of(report()), few(card_line()), of(survey()), of(deployed), of(backup()));
    (step_result(), any::<[u64; 2]>(), found)
        .prop_map(|(result, numbers, found)| StepEnd {
            result,
            took_ms: numbers[0],
            report: found.0,
            facts: found.1,
            survey: found.2,
            deployed: found.3,
            backup: found.4,
            masked: numbers[1],
        })
        .boxed()
}

fn judgement() -> Any<Judgement> {
    let verdict = one_of(&[GateVerdict::Go, GateVerdict::NoGo, GateVerdict::Hold]);
    (verdict, few(clean()), any::<u32>(), any::<u32>())
        .prop_map(|(verdict, reasons, reports, findings)| Judgement {
            verdict,
            reasons,
            reports,
            findings,
            weighed: Vec::new(),
        })
        .boxed()
}

fn card() -> Any<Card> {
    let rollout =
        (survey(), slot()).prop_map(|(survey, preview)| CardRollout { survey, preview }).boxed();
    let waived = (clean(), person(), any::<u32>()).prop_map(|(what, owner, count)| {
        let until = "2026-12-31".parse().expect("a day");
        WaivedBy { what, owner, until, count }
    });
    let counted = (counts(), counts(), any::<u32>(), few(waived.boxed()), of(clean())).prop_map(
        |(new, all, fixed, waived, not_compared)| Counted { new, all, fixed, waived, not_compared },
    );
    let layer = (clean(), few(clean()), few(clean()))
        .prop_map(|(name, proofs, unreported)| CardLayer { name, proofs, unreported });
    let summed = (counted, few(layer.boxed()), few(clean()));
    (of(rollout), few(card_line()), summed, clean())
        .prop_map(|(rollout, evidence, (findings, layers, policy), undo)| Card {
            rollout,
            evidence,
            findings,
            layers,
            policy,
            undo,
        })
        .boxed()
}

fn evidence() -> Any<Evidence> {
    let numbers = proptest::array::uniform5(reading(finite()));
    let counts = proptest::array::uniform2(reading(any::<u32>().boxed()));
    (slot(), any::<u64>(), numbers, counts)
        .prop_map(|(slot, window_s, numbers, counts)| {
            let [requests, error_ratio, mean_ms, p95_ms, sample_age_s] = numbers;
            let [exits, ready_min] = counts;
            Evidence {
                slot,
                window_s,
                requests,
                error_ratio,
                mean_ms,
                p95_ms,
                sample_age_s,
                exits,
                ready_min,
            }
        })
        .boxed()
}

fn restore_report() -> Any<RestoreReport> {
    let rows = btree_map(any::<String>(), any::<i64>(), 0..3);
    let loss = (any::<u64>(), of(rows)).prop_map(|(seconds, rows)| Loss { seconds, rows });
    (phase(), any::<u64>(), clean(), of(loss))
        .prop_map(|(phase, took_ms, detail, loss)| RestoreReport { phase, took_ms, detail, loss })
        .boxed()
}

fn outcome() -> Any<Outcome> {
    prop_oneof![
        step_end().prop_map(Outcome::StepEnded),
        judgement().prop_map(Outcome::Judged),
        card().prop_map(|card| Outcome::CardDrawn(Box::new(card))),
        (proof(), any::<u64>()).prop_map(|(proof, took_ms)| Outcome::Switched { proof, took_ms }),
        evidence().prop_map(|evidence| Outcome::Measured { evidence }),
        of(clean()).prop_map(|trace| Outcome::RollbackFound { trace }),
        clean().prop_map(|what| Outcome::Tidied { what }),
        restore_report().prop_map(|report| Outcome::Restored { report: Box::new(report) }),
        (any::<u32>(), few(clean()))
            .prop_map(|(channels, failed)| Outcome::Notified { channels, failed }),
        clean().prop_map(|reason| Outcome::Failed { reason }),
        clean().prop_map(|reason| Outcome::InDoubt { reason }),
    ]
    .boxed()
}

fn seen() -> Any<Seen> {
    prop_oneof![
        outcome().prop_map(|outcome| Seen::Done { outcome: Box::new(outcome) }),
        Just(Seen::NotDone),
        clean().prop_map(|reason| Seen::Partial { reason }),
        Just(Seen::StillGoing),
        clean().prop_map(|reason| Seen::Unknown { reason }),
    ]
    .boxed()
}

fn hold() -> Any<Hold> {
    prop_oneof![
        (stage_id(), clean()).prop_map(|(stage, reason)| Hold::Failed { stage, reason }),
        (step_id(), clean()).prop_map(|(step, reason)| Hold::StepFailed { step, reason }),
        (stage_id(), clean()).prop_map(|(stage, reason)| Hold::GateBlocked { stage, reason }),
        clean().prop_map(|reason| Hold::Unknown { reason }),
        clean().prop_map(|reason| Hold::BothBad { reason }),
        clean().prop_map(|reason| Hold::SwitchFailed { reason }),
        (effect_key(), clean()).prop_map(|(key, what)| Hold::InDoubt { key, what }),
        (phase(), clean()).prop_map(|(phase, reason)| Hold::RestoreFailed { phase, reason }),
    ]
    .boxed()
}

fn result() -> Any<ReleaseResult> {
    prop_oneof![
        Just(ReleaseResult::Released),
        clean().prop_map(|reason| ReleaseResult::Failed { reason }),
        clean().prop_map(|reason| ReleaseResult::Rejected { reason }),
        Just(ReleaseResult::Expired),
        clean().prop_map(|reason| ReleaseResult::Aborted { reason }),
        clean().prop_map(|reason| ReleaseResult::RolledBack { reason }),
    ]
    .boxed()
}

/// An event of the kind at a place of [`story::kind`].
fn event_of(kind: usize) -> Any<Event> {
    match kind {
        0..=6 => step_event(kind),
        7..=13 => gate_event(kind),
        _ => late_event(kind),
    }
}

fn step_event(kind: usize) -> Any<Event> {
    match kind {
        0 => start().prop_map(|start| Event::ReleaseStarted { start: Box::new(start) }).boxed(),
        1 => (session_id(), clean(), any::<u32>(), any::<String>(), clean())
            .prop_map(|(session, host, pid, boot, build)| Event::SessionOpened {
                session,
                host,
                pid,
                boot,
                build,
            })
            .boxed(),
        2 => step_id().prop_map(|step| Event::StepStarted { step }).boxed(),
        3 => (step_id(), step_end())
            .prop_map(|(step, end)| Event::StepEnded { step, end: Box::new(end) })
            .boxed(),
        4 => (step_id(), clean())
            .prop_map(|(step, reason)| Event::StepSkipped { step, reason })
            .boxed(),
        5 => (effect_key(), seen())
            .prop_map(|(key, seen)| Event::EffectObserved { key, seen })
            .boxed(),
        _ => (stage_id(), judgement())
            .prop_map(|(stage, judgement)| Event::StageJudged { stage, judgement })
            .boxed(),
    }
}

fn gate_event(kind: usize) -> Any<Event> {
    match kind {
        7 => (stage_id(), card(), digest())
            .prop_map(|(stage, card, digest)| {
                let card = Box::new(card);
                Event::GateOpened { stage, card, digest }
            })
            .boxed(),
        8 => (stage_id(), digest(), one_of(&[Vote::Approve, Vote::Reject, Vote::Defer]), clean())
            .prop_map(|(stage, card, vote, comment)| Event::VoteCast { stage, card, vote, comment })
            .boxed(),
        9 => (stage_id(), one_of(&[GateResult::Go, GateResult::NoGo, GateResult::Expired]))
            .prop_map(|(stage, result)| Event::GateClosed { stage, result })
            .boxed(),
        10 => (of(slot()), slot()).prop_map(|(from, to)| Event::SwitchOrdered { from, to }).boxed(),
        11 => (slot(), way(), proof(), any::<u64>())
            .prop_map(|(to, way, proof, took_ms)| Event::TrafficSwitched {
                to,
                way,
                proof,
                took_ms,
            })
            .boxed(),
        12 => (slot(), way(), clean())
            .prop_map(|(to, way, reason)| Event::SwitchFailed { to, way, reason })
            .boxed(),
        _ => {
            let verdict = (one_of(&Rule::ALL), verdict())
                .prop_map(|(rule, verdict)| RuleVerdict { rule, verdict });
            (evidence(), few(verdict.boxed()))
                .prop_map(|(evidence, verdicts)| Event::WindowJudged { evidence, verdicts })
                .boxed()
        }
    }
}

fn late_event(kind: usize) -> Any<Event> {
    match kind {
        14 => {
            (slot(), clean()).prop_map(|(to, reason)| Event::RollbackOrdered { to, reason }).boxed()
        }
        15 => latch().prop_map(|latch| Event::VersionLatched { latch }).boxed(),
        16 => (slot(), clean()).prop_map(|(slot, what)| Event::SlotTidied { slot, what }).boxed(),
        17 => (backup_id(), any::<bool>())
            .prop_map(|(backup, undo)| Event::RestoreOrdered { backup, undo })
            .boxed(),
        18 => restore_report()
            .prop_map(|report| Event::RestoreAdvanced { report: Box::new(report) })
            .boxed(),
        19 => (phase(), clean())
            .prop_map(|(phase, reason)| Event::RestoreFailed { phase, reason })
            .boxed(),
        20 => hold().prop_map(|hold| Event::Held { hold }).boxed(),
        21 => few(step_id()).prop_map(|steps| Event::RetryOrdered { steps }).boxed(),
        22 => clean().prop_map(|comment| Event::HoldOverridden { comment }).boxed(),
        27 => waiver().prop_map(|waiver| Event::FindingWaived { waiver }).boxed(),
        28 => policy_change().prop_map(|change| Event::PolicyChanged { change }).boxed(),
        23 => clean().prop_map(|comment| Event::AbortOrdered { comment }).boxed(),
        24 => result().prop_map(|result| Event::ReleaseEnded { result }).boxed(),
        26 => any::<u64>().prop_map(|bytes| Event::TailRepaired { bytes }).boxed(),
        _ => (any::<u64>(), any::<u32>(), few(clean()))
            .prop_map(|(about, channels, failed)| Event::Notified {
                about: Seq(about),
                channels,
                failed,
            })
            .boxed(),
    }
}

/// One event of every kind, in their order.
fn one_of_each() -> Any<Vec<(Principal, Event)>> {
    let events: Vec<_> = (0..story::KINDS).map(|kind| (principal(), event_of(kind))).collect();
    events.boxed()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn i2_every_record_reads_back_as_it_was_written(
        events in one_of_each(),
        at in (wall(), any::<u64>()),
    ) {
        for (kind, (_, event)) in events.iter().enumerate() {
            prop_assert_eq!(story::kind(event), kind, "a strategy makes another kind");
        }
        let dir = quick_dir();
        let folder = folder(&dir);
        let mut journal = Journal::create(&folder, id(), driver("s-1")).expect("created");
        let at = Timestamp { wall: at.0, boot_ms: at.1 };
        let written = run(journal.append(events, at)).expect("kept");
        drop(journal);
        let (_, read, repair) = Journal::open(&folder, Mode::Watch).expect("read");
        prop_assert_eq!(repair.notes(), []);
        prop_assert_eq!(&read, &written);
        prop_assert!(reader::verify(&Disk::real(), &folder, &[]).expect("read").holds());
    }
}
