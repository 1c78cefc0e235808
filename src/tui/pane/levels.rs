//! Error rate and response time of both slots against their limits, with the age of the sample.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{age, aged, title};
use crate::release::{Clean, Finite, Slot, SlotSample};
use crate::tui::draw::View;
use crate::tui::mark;
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::theme::Role;
use crate::tui::ui::Pane;

/// Why samples are missing. About the slot that serves that is trouble; the other may just not be
/// there yet.
pub(super) fn missing<'a>(view: &View<'a>) -> Option<(Role, &'a Clean)> {
    let serving = view.snapshot.release.serving();
    let blind = serving.is_none_or(|slot| sample(view, slot).is_none());
    let role = if blind { Role::Failed } else { Role::Dim };
    Some((role, view.snapshot.live.telemetry.samples_error.as_ref()?))
}

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let telemetry = &view.snapshot.live.telemetry;
    let head = aged(title(view, Pane::Levels, "Service levels"), view, telemetry.samples_at_ms);
    let inner = pane(buf, view.theme, area, &head, true);
    let columns = usize::from(inner.width);
    let mut strips = Vec::new();
    let missing = missing(view);
    if let Some((Role::Failed, error)) = missing {
        strips.push(Strip::of(Role::Failed, format!(" ✖ {error}")));
    }
    let limits = limits(view);
    strips.push(heading("Errors", limits.map(|(errors, _)| percent(errors))));
    for slot in [Slot::Blue, Slot::Green] {
        strips.push(curve(view, slot, columns, &ERRORS, limits.map(|(errors, _)| errors)));
    }
    strips.push(heading("Average response", limits.map(|(_, mean)| millis(mean))));
    for slot in [Slot::Blue, Slot::Green] {
        strips.push(curve(view, slot, columns, &MEAN, limits.map(|(_, mean)| mean)));
    }
    strips.push(heading("p95 and traffic", None));
    for slot in [Slot::Blue, Slot::Green] {
        strips.push(traffic(view, slot));
    }
    if let Some((Role::Dim, error)) = missing {
        strips.push(Strip::of(Role::Dim, format!(" {error}")));
    }
    rows(buf, view.theme, inner, &strips);
}

/// One kind of level.
struct Level {
    of: fn(&SlotSample) -> Option<Finite>,
    show: fn(Finite) -> String,
    /// The top of its curve while all is well.
    scale: fn(Option<Finite>, Option<f64>) -> f64,
}

const ERRORS: Level = Level {
    of: |sample| sample.error_ratio,
    show: percent,
    scale: |limit, _| limit.map_or(0.01, Finite::get),
};
const MEAN: Level = Level {
    of: |sample| sample.mean_ms,
    show: millis,
    scale: |_, first| first.map_or(1.0, |first| first * 2.0),
};

/// The most that the policy allows: errors, average response.
fn limits(view: &View<'_>) -> Option<(Finite, Finite)> {
    let policy = &view.snapshot.release.policy()?.monitor;
    Some((policy.error_ratio_max, policy.mean_ms_max))
}

fn heading(name: &str, limit: Option<String>) -> Strip {
    let strip = Strip::of(Role::Dim, format!(" {name}"));
    match limit {
        Some(limit) => strip.right(Role::Dim, format!("limit {limit} ")),
        None => strip,
    }
}

fn sample<'a>(view: &View<'a>, slot: Slot) -> Option<&'a SlotSample> {
    view.snapshot.live.telemetry.samples.iter().find(|sample| sample.slot == slot)
}

fn curve(
    view: &View<'_>,
    slot: Slot,
    columns: usize,
    level: &Level,
    limit: Option<Finite>,
) -> Strip {
    let (glyph, role) = mark::slot(slot);
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let now = sample(view, slot).and_then(level.of);
    let over = now.zip(limit).is_some_and(|(now, limit)| now.get() > limit.get());
    let quiet = sample(view, slot).is_some_and(|sample| sample.requests_per_s.get() <= 0.0);
    let text = match (now, over) {
        (None, _) if quiet => "no traffic".to_owned(),
        (None, _) => "unknown".to_owned(),
        (Some(now), true) => format!("▲ {}", (level.show)(now)),
        (Some(now), false) => (level.show)(now),
    };
    let value_role = match (stale, over, now) {
        (true, ..) => Role::Stale,
        (_, true, _) => Role::Failed,
        (_, _, None) => Role::Dim,
        _ => Role::Strong,
    };
    let room = columns.saturating_sub(24);
    let history = view.ui.history.of(slot, room);
    let values: Vec<Option<f64>> =
        history.iter().map(|sample| (level.of)(sample).map(Finite::get)).collect();
    // A quiet level looks quiet: errors are drawn against their limit, times against twice their
    // own first value, and only what is worse than that goes higher.
    let calm = (level.scale)(limit, values.iter().flatten().next().copied());
    let high = values.iter().flatten().copied().fold(calm, f64::max);
    Strip::of(if stale { Role::Stale } else { role }, format!("  {slot:<5} {glyph} "))
        .put(if stale { Role::Stale } else { role }, mark::bars(&values, 0.0, high))
        .right(value_role, format!("{text} "))
}

fn traffic(view: &View<'_>, slot: Slot) -> Strip {
    let (glyph, role) = mark::slot(slot);
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let role = if stale { Role::Stale } else { role };
    let strip = Strip::of(role, format!("  {slot:<5} {glyph} "));
    let value = if stale { Role::Stale } else { Role::Text };
    match sample(view, slot) {
        None => strip.right(Role::Dim, "unknown "),
        Some(sample) => {
            let p95 = sample.p95_ms.map_or(String::new(), |p95| format!("p95 {}", millis(p95)));
            let rate = sample.requests_per_s.get();
            strip.put(value, p95).right(value, format!("{rate:.0} req/s "))
        }
    }
}

/// `BLUE 0.24 % 168 ms`: for where there is one row a slot.
pub(in crate::tui) fn short(view: &View<'_>, slot: Slot) -> (Role, String) {
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let Some(sample) = sample(view, slot) else { return (Role::Dim, "levels unknown".into()) };
    if sample.error_ratio.is_none() && sample.requests_per_s.get() <= 0.0 {
        return (if stale { Role::Stale } else { Role::Dim }, "no traffic".into());
    }
    let errors = sample.error_ratio.map_or("errors unknown".to_owned(), percent);
    let mean = sample.mean_ms.map_or("response unknown".to_owned(), millis);
    let over = limits(view).is_some_and(|(most_errors, most_mean)| {
        sample.error_ratio.is_some_and(|v| v.get() > most_errors.get())
            || sample.mean_ms.is_some_and(|v| v.get() > most_mean.get())
    });
    let role = match (stale, over) {
        (true, _) => Role::Stale,
        (false, true) => Role::Failed,
        (false, false) => Role::Text,
    };
    (role, format!("{}{errors} {mean}", if over { "▲ " } else { "" }))
}

/// The limits and the sample's age, in one row.
pub(in crate::tui) fn short_limits(view: &View<'_>) -> Strip {
    let at_ms = view.snapshot.live.telemetry.samples_at_ms;
    let (text, stale) = age(view, at_ms);
    let limit = limits(view).map_or(String::new(), |(errors, mean)| {
        format!(" limits {} errors, {} average", percent(errors), millis(mean))
    });
    Strip::of(Role::Dim, limit)
        .right(if stale { Role::Stale } else { Role::Dim }, format!("sample {text} "))
}

pub(in crate::tui) fn percent(ratio: Finite) -> String {
    format!("{:.2} %", ratio.get() * 100.0)
}

pub(in crate::tui) fn millis(ms: Finite) -> String {
    if ms.get() >= 10_000.0 {
        return format!("{:.1} s", ms.get() / 1000.0);
    }
    format!("{:.0} ms", ms.get())
}
