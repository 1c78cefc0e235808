//! One slot: what runs there, how many pods are ready, what it answers and how well.

use ratatui::layout::Rect;

use crate::release::{Finite, Reading, Slot, SlotSample};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pane::levels::{millis, percent, short};
use crate::tui::pane::{age, late, pods};
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::pods::SlotPods;
use crate::tui::theme::Role;

/// Dots of pods that are shown at most.
const DOTS: usize = 10;

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, slot: Slot) {
    let (glyph, role) = mark::slot(slot);
    let rollout = &view.snapshot.release.rollout;
    let serves = match (rollout.rolled_back_ms, rollout.to) {
        (Some(_), Some(to)) if to == slot => "rolled back",
        _ => pods::serves(&view.snapshot.release, slot),
    };
    let worn = if serves == "SERVES" { Role::Strong } else { Role::Dim };
    let share = share(view, slot).map_or(String::new(), |share| format!(" {share:.0} % "));
    let title = Strip::of(role, format!(" {glyph} {slot} "))
        .put(worn, format!(" {serves} "))
        .right(Role::Strong, share);
    let inner = pane(drawing, view.theme, area, &title, true);
    rows(drawing, view.theme, inner, &lines(view, slot, usize::from(inner.width)));
}

/// The slot where there is no room for a frame.
pub(super) fn in_one_row(view: &View<'_>, slot: Slot) -> Strip {
    let (role, text) = short(view, slot);
    pods::slot_strip(view, slot).put(role, format!("  {text}"))
}

pub(super) fn sample<'a>(view: &View<'a>, slot: Slot) -> Option<&'a SlotSample> {
    view.snapshot.live.telemetry.samples.iter().find(|sample| sample.slot == slot)
}

/// The slot's part of all requests in hundredths; none while nothing is known about both.
pub(super) fn share(view: &View<'_>, slot: Slot) -> Option<f64> {
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let rate = |slot| sample(view, slot).map(|sample| sample.requests_per_s.get());
    let (own, other) = (rate(slot), rate(slot.other()));
    let all = own.unwrap_or(0.0) + other.unwrap_or(0.0);
    let known = !stale && (own.is_some() || other.is_some()) && all > 0.0;
    known.then(|| own.unwrap_or(0.0) / all * 100.0)
}

fn lines(view: &View<'_>, slot: Slot, columns: usize) -> Vec<Strip> {
    let runs = pods::running(view, slot);
    // The row must hold both images in a third of 110 columns.
    let runs = runs.replace("@sha256:", "@").replace(", ", " ");
    let runs = if runs.is_empty() { "nothing recorded to run" } else { runs.as_str() };
    let mut lines =
        vec![ready(view, slot), Strip::of(Role::Dim, format!(" {runs}")), exits(view, slot)];
    let sample = sample(view, slot);
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let rate = sample.map_or_else(
        || (Role::Dim, "unknown".to_owned()),
        |sample| {
            let role = if stale { Role::Stale } else { Role::Text };
            (role, format!("{:.0} req/s", sample.requests_per_s.get()))
        },
    );
    let traffic = Strip::of(Role::Dim, " traffic  ").put(rate.0, rate.1);
    let late = late(view, view.snapshot.live.telemetry.samples_at_ms).filter(|_| sample.is_some());
    lines.push(match late {
        Some(late) => traffic.right(Role::Stale, format!("{late} ")),
        None => traffic,
    });
    let policy = view.snapshot.release.policy().map(|policy| &policy.monitor);
    let errors = Level {
        name: "errors",
        of: |sample| sample.error_ratio,
        show: percent,
        limit: policy.map(|policy| policy.error_ratio_max),
    };
    let mean = Level {
        name: "average",
        of: |sample| sample.mean_ms,
        show: millis,
        limit: policy.map(|policy| policy.mean_ms_max),
    };
    let p95 = Level { name: "p95", of: |sample| sample.p95_ms, show: millis, limit: None };
    lines.extend([errors, mean, p95].iter().map(|level| level.strip(view, slot, columns)));
    lines
}

/// `ready    6/6 ■■■■■■`.
fn ready(view: &View<'_>, slot: Slot) -> Strip {
    let telemetry = &view.snapshot.live.telemetry;
    let (glyph, role) = mark::slot(slot);
    let (text, stale) = age(view, telemetry.pods_at_ms);
    let strip = Strip::of(Role::Dim, " ready    ");
    if telemetry.pods_at_ms.is_none() {
        return strip.put(Role::Stale, text);
    }
    let SlotPods { ready: count, all, first, .. } = view.pods.slot(slot);
    let worn = match (stale, count < all) {
        (true, _) => Role::Stale,
        (false, true) => Role::Warn,
        (false, false) => Role::Text,
    };
    if *all == 0 {
        return strip.put(Role::Dim, "no pods");
    }
    let mut strip = strip.put(worn, format!("{count}/{all} "));
    for ready in first.iter().take(DOTS) {
        let (dot, dot_role) = if *ready { (glyph, role) } else { ("○", Role::Warn) };
        strip = strip.put(if stale { Role::Stale } else { dot_role }, dot);
    }
    let strip = if *all > DOTS { strip.put(Role::Dim, "…") } else { strip };
    if stale { strip.right(Role::Stale, format!("{text} ")) } else { strip }
}

/// Restarts that the pods themselves count, and exits that the newest window counted.
fn exits(view: &View<'_>, slot: Slot) -> Strip {
    let telemetry = &view.snapshot.live.telemetry;
    let restarts = view.pods.slot(slot).restarts;
    let (role, text) = match telemetry.pods_at_ms {
        None => (Role::Dim, "unknown".to_owned()),
        Some(_) if restarts > 0 => (Role::Warn, restarts.to_string()),
        Some(_) => (Role::Text, "0".to_owned()),
    };
    let strip = Strip::of(Role::Dim, " restarts ").put(role, text);
    let monitor = view.snapshot.release.monitor.as_ref();
    let newest = monitor.and_then(|monitor| monitor.windows.last());
    let Some(window) = newest.filter(|window| window.evidence.slot == slot) else { return strip };
    match &window.evidence.exits {
        Reading::Known { value: 0 } => strip.put(Role::Dim, ", exits 0 in the window"),
        Reading::Known { value } => {
            strip.put(Role::Failed, format!(", ✖ exits {value} in the window"))
        }
        Reading::Unknown { .. } => strip.put(Role::Warn, ", exits unknown"),
    }
}

/// One kind of level.
struct Level {
    name: &'static str,
    of: fn(&SlotSample) -> Option<Finite>,
    show: fn(Finite) -> String,
    limit: Option<Finite>,
}

impl Level {
    fn strip(&self, view: &View<'_>, slot: Slot, columns: usize) -> Strip {
        let (_, slot_role) = mark::slot(slot);
        let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
        let sample = sample(view, slot);
        let now = sample.and_then(self.of);
        let over = now.zip(self.limit).is_some_and(|(now, limit)| now.get() > limit.get());
        let quiet = sample.is_some_and(|sample| sample.requests_per_s.get() <= 0.0);
        let text = match now {
            None if quiet => "no traffic".to_owned(),
            None => "unknown".to_owned(),
            Some(now) if over => format!("▲ {}", (self.show)(now)),
            Some(now) => (self.show)(now),
        };
        let role = match (stale, over, now) {
            (true, ..) => Role::Stale,
            (_, true, _) => Role::Failed,
            (_, _, None) => Role::Dim,
            _ => Role::Strong,
        };
        let limit = self.limit.map_or(String::new(), |limit| format!("max {}", (self.show)(limit)));
        let limit = if columns < 36 { String::new() } else { format!("{limit:<12}") };
        let strip = Strip::of(Role::Dim, format!(" {:<8} ", self.name))
            .put(role, format!("{text:<10} "))
            .put(Role::Dim, limit);
        let used = 21 + if columns < 36 { 0 } else { 12 };
        let history = view.ui.history.of(slot, columns.saturating_sub(used + 2));
        let values: Vec<Option<f64>> =
            history.iter().map(|sample| (self.of)(sample).map(Finite::get)).collect();
        // Against its limit while it keeps it, so that a calm level looks calm; where there is
        // none, against twice its own first value.
        let first = values.iter().flatten().next().copied().unwrap_or(1.0);
        let calm = match (self.name, self.limit) {
            ("errors", Some(limit)) => limit.get(),
            _ => first * 2.0,
        };
        let high = values.iter().flatten().copied().fold(calm, f64::max);
        let worn = if stale { Role::Stale } else { slot_role };
        strip.put(worn, mark::bars(&values, 0.0, high))
    }
}
