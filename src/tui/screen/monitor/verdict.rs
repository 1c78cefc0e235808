//! What is judged: the pre-flight before the switch, the rules after it with their evidence, and
//! the proof of the traffic.

use crate::release::{
    BuiltIn, Evidence, Monitor, MonitorPolicy, OnUnknown, Reading, Release, Rule, Slot, StepStatus,
    Verdict, Way, Window,
};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::mark;
use crate::tui::pane::age;
use crate::tui::pane::levels::{millis, percent};
use crate::tui::pane::watch::{glyph, limit, value, without_unit};
use crate::tui::pen::{Strip, wrap};
use crate::tui::screen::told;
use crate::tui::theme::Role;

use super::slots::sample;

/// The steps that make a switch possible, each with what it found.
pub(super) fn preflight(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let steps = release.plan().into_iter().flat_map(crate::release::Plan::steps).filter(|step| {
        matches!(
            step.uses,
            Some(
                BuiltIn::Migrate
                    | BuiltIn::ValidateSchema
                    | BuiltIn::DeployPreview
                    | BuiltIn::Smoke
                    | BuiltIn::WayBack
            )
        )
    });
    let mut lines = Vec::new();
    for step in steps {
        let Some(state) = release.steps.get(&step.id) else { continue };
        let mark = mark::step(release, step, state);
        let fact = state.end.as_ref().and_then(|end| {
            let fact = end.facts.first().map(|fact| fact.value.to_string());
            if end.result.passed() { fact } else { Some(end.result.reason().to_string()) }
        });
        let fact = match (&state.status, fact) {
            (StepStatus::Waiting, _) => "waiting".to_owned(),
            (StepStatus::Running, _) => "running".to_owned(),
            (_, fact) => fact.unwrap_or_else(|| mark.word().to_owned()),
        };
        let strip = Strip::of(mark.role(), format!(" {} ", mark.glyph()));
        if columns < 70 {
            lines.push(strip.put(Role::Text, step.title.as_str()));
            let rest = wrap(&fact, columns.saturating_sub(5));
            lines.extend(rest.iter().map(|line| Strip::of(Role::Dim, format!("    {line}"))));
        } else {
            let title = format!("{:<32} ", step.title.chars().take(32).collect::<String>());
            lines.push(strip.put(Role::Text, title).put(Role::Dim, fact));
        }
    }
    let (ready, pods) = readiness(view, columns);
    lines.extend(pods);
    let awaits = release.awaits_switch();
    let text = match (awaits, release.rollout.to) {
        (true, Some(to)) => {
            // What is not seen is not ready.
            let all =
                if ready { "everything is ready" } else { "the steps are done, look at the pods" };
            format!("{all}: S switches to {to}, and asks first")
        }
        _ => "the switch is possible once all of these are done".to_owned(),
    };
    lines.extend(told("", if awaits { Role::Strong } else { Role::Dim }, &text, columns));
    lines
}

/// Enough pods to carry the traffic? It decides, so it is read whole.
fn readiness(view: &View<'_>, columns: usize) -> (bool, Vec<Strip>) {
    let release = &view.snapshot.release;
    let Some(to) = release.rollout.to else { return (false, Vec::new()) };
    let telemetry = &view.snapshot.live.telemetry;
    let (text, stale) = age(view, telemetry.pods_at_ms);
    if stale {
        return (false, vec![Strip::of(Role::Stale, format!(" ? ready pods: {text}"))]);
    }
    let ready = |slot| view.pods.slot(slot).ready;
    let Some(from) = release.rollout.from else {
        let text = format!(" ▲ {to} has {} ready pods; NO WAY BACK", ready(to));
        return (ready(to) > 0, vec![Strip::of(Role::Warn, text)]);
    };
    let (new, old) = (ready(to), ready(from));
    let enough = new >= old && new > 0;
    let (glyph, role) = if enough { ("✔", Role::Done) } else { ("○", Role::Warn) };
    let text = format!("{to} has {new} ready pods, {from} carries the traffic with {old}");
    let lines = wrap(&text, columns.saturating_sub(4));
    let head = |at: usize| if at == 0 { format!(" {glyph} ") } else { "   ".to_owned() };
    let strip = |(at, line): (usize, &String)| Strip::of(role, head(at)).put(Role::Text, line);
    (enough, lines.iter().enumerate().map(strip).collect())
}

/// What is said while the Services are being moved.
pub(super) fn moving(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let Some(order) = &view.snapshot.release.rollout.order else { return Vec::new() };
    let way = match order.way {
        Way::Forward => "to",
        Way::Back => "BACK to",
    };
    let text = format!("{way} {}, ordered by {} at {}", order.to, order.by, words::utc(order.at));
    let mut lines = told("traffic", Role::Strong, &text, columns);
    let progress = view.snapshot.live.progress.get(&order.key.to_string());
    let text = progress.map_or("no word from the engine yet", |progress| progress.text.as_str());
    lines.extend(told("now", Role::Running, text, columns));
    lines
}

/// Every rule: what it measured, its limit, how many of the newest windows were bad.
/// How old that is, and what follows from it, comes second.
pub(super) fn rules(view: &View<'_>, columns: usize) -> (Vec<Strip>, Vec<Strip>) {
    let release = &view.snapshot.release;
    let (Some(monitor), Some(policy)) = (&release.monitor, release.policy()) else {
        let text = " the watch begins after the switch";
        return (vec![Strip::of(Role::Dim, text)], Vec::new());
    };
    let policy = &policy.monitor;
    let mut lines = Vec::new();
    for rule in Rule::ALL {
        lines.extend(rule_lines(monitor, policy, rule, columns));
    }
    lines.extend(watch(view, monitor, policy, columns));
    (lines, details(view, monitor, policy, columns))
}

/// How many of how many newest windows may not fail.
fn needed(policy: &MonitorPolicy, rule: Rule) -> (usize, usize) {
    match rule {
        // Facts, not statistics: one is enough.
        Rule::Exits | Rule::Ready => (1, 1),
        Rule::ErrorRatio | Rule::MeanLatency => {
            let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
            (size(policy.fail_windows.max(1)), size(policy.of_windows))
        }
    }
}

fn verdict_of(window: &Window, rule: Rule) -> Option<&Verdict> {
    window.verdicts.iter().find(|verdict| verdict.rule == rule).map(|verdict| &verdict.verdict)
}

fn rule_lines(monitor: &Monitor, policy: &MonitorPolicy, rule: Rule, columns: usize) -> Vec<Strip> {
    let newest = monitor.windows.last();
    let verdict = newest.and_then(|window| verdict_of(window, rule));
    let (mark, tone) = verdict.map_or(("○", Role::Waiting), glyph);
    let shown = newest.map_or("none yet".to_owned(), |window| value(&window.evidence, rule));
    let (fails_at, of) = needed(policy, rule);
    let bad = monitor.windows.iter().rev().take(of);
    let bad = bad.filter(|w| matches!(verdict_of(w, rule), Some(Verdict::Fail { .. }))).count();
    let limit = limit(policy, rule);
    let shown = without_unit(&shown, &limit);
    let worn = if bad > 0 { Role::Failed } else { Role::Dim };
    let value_role = if tone == Role::Done { Role::Strong } else { tone };
    let mut strip = Strip::of(tone, format!(" {mark} "))
        .put(Role::Text, format!("{:<16}", rule.words()))
        .put(value_role, format!("{shown:>7}"))
        .put(Role::Dim, format!("{limit:<12}"));
    if columns < 64 {
        strip = strip.put(worn, format!(" {bad}/{of} bad"));
        return with_reason(strip, verdict, tone, columns);
    }
    let s = if fails_at == 1 { "s" } else { "" };
    strip = strip.put(worn, format!(" {:<20}", format!("{bad} of {of} bad, {fails_at} fail{s}")));
    let room = columns.saturating_sub(61);
    let from = monitor.windows.len().saturating_sub(room);
    for window in &monitor.windows[from..] {
        let (mark, tone) = verdict_of(window, rule).map_or(("?", Role::Warn), glyph);
        strip = strip.put(tone, mark);
    }
    with_reason(strip, verdict, tone, columns)
}

/// A rule's row, and under it why it is not a pass.
fn with_reason(strip: Strip, verdict: Option<&Verdict>, role: Role, columns: usize) -> Vec<Strip> {
    let mut lines = vec![strip];
    if let Some(Verdict::Fail { reason } | Verdict::Unknown { reason }) = verdict {
        let reason = wrap(reason.as_str(), columns.saturating_sub(5));
        lines.extend(reason.iter().map(|line| Strip::of(role, format!("   {line}"))));
    }
    lines
}

/// How far the watch is.
fn watch(view: &View<'_>, monitor: &Monitor, policy: &MonitorPolicy, columns: usize) -> Vec<Strip> {
    let snapshot = view.snapshot;
    let release = &snapshot.release;
    let (good, of) = (monitor.good_s(), policy.duration_s);
    let step = release.plan().and_then(|plan| plan.built_in(BuiltIn::Monitor));
    let left_ms = step.and_then(|step| words::step_left_ms(snapshot, step));
    let mut text = format!("{} {good} of {of} s good", gauge(good, of));
    let still = release.rollout.rolled_back_ms.is_none() && release.hold.is_none();
    if let Some(left_ms) = left_ms.filter(|_| still) {
        let at_ms = release.elapsed_ms(snapshot.now).saturating_add(left_ms);
        let (until, left) = (words::moment(snapshot, at_ms), mark::clock(left_ms));
        text = format!("{text}; {until} at the earliest, in {left}");
    }
    told("watch", Role::Strong, &text, columns)
}

/// How old what it knows is, and what it does by itself.
fn details(
    view: &View<'_>,
    monitor: &Monitor,
    policy: &MonitorPolicy,
    columns: usize,
) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let mut lines = Vec::new();
    if let Some(window) = monitor.windows.last() {
        lines.extend(told("evidence", Role::Text, &evidence_age(view, window), columns));
    }
    let automatic = release.policy().is_some_and(|policy| policy.rollout.automatic_rollback);
    let on_fail = match (automatic, release.rollout.from) {
        (true, Some(from)) => {
            let (bad, of) = (policy.fail_windows, policy.of_windows);
            format!("{bad} bad windows of {of}, or one exit, roll back to {from} by itself")
        }
        _ => "a failed rule HOLDS: the way back is by hand".to_owned(),
    };
    let on_unknown = match policy.on_unknown {
        OnUnknown::Hold => "hold",
        OnUnknown::RollBack => "roll back",
    };
    let text = format!("{on_fail}; {} unknown windows {on_unknown}", policy.unknown_windows);
    lines.extend(told("rule", Role::Dim, &text, columns));
    lines
}

fn gauge(done: u64, of: u64) -> String {
    const CELLS: u64 = 10;
    let full = done.min(of).saturating_mul(CELLS).checked_div(of).unwrap_or(0);
    let cell = |at: u64| if at < full { "█" } else { "╌" };
    (0..CELLS).map(cell).collect()
}

fn evidence_age(view: &View<'_>, window: &Window) -> String {
    let release = &view.snapshot.release;
    let ago_ms = release.elapsed_ms(view.snapshot.now).saturating_sub(window.at_ms);
    let Evidence { sample_age_s, requests, window_s, .. } = &window.evidence;
    let sample = match sample_age_s {
        Reading::Known { value } => format!("its newest sample was {:.0} s old", value.get()),
        Reading::Unknown { reason } => format!("its sample's age is unknown: {reason}"),
    };
    let requests = requests
        .value()
        .map_or("requests unknown".to_owned(), |value| format!("{:.0} requests", value.get()));
    let ago = words::age(ago_ms);
    format!("newest window ended {ago} ago, {window_s} s, {requests}; {sample}")
}

/// Which endpoints the Services have, whose they are, and who still answers.
pub(super) fn proof(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let rollout = &release.rollout;
    let Some(proof) = &rollout.proof else {
        return vec![Strip::of(Role::Warn, " ? no proof was recorded")];
    };
    let mut lines = Vec::new();
    if proof.endpoints.is_empty() {
        lines.push(Strip::of(Role::Failed, " ✖ NOT PROVEN: no endpoint was seen"));
    }
    let slot = proof.slot;
    for count in &proof.endpoints {
        let (glyph, role) = match (count.ours, count.others) {
            (1.., 0) => ("✔", Role::Done),
            _ => ("✖", Role::Failed),
        };
        let text = format!(
            "{:<10} {} ready of {slot}, {} of others",
            count.service.as_str(),
            count.ours,
            count.others
        );
        lines.push(Strip::of(role, format!(" {glyph} ")).put(Role::Text, text));
    }
    let (role, text) = drain(view, release, slot);
    lines.extend(told("drain", role, &text, columns));
    let took = rollout.rollback_took_ms.or(rollout.switch_took_ms).map(words::duration);
    let at_ms = rollout.rolled_back_ms.or(rollout.switched_ms);
    if let (Some(took), Some(at_ms)) = (took, at_ms) {
        let at = words::moment(view.snapshot, at_ms);
        let text = format!("all Services on {slot} at {at}, in {took}");
        lines.extend(told("moved", Role::Text, &text, columns));
    }
    if let Some(reason) = &rollout.rollback_reason {
        lines.extend(told("cause", Role::Failed, reason.as_str(), columns));
    }
    lines
}

/// Whether the slot that lost the traffic still answers anybody.
fn drain(view: &View<'_>, release: &Release, serves: Slot) -> (Role, String) {
    let old = serves.other();
    if release.rollout.from.is_none() {
        return (Role::Dim, "nothing served before".to_owned());
    }
    let (text, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    match sample(view, old) {
        Some(_) | None if stale => (Role::Stale, format!("samples {text}")),
        None => (Role::Warn, format!("unknown: no sample of {old}")),
        Some(sample) if sample.requests_per_s.get() < 0.05 => {
            (Role::Text, format!("{old} answers nothing any more"))
        }
        Some(sample) => {
            let rate = sample.requests_per_s.get();
            (Role::Warn, format!("{old} still answers {rate:.1} req/s"))
        }
    }
}

/// Every judged window, newest first.
pub(super) fn windows(view: &View<'_>, columns: usize) -> Vec<Strip> {
    let Some(monitor) = &view.snapshot.release.monitor else {
        return vec![Strip::of(Role::Dim, " none yet: they begin after the switch")];
    };
    let mut lines = vec![Strip::of(
        Role::Dim,
        format!(
            " {:<9} {:>5} {:>9} {:>9} {:>9} {:>9} {:>5} {:>5}",
            "ended", "s", "requests", "errors", "average", "p95", "exits", "ready"
        ),
    )];
    for window in monitor.windows.iter().rev() {
        let e = &window.evidence;
        let worst = window.verdicts.iter().map(|v| &v.verdict).find(|v| !v.is_pass());
        let (mark, role) = worst.map_or(("✔", Role::Done), glyph);
        let number = |reading: &Reading<crate::release::Finite>, show: fn(_) -> String| {
            reading.value().map_or("unknown".to_owned(), |value| show(*value))
        };
        let count =
            |reading: &Reading<u32>| reading.value().map_or("?".to_owned(), ToString::to_string);
        let text = format!(
            "{:<8} {:>5} {:>9} {:>9} {:>9} {:>9} {:>5} {:>5}",
            words::utc(words::wall_of(view.snapshot, window.at_ms)),
            e.window_s,
            number(&e.requests, |value| format!("{:.0}", value.get())),
            number(&e.error_ratio, percent),
            number(&e.mean_ms, millis),
            number(&e.p95_ms, millis),
            count(&e.exits),
            count(&e.ready_min),
        );
        let role_text = if role == Role::Done { Role::Text } else { role };
        lines.push(Strip::of(role_text, format!(" {text}")).put(role, format!("  {mark}")));
    }
    lines.truncate(1 + columns.max(1));
    lines
}
