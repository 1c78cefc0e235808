//! Questions and small forms over any screen. Each shows what exactly will be done before it is
//! done.

use ratatui::layout::Rect;

use super::form::{COPIES, Line, fitted, keys, strips, text};
use super::{Popup, centred};
use crate::release::Ask;
use crate::tui::action::{Action, ask_of};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, raised, rows};
use crate::tui::theme::Role;

const COLUMNS: u16 = 78;

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, popup: &Popup) {
    let (title, lines) = match popup {
        Popup::Confirm { ask, .. } => confirm(view, ask),
        Popup::Reason { action, input } => reason(view, *action, input),
        Popup::Waive(form) => form.lines(),
        Popup::Filter(form) => form.lines(usize::from(COLUMNS.min(area.width)).saturating_sub(2)),
        Popup::Policy(form) => form.lines(),
        _ => return,
    };
    let columns = usize::from(COLUMNS.min(area.width)).saturating_sub(2);
    let strips = strips(&lines, columns);
    let title = Strip::of(Role::Focus, format!(" {title} "));
    let place = centred(area, COLUMNS, strips.0.len() + 2);
    if place.height < 3 {
        // No room for a frame: the question itself is what counts.
        return title.draw(drawing, view.theme, area);
    }
    let inner = raised(drawing, view.theme, place, &title);
    // The keys stand last and must be seen.
    rows(drawing, view.theme, inner, &fitted(strips, inner.height));
}

fn confirm(view: &View<'_>, ask: &Ask) -> (String, Vec<Line>) {
    match ask {
        Ask::Retry => {
            let held = view.snapshot.release.hold.as_ref();
            let what = held.map_or_else(String::new, |held| held.hold.sentence());
            let mut lines = vec![
                text(Role::Text, what),
                text(Role::Dim, "what failed or is in doubt is tried again, and nothing else"),
            ];
            lines.extend(calls(view, ask));
            lines.push(keys(&[("y", "retries"), COPIES, ("esc", "leaves")]));
            ("Retry?".into(), lines)
        }
        other => {
            let mut lines = calls(view, other);
            lines.push(keys(&[("y", "does it"), COPIES, ("esc", "leaves")]));
            (format!("Really {}?", other.word()), lines)
        }
    }
}

/// The exact calls, before they are made.
fn calls(view: &View<'_>, ask: &Ask) -> Vec<Line> {
    let calls = super::calls(view.ui, view.snapshot, ask);
    calls.lines().map(|call| text(Role::Dim, call)).collect()
}

fn reason(view: &View<'_>, action: Action, input: &str) -> (String, Vec<Line>) {
    let release = &view.snapshot.release;
    let (title, what) = match action {
        Action::Abort => (
            format!("Abort {}?", release.id),
            "it ends before any switch; what serves goes on serving".to_owned(),
        ),
        _ => (
            "Override the hold?".to_owned(),
            release.hold.as_ref().map_or_else(String::new, |held| held.hold.sentence()),
        ),
    };
    let mut lines = vec![text(Role::Text, what)];
    if let Some(Ok(ask)) = ask_of(action, view.snapshot) {
        lines.extend(calls(view, &ask));
    }
    let enter = if input.is_empty() { "(waits for a reason)" } else { "does it" };
    lines.extend([
        Line::Strip(Strip::of(Role::Text, " reason: ").put(Role::Input, format!("{input}_"))),
        keys(&[("enter", enter), COPIES, ("esc", "leaves")]),
    ]);
    (title, lines)
}
