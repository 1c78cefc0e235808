//! A report as its tool wrote it, secrets masked, at the place of a finding.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::release::Clean;
use crate::tui::draw::View;
use crate::tui::pen::{Strip, raised, row};
use crate::tui::theme::Role;

pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    view: &View<'_>,
    title: &Clean,
    lines: &[Clean],
    at: usize,
    top: usize,
) {
    let head = Strip::of(Role::Focus, format!(" {title} ")).right(
        Role::Dim,
        format!(" line {} of {} · j k scroll, esc leaves ", top + 1, lines.len()),
    );
    let inner = raised(buf, view.theme, area, &head);
    for (number, line) in lines.iter().skip(top).take(usize::from(inner.height)).enumerate() {
        let here = top + number == at;
        let text = if here { Role::Found } else { Role::Text };
        Strip::of(Role::Faint, format!("{:>6} │ ", top + number + 1))
            .put(text, line.as_str())
            .draw(buf, view.theme, row(inner, number));
    }
}
