//! The timeline: every record as a sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::report::words;
use crate::tui::draw::View;
use crate::tui::pen::{Strip, pane, row};
use crate::tui::theme::Role;
use crate::tui::timeline::{Entry, Weight};

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let timeline = &view.ui.timeline;
    let count = timeline.entries.len();
    let place =
        timeline.cursor.map_or("following".to_owned(), |at| format!("{} of {count}", at + 1));
    let title = Strip::of(Role::Focus, " Timeline ")
        .put(Role::Dim, format!(" {} ", words::plural(count as u64, "record")))
        .right(Role::Dim, format!(" {place} "));
    let inner = pane(buf, view.theme, area, &title, true);
    let height = usize::from(inner.height);
    let last = count.saturating_sub(1);
    let chosen = timeline.cursor.unwrap_or(last);
    let top = (chosen + height / 3 + 1).min(count).saturating_sub(height);
    let shown = timeline.entries.iter().enumerate().skip(top).take(height);
    for (at, (index, entry)) in shown.enumerate() {
        let line = row(inner, at);
        if timeline.cursor == Some(index) {
            buf.set_style(line.intersection(buf.area), view.theme.style(Role::Selected));
        }
        strip(entry, inner.width).draw(buf, view.theme, line);
    }
}

fn strip(entry: &Entry, columns: u16) -> Strip {
    let (glyph, role) = match entry.weight {
        Weight::Plain => ("·", Role::Text),
        Weight::Good => ("✔", Role::Done),
        Weight::Person => ("◆", Role::Strong),
        Weight::Bad => ("✖", Role::Failed),
    };
    let time = Strip::of(Role::Faint, format!(" {:>4} ", entry.seq))
        .put(Role::Dim, format!("{} ", words::utc(entry.at)))
        .put(role, format!("{glyph} "));
    let strip =
        if columns < 100 { time } else { time.put(Role::Dim, format!("{:<10.10} ", entry.who)) };
    strip.put(if role == Role::Done { Role::Text } else { role }, entry.text.as_str())
}
