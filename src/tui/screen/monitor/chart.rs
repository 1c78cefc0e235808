//! The error rate of a slot over the last minutes, against its limit. Both slots share a scale,
//! so that they can be compared by eye.

use ratatui::layout::Rect;

use super::slots::sample;
use crate::release::{Finite, Slot};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pane::age;
use crate::tui::pane::levels::percent;
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::theme::Role;

/// Columns of the axis.
const AXIS: usize = 8;
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, slot: Slot) {
    let policy = view.snapshot.release.policy().map(|policy| &policy.monitor);
    let limit = policy.map(|policy| policy.error_ratio_max);
    let now = sample(view, slot).and_then(|sample| sample.error_ratio);
    let text = now.map_or("unknown".to_owned(), percent);
    let title =
        Strip::of(Role::Title, format!(" Errors {slot} ")).put(Role::Strong, format!("{text} "));
    // The axis says the limit too: the value of now is what must not be cut.
    let title = match limit.filter(|_| area.width >= 46) {
        Some(limit) => title.right(Role::Dim, format!(" limit {} ", percent(limit))),
        None => title,
    };
    let inner = pane(drawing, view.theme, area, &title, true);
    let (columns, height) = (usize::from(inner.width), usize::from(inner.height));
    rows(drawing, view.theme, inner, &lines(view, slot, limit, columns, height));
}

fn lines(
    view: &View<'_>,
    slot: Slot,
    limit: Option<Finite>,
    columns: usize,
    height: usize,
) -> Vec<Strip> {
    let room = columns.saturating_sub(AXIS + 1);
    let of = |slot: Slot| -> Vec<Option<f64>> {
        let history = view.ui.history.of(slot, room);
        history.iter().map(|sample| sample.error_ratio.map(Finite::get)).collect()
    };
    let (own, other) = (of(slot), of(slot.other()));
    let limit = limit.map(Finite::get);
    let calm = limit.map_or(0.01, |limit| limit * 2.0);
    let high = own.iter().chain(&other).flatten().copied().fold(calm, f64::max);
    let rows = height.saturating_sub(1);
    if rows == 0 || room == 0 {
        return Vec::new();
    }
    let step = high / count(rows);
    let limit_row = limit.map(|limit| row_of(limit, step, rows));
    let mut strips: Vec<Strip> = (0..rows)
        .map(|row| {
            let low = step * count(rows - 1 - row);
            let label = match (row, limit_row == Some(row)) {
                (_, true) => limit.map_or(String::new(), short),
                (0, _) => short(high),
                (row, _) if row + 1 == rows => "0".to_owned(),
                _ => String::new(),
            };
            let worn = if limit_row == Some(row) { Role::Warn } else { Role::Dim };
            let strip = Strip::of(worn, format!("{label:>width$} ", width = AXIS - 1));
            let place =
                Place { low, step, is_limit: limit_row == Some(row), is_last: row + 1 == rows };
            cells(strip, view, slot, &own, room, limit, place)
        })
        .collect();
    let past = words_past(own.len());
    strips.push(Strip::of(Role::Dim, format!("{:AXIS$}{past}", "")).right(Role::Dim, "now "));
    strips
}

/// One row of the curve: the values it covers.
#[derive(Clone, Copy)]
struct Place {
    low: f64,
    step: f64,
    is_limit: bool,
    is_last: bool,
}

fn cells(
    mut strip: Strip,
    view: &View<'_>,
    slot: Slot,
    values: &[Option<f64>],
    room: usize,
    limit: Option<f64>,
    place: Place,
) -> Strip {
    let (_, slot_role) = mark::slot(slot);
    let (_, stale) = age(view, view.snapshot.live.telemetry.samples_at_ms);
    let empty = room.saturating_sub(values.len());
    let padded = std::iter::repeat_n(None, empty).chain(values.iter().copied());
    let (mut run, mut worn) = (String::new(), Role::Dim);
    for value in padded {
        let over = value.zip(limit).is_some_and(|(value, limit)| value > limit);
        let bar = value.map_or(0, |value| {
            let eighths = eighths((value - place.low) / place.step);
            // Even next to nothing is something that was measured.
            if place.is_last { eighths.max(1) } else { eighths }
        });
        let (glyph, role) = match (bar, place.is_limit, stale, over) {
            (0, true, ..) => ('╌', Role::Warn),
            (0, false, ..) => (' ', Role::Dim),
            (_, _, true, _) => (BARS[bar], Role::Stale),
            (_, _, _, true) => (BARS[bar], Role::Failed),
            _ => (BARS[bar], slot_role),
        };
        if role != worn && !run.is_empty() {
            strip = strip.put(worn, std::mem::take(&mut run));
        }
        worn = role;
        run.push(glyph);
    }
    strip.put(worn, run)
}

#[expect(clippy::cast_precision_loss, reason = "rows of a screen")]
fn count(rows: usize) -> f64 {
    rows as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 8")]
fn eighths(part: f64) -> usize {
    (part * 8.0).round().clamp(0.0, 8.0) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the rows there are"
)]
fn row_of(value: f64, step: f64, rows: usize) -> usize {
    let from_below = (value / step).floor().clamp(0.0, count(rows - 1)) as usize;
    rows - 1 - from_below
}

fn short(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// How far back the curve goes: samples come every five seconds.
fn words_past(samples: usize) -> String {
    if samples < 2 { "no history yet".to_owned() } else { format!("{samples} samples") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_its_row_and_a_bar_its_height() {
        assert_eq!([row_of(0.0, 0.25, 8), row_of(1.0, 0.25, 8), row_of(9.0, 0.25, 8)], [7, 3, 0]);
        assert_eq!([eighths(-1.0), eighths(0.5), eighths(7.0)], [0, 4, 8]);
    }
}
