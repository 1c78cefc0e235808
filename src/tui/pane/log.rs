//! The log of the chosen step: only the lines of the window are ever built.

use std::borrow::Cow;

use ratatui::layout::Rect;

use super::title;
use crate::engine::handle::{LogLine, Stream};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark::clock;
use crate::tui::pen::{Strip, pane, row, rows, wrap};
use crate::tui::theme::Role;
use crate::tui::timeline::Weight;
use crate::tui::ui::Pane;

/// Columns before the text: the time and the gutter that foreign text stays behind (T2).
const GUTTER: usize = 8;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let log = &view.ui.log;
    let name = log.key.as_ref().map_or("no step yet".to_owned(), ToString::to_string);
    let mut head = title(view, Pane::Log, &format!("Log  {name}"));
    let progress =
        log.key.as_ref().and_then(|key| view.snapshot.live.progress.get(&key.to_string()));
    if let Some(progress) = progress.filter(|_| area.width >= 60) {
        let share = match (progress.done, progress.total) {
            (Some(done), Some(total)) => format!(" {done}/{total}"),
            _ => String::new(),
        };
        head = head.put(Role::Running, format!(" ◐ {}{share} ", progress.text));
    }
    let head = if log.follow {
        head.right(Role::Done, " following ")
    } else {
        let at = log.page.first + log.page.lines.len();
        head.right(Role::Dim, format!(" {at} of {} ", log.page.total))
    };
    let inner = pane(drawing, view.theme, area, &head, true);
    let height = usize::from(inner.height);
    let columns = usize::from(inner.width);
    if let Some(error) = &log.error {
        return Strip::of(Role::Failed, error.as_str()).draw(drawing, view.theme, inner);
    }
    let mut strips = Vec::new();
    for (at, line) in log.page.lines.iter().enumerate() {
        strips.extend(strips_of(view, line, log.page.first + at, columns));
    }
    // Wrapped lines take more rows than there are: the end counts while following.
    let over = if log.follow { strips.len().saturating_sub(height) } else { 0 };
    for (at, strip) in strips.iter().skip(over).take(height).enumerate() {
        strip.draw(drawing, view.theme, row(inner, at));
    }
    if strips.is_empty() {
        instead(drawing, inner, view);
    }
}

/// A step that writes no log: what happened last is more than an empty pane.
fn instead(drawing: &mut Drawing, inner: Rect, view: &View<'_>) {
    let mut strips = vec![Strip::of(Role::Faint, " no lines; what happened last:")];
    let entries = &view.ui.timeline.entries;
    let room = usize::from(inner.height).saturating_sub(1);
    let columns = usize::from(inner.width).saturating_sub(14);
    let mut last: Vec<Strip> = Vec::new();
    for entry in entries.iter().rev() {
        let (glyph, worn) = match entry.weight {
            Weight::Plain => (" ", Role::Faint),
            Weight::Good => ("✔", Role::Done),
            Weight::Person => ("◆", Role::Gate),
            Weight::Bad => ("✖", Role::Failed),
        };
        let mut lines: Vec<Strip> = Vec::new();
        for (at, line) in wrap(entry.text.as_str(), columns).iter().enumerate() {
            let time = if at == 0 { words::utc(entry.at) } else { String::new() };
            let glyph = if at == 0 { glyph } else { " " };
            let strip = Strip::of(Role::Faint, format!(" {time:<10}"));
            lines.push(strip.put(worn, format!("{glyph} ")).put(Role::Text, line));
        }
        if last.len() + lines.len() > room {
            break;
        }
        last.extend(lines.into_iter().rev());
    }
    strips.extend(last.into_iter().rev());
    rows(drawing, view.theme, inner, &strips);
}

fn strips_of(view: &View<'_>, line: &LogLine, at: usize, columns: usize) -> Vec<Strip> {
    let log = &view.ui.log;
    let (gutter, gutter_role, role) = match line.stream {
        Stream::Stdout => ("│", Role::Faint, Role::Text),
        Stream::Stderr => ("┃", Role::Warn, Role::Text),
        Stream::Note => ("·", Role::Dim, Role::Dim),
    };
    let found = log.found == Some(at);
    let time = format!("{:>6} ", clock(line.at_ms));
    let room = columns.saturating_sub(GUTTER + 1);
    let text = line.text.as_str();
    let texts: Vec<Cow<'_, str>> = if log.wrap {
        wrap(text, room).into_iter().map(Cow::Owned).collect()
    } else {
        vec![Cow::Borrowed(part(text, log.left, room + 1))]
    };
    let mut strips = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let time = if index == 0 { time.as_str() } else { "       " };
        let strip = Strip::of(if found { Role::Found } else { Role::Faint }, time)
            .put(gutter_role, gutter)
            .put(role, " ");
        strips.push(marked(strip, role, text, log.needle.as_deref()));
    }
    strips
}

/// So many characters of a text, after those that were scrolled past.
fn part(text: &str, skip: usize, count: usize) -> &str {
    let place = |text: &str, count| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let text = &text[place(text, skip)..];
    &text[..place(text, count)]
}

/// The text with what was searched for marked.
fn marked(mut strip: Strip, role: Role, text: &str, needle: Option<&str>) -> Strip {
    let mut rest = text;
    while let Some(needle) = needle.filter(|needle| !needle.is_empty()) {
        let Some(at) = rest.find(needle) else { break };
        strip = strip.put(role, &rest[..at]).put(Role::Found, needle);
        rest = &rest[at + needle.len()..];
    }
    strip.put(role, rest)
}
