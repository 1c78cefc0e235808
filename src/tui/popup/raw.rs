//! A report as its tool wrote it, secrets masked, at the place of a finding.

use ratatui::layout::Rect;

use crate::release::Clean;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, broken, raised, row};
use crate::tui::theme::Role;

/// Columns before a line: its number and a rule.
const GUTTER: usize = 9;

pub(super) fn draw(
    drawing: &mut Drawing,
    area: Rect,
    view: &View<'_>,
    title: &Clean,
    lines: &[Clean],
    at: usize,
    top: usize,
) {
    let head = Strip::of(Role::Focus, format!(" {title} "))
        .right(Role::Dim, format!(" line {} of {} · j k, esc leaves ", top + 1, lines.len()));
    let inner = raised(drawing, view.theme, area, &head);
    let room = usize::from(inner.height);
    let columns = usize::from(inner.width).saturating_sub(GUTTER);
    let mut shown = 0;
    for (number, line) in lines.iter().enumerate().skip(top) {
        if shown >= room {
            break;
        }
        let role = if number == at { Role::Found } else { Role::Text };
        // A line that is too long goes on below: nothing here can be scrolled sideways.
        let line: String = line.as_str().chars().take(room * columns).collect();
        for (part, text) in broken(&line, columns).iter().take(room - shown).enumerate() {
            let gutter = if part == 0 { (number + 1).to_string() } else { String::new() };
            Strip::of(Role::Faint, format!("{gutter:>6} │ ")).put(role, text).draw(
                drawing,
                view.theme,
                row(inner, shown),
            );
            shown += 1;
        }
    }
}
