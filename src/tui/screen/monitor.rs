//! Both slots side by side, what the watch says and why, and the proof that the traffic is where
//! it should be; before the switch, the pre-flight and the patches. `S` and `B` ask under it or
//! on the ways back.

mod chart;
mod slots;
mod verdict;

use ratatui::layout::Rect;

use super::{Screen, WIDE, beyond, heading, sheet};
use crate::release::{Release, Slot, Way};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pane::aged;
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::popup;
use crate::tui::theme::Role;

/// Rows of a slot's frame.
const SLOT_ROWS: u16 = 9;
/// With fewer rows there are no frames for the slots.
const FRAMES_FROM: u16 = 15;
/// With so many rows there is room for curves and windows.
const CHARTS_FROM: u16 = 20;
const CHART_ROWS_MAX: u16 = 14;

/// The places of the screen; the ones that are not there are empty.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    slots: [Rect; 2],
    charts: [Rect; 2],
    verdict: Rect,
    proof: Rect,
    windows: Rect,
}

/// `wanted` is how many rows the verdict would fill.
fn places(area: Rect, wanted: usize) -> Places {
    let none = Places::default();
    if area.height < FRAMES_FROM {
        return Places { verdict: area, ..none };
    }
    if area.width < WIDE || area.height < CHARTS_FROM {
        let half = area.width / 2;
        let left = Rect { width: half + 1, height: SLOT_ROWS, ..area };
        let right = Rect { x: area.x + half, width: area.width - half, ..left };
        let y = area.y + SLOT_ROWS - 1;
        let verdict = Rect { y, height: area.bottom() - y, ..area };
        return Places { slots: [left, right], verdict, ..none };
    }
    // Three columns; neighbours share their edges.
    let third = area.width * 3 / 10;
    let blue = Rect { width: third + 1, height: SLOT_ROWS, ..area };
    let green = Rect { x: area.x + third, ..blue };
    let x = green.right() - 1;
    let right = Rect { x, width: area.right() - x, ..area };
    let y = area.y + SLOT_ROWS - 1;
    let below = area.bottom() - y;
    // The windows are told under the curves where both have room.
    let charts = if below > CHART_ROWS_MAX + 5 { CHART_ROWS_MAX } else { below };
    let chart = |of: Rect| Rect { y, height: charts, ..of };
    let wide = Rect { width: x + 1 - area.x, ..area };
    let windows = Rect { y: y + charts - 1, height: below - charts + 1, ..wide };
    let wanted = u16::try_from(wanted.saturating_add(2)).unwrap_or(u16::MAX);
    let verdict = Rect { height: wanted.clamp(8, area.height.saturating_sub(6)), ..right };
    let from = verdict.bottom() - 1;
    let proof = Rect { y: from, height: area.bottom() - from, ..right };
    Places {
        slots: [blue, green],
        charts: [chart(blue), chart(green)],
        verdict,
        proof,
        windows: if windows.height > 3 { windows } else { Rect::default() },
    }
}

/// The places, the verdict's by what it has to say.
fn placed(area: Rect, view: &View<'_>) -> Places {
    let first = places(area, 0);
    let columns = usize::from(first.verdict.width.saturating_sub(2));
    let (head, details) = judgement(view, columns);
    places(area, head.len() + details.len())
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let places = placed(area, view);
    for (slot, place) in [Slot::Blue, Slot::Green].into_iter().zip(places.slots) {
        if !place.is_empty() {
            slots::draw(drawing, place, view, slot);
        }
    }
    for (slot, place) in [Slot::Blue, Slot::Green].into_iter().zip(places.charts) {
        if !place.is_empty() {
            chart::draw(drawing, place, view, slot);
        }
    }
    if !places.windows.is_empty() {
        let columns = usize::from(places.windows.width.saturating_sub(2));
        let title = Strip::of(Role::Title, " Windows, newest first ");
        let inner = pane(drawing, view.theme, places.windows, &title, true);
        rows(drawing, view.theme, inner, &verdict::windows(view, columns));
    }
    let title = title(view);
    sheet(drawing, places.verdict, view, &title, &told_lines(view, &places));
    if !places.proof.is_empty() {
        let (name, lines) = proof(view, usize::from(places.proof.width.saturating_sub(2)));
        let title = Strip::of(Role::Title, format!(" {name} "));
        let inner = pane(drawing, view.theme, places.proof, &title, true);
        rows(drawing, view.theme, inner, &lines);
    }
}

/// Rows that do not fit.
pub(in crate::tui) fn overflow(view: &View<'_>, area: Rect) -> usize {
    let places = placed(area, view);
    beyond(told_lines(view, &places).len(), places.verdict)
}

/// What stands in the frame of the verdict: with less room, the other frames' rows too.
fn told_lines(view: &View<'_>, places: &Places) -> Vec<Strip> {
    let columns = usize::from(places.verdict.width.saturating_sub(2));
    let mut lines = Vec::new();
    if places.slots[0].is_empty() {
        for slot in [Slot::Blue, Slot::Green] {
            lines.push(slots::in_one_row(view, slot));
        }
    }
    let (head, details) = judgement(view, columns);
    let mut proven = Vec::new();
    if places.proof.is_empty() {
        let (name, proof) = proof(view, columns);
        proven.push(heading(&name));
        proven.extend(proof);
    }
    // Who is asked whether to switch reads the exact calls without scrolling.
    let asked = popup::stands_on(view.ui) == Some(Screen::Monitor);
    let (first, second) = if asked { (proven, head) } else { (head, proven) };
    lines.extend(first.into_iter().chain(second).chain(details));
    lines
}

/// What the screen is about right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// No slot has been chosen yet.
    Early,
    BeforeSwitch,
    Moving(Way),
    Watching,
    RolledBack,
}

fn moment(release: &Release) -> Moment {
    let rollout = &release.rollout;
    if let Some(order) = &rollout.order {
        return Moment::Moving(order.way);
    }
    if rollout.rolled_back_ms.is_some() {
        return Moment::RolledBack;
    }
    match (rollout.switched_ms, rollout.to) {
        (Some(_), _) => Moment::Watching,
        (None, Some(_)) => Moment::BeforeSwitch,
        (None, None) => Moment::Early,
    }
}

fn title(view: &View<'_>) -> Strip {
    let text = match moment(&view.snapshot.release) {
        Moment::Early => "Traffic: no release slot yet",
        Moment::BeforeSwitch => "Before the switch",
        Moment::Moving(Way::Forward) => "Moving the traffic",
        Moment::Moving(Way::Back) => "ROLLING BACK",
        Moment::Watching => "Watch",
        Moment::RolledBack => "Rolled back",
    };
    let strip = Strip::of(Role::Focus, format!(" {text} "));
    aged(strip, view, view.snapshot.live.telemetry.samples_at_ms)
}

/// What is judged, and what is said about the judging.
fn judgement(view: &View<'_>, columns: usize) -> (Vec<Strip>, Vec<Strip>) {
    match moment(&view.snapshot.release) {
        Moment::Early | Moment::BeforeSwitch => (verdict::preflight(view, columns), Vec::new()),
        Moment::Moving(_) => (verdict::moving(view, columns), Vec::new()),
        Moment::Watching | Moment::RolledBack => verdict::rules(view, columns),
    }
}

fn proof(view: &View<'_>, columns: usize) -> (String, Vec<Strip>) {
    let release = &view.snapshot.release;
    let rollout = &release.rollout;
    let next = match moment(release) {
        now @ (Moment::Watching | Moment::RolledBack) => {
            let mut lines = verdict::proof(view, columns);
            if let Some(from) = rollout.from.filter(|_| now == Moment::Watching) {
                lines.push(heading(&format!("What B sends, back to {from}")));
                lines.extend(super::way_back::call_lines(release, from, columns));
            }
            return ("Proof of the traffic".to_owned(), lines);
        }
        Moment::Moving(_) => rollout.order.as_ref().map(|order| order.to),
        Moment::Early | Moment::BeforeSwitch => rollout.to,
    };
    let Some(to) = next else {
        let text = " it is known once the decision card is drawn up";
        return ("What the switch sends".to_owned(), vec![Strip::of(Role::Dim, text)]);
    };
    let lines = super::way_back::call_lines(release, to, columns);
    (format!("What the switch to {to} sends"), lines)
}
