//! Error rate and response time of both slots against their limits, with the age of the sample.

use ratatui::layout::Rect;

use super::{age, aged, late, title};
use crate::release::{Clean, Finite, Slot, SlotSample};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pen::{Strip, dotted, height_of, pane, row, rows, threshold};
use crate::tui::theme::Role;
use crate::tui::ui::Pane;

/// Why samples are missing. About the slot that serves that is trouble; the other may just not be
/// there yet. Which one serves is not known before the survey: then one of them is enough.
pub(super) fn missing<'a>(view: &View<'a>) -> Option<(Role, &'a Clean)> {
    let blind = match view.snapshot.release.serving() {
        Some(slot) => sample(view, slot).is_none(),
        None => [Slot::Blue, Slot::Green].iter().all(|slot| sample(view, *slot).is_none()),
    };
    let role = if blind { Role::Failed } else { Role::Dim };
    Some((role, view.snapshot.live.telemetry.samples_error.as_ref()?))
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let telemetry = &view.snapshot.live.telemetry;
    let head = aged(title(view, Pane::Levels, "Service levels"), view, telemetry.samples_at_ms);
    let inner = pane(drawing, view.theme, area, &head, true);
    let missing = missing(view);
    let mut above = Vec::new();
    if let Some((Role::Failed, error)) = missing {
        above.push(Strip::of(Role::Failed, format!(" ✖ {error}")));
    }
    let mut below: Vec<Strip> = [Slot::Blue, Slot::Green].map(|slot| traffic(view, slot)).into();
    if let Some((Role::Dim, error)) = missing {
        below.push(Strip::of(Role::Dim, format!(" {error}")));
    }
    rows(drawing, view.theme, inner, &above);
    let inner = cut_top(inner, above.len());
    let limits = limits(view);
    let levels = [
        ("Errors", &ERRORS, limits.map(|(errors, _)| errors)),
        ("Average", &MEAN, limits.map(|(_, mean)| mean)),
    ];
    let height = usize::from(inner.height);
    let curves = (height.saturating_sub(below.len() + 2) / 2).min(CURVE_ROWS_MAX);
    let mut inner = inner;
    for (name, level, limit) in levels {
        if curves >= 3 {
            heading(view, name, level, limit).draw(drawing, view.theme, row(inner, 0));
            let area = Rect { height: u16::try_from(curves).unwrap_or(0), ..cut_top(inner, 1) };
            plot(drawing, area, view, level, limit);
            inner = cut_top(inner, 1 + curves);
        } else {
            let columns = usize::from(inner.width);
            let mut strips = vec![heading(view, name, level, limit)];
            strips.extend(
                [Slot::Blue, Slot::Green].map(|slot| curve(view, slot, columns, level, limit)),
            );
            rows(drawing, view.theme, inner, &strips);
            inner = cut_top(inner, strips.len());
        }
    }
    rows(drawing, view.theme, inner, &below);
}

/// Rows of a curve at most: a taller one says no more.
const CURVE_ROWS_MAX: usize = 9;

/// An area without its first rows.
fn cut_top(area: Rect, rows: usize) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// The curves of both slots in one place, and the limit as a line where it is near enough.
fn plot(drawing: &mut Drawing, area: Rect, view: &View<'_>, level: &Level, limit: Option<Finite>) {
    const AXIS: u16 = 8;
    let stale = age(view, view.snapshot.live.telemetry.samples_at_ms).1;
    let inner = Rect { x: area.x + AXIS, width: area.width.saturating_sub(AXIS + 1), ..area };
    let dots = usize::from(inner.width) * 2;
    let values = |slot: Slot| -> Vec<Option<f64>> {
        let history = view.ui.history.of(slot, dots);
        history.iter().map(|sample| (level.of)(sample).map(Finite::get)).collect()
    };
    let all = [Slot::Blue, Slot::Green].map(|slot| (slot, values(slot)));
    let first = all.iter().flat_map(|(_, values)| values.iter().flatten()).next().copied();
    let calm = (level.scale)(limit, first);
    let known = all.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    let high = known.fold(calm, f64::max) * 1.1;
    let show = |value: f64| Finite::new(value).map_or(String::new(), level.show);
    let last = usize::from(area.height).saturating_sub(1);
    let axis = [(0, show(high)), (last, show(0.0))];
    for (at, text) in axis {
        Strip::of(Role::Faint, format!("{text:>7} ")).draw(drawing, view.theme, row(area, at));
    }
    for (slot, values) in &all {
        let role = if stale { Role::Stale } else { mark::slot(*slot).1 };
        dotted(drawing, view.theme, inner, role, values, high);
    }
    if let Some(limit) = limit.filter(|limit| limit.get() <= high) {
        let at = height_of(limit.get(), high, usize::from(area.height) * 4) / 4;
        threshold(drawing, view.theme, row(inner, last - at.min(last)));
    }
}

/// The heading of a curve: what it is, the values now, the limit.
fn heading(view: &View<'_>, name: &str, level: &Level, limit: Option<Finite>) -> Strip {
    let mut strip = Strip::of(Role::Dim, format!(" {name}"));
    for slot in [Slot::Blue, Slot::Green] {
        let (role, text) = value(view, slot, level, limit);
        let (glyph, worn) = mark::slot(slot);
        let stale = role == Role::Stale;
        strip = strip.put(if stale { role } else { worn }, format!(" {glyph} "));
        strip = strip.put(role, text);
    }
    match limit {
        Some(limit) => strip.right(Role::Dim, format!("max {} ", (level.round)(limit))),
        None => strip,
    }
}

/// A slot's value now, and how it is worn.
fn value(view: &View<'_>, slot: Slot, level: &Level, limit: Option<Finite>) -> (Role, String) {
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let sample = sample(view, slot);
    let quiet = sample.is_some_and(|sample| sample.requests_per_s.get() <= 0.0);
    let Some(now) = sample.and_then(level.of) else {
        let text = if quiet { "no traffic" } else { "unknown" };
        return (Role::Dim, text.to_owned());
    };
    let over = limit.is_some_and(|limit| now.get() > limit.get());
    let text = format!("{}{}", if over { "▲ " } else { "" }, (level.show)(now));
    match (stale, over) {
        (true, _) => (Role::Stale, text),
        (false, true) => (Role::Failed, text),
        (false, false) => (Role::Strong, text),
    }
}

/// One kind of level.
struct Level {
    of: fn(&SlotSample) -> Option<Finite>,
    show: fn(Finite) -> String,
    /// As short as a limit can be said.
    round: fn(Finite) -> String,
    /// The top of its curve while all is well.
    scale: fn(Option<Finite>, Option<f64>) -> f64,
}

const ERRORS: Level = Level {
    of: |sample| sample.error_ratio,
    show: percent,
    round: |ratio| format!("{} %", (ratio.get() * 1e5).round() / 1e3),
    scale: |limit, _| limit.map_or(0.01, Finite::get),
};
const MEAN: Level = Level {
    of: |sample| sample.mean_ms,
    show: millis,
    round: |ms| {
        let ms = ms.get();
        if ms >= 1000.0 { format!("{} s", ms.round() / 1e3) } else { format!("{ms:.0} ms") }
    },
    scale: |_, first| first.map_or(1.0, |first| first * 2.0),
};

/// The most that the policy allows: errors, average response.
fn limits(view: &View<'_>) -> Option<(Finite, Finite)> {
    let policy = &view.snapshot.release.policy()?.monitor;
    Some((policy.error_ratio_max, policy.mean_ms_max))
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
    let (value_role, text) = value(view, slot, level, limit);
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
    let late = late(view, view.snapshot.live.telemetry.samples_at_ms);
    let late = late.map_or(String::new(), |late| format!(", {late}"));
    (role, format!("{}{errors} {mean}{late}", if over { "▲ " } else { "" }))
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
