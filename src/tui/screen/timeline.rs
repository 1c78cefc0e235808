//! The timeline: every record as a sentence, and what stands behind the chosen one.

use ratatui::layout::Rect;

use super::{Rows, split, within};
use crate::engine::handle::Snapshot;
use crate::release::{Clean, Via};
use crate::report::words;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::on_key::Did;
use crate::tui::pen::{Strip, pane, row, rows, wrap};
use crate::tui::theme::Role;
use crate::tui::timeline::{Entry, Timeline, Weight};
use crate::tui::ui::{Ui, page_rows};

/// Sentences need their width: only from here on is there room for more beside them.
const WIDE: u16 = 160;

pub(in crate::tui) fn act(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    let (count, page) = (ui.timeline.shown.len(), page_rows(ui));
    if ui.timeline.list.moved(action, count, page) {
        return Did::Nothing;
    }
    let found = match action {
        Action::FindNext => ui.timeline.search(true),
        Action::FindPrevious => ui.timeline.search(false),
        Action::Times => {
            ui.timeline.ages = !ui.timeline.ages;
            Ok(())
        }
        Action::Follow => {
            ui.timeline.list.cursor = None;
            Ok(())
        }
        Action::Open => {
            jump(ui, snapshot);
            Ok(())
        }
        Action::Copy => return copy(ui),
        _ => {
            ui.not_here(action);
            Ok(())
        }
    };
    if let Err(why) = found {
        ui.refuse(&why);
    }
    Did::Nothing
}

pub(in crate::tui) fn find(ui: &mut Ui, text: &str) -> Did {
    text.clone_into(&mut ui.timeline.needle);
    // Who follows looks back from the newest.
    let following = ui.timeline.list.cursor.is_none();
    if let Err(why) = ui.timeline.search(!following) {
        ui.refuse(&why);
    }
    Did::Nothing
}

/// To the log of the step that the record speaks of.
fn jump(ui: &mut Ui, snapshot: &Snapshot) {
    use crate::release::Event::{StepEnded, StepSkipped, StepStarted};
    let chosen = ui.timeline.chosen().map(|entry| entry.seq);
    let record = snapshot.records.iter().find(|record| Some(record.seq) == chosen);
    match record.map(|record| &record.event) {
        Some(StepStarted { step } | StepEnded { step, .. } | StepSkipped { step, .. }) => {
            ui.show_log_of(step.clone());
        }
        _ => ui.refuse(&Clean::new("only the records of steps lead to a log")),
    }
}

fn copy(ui: &mut Ui) -> Did {
    let Some(entry) = ui.timeline.chosen() else { return Did::Nothing };
    let text = format!("{}  {}  {}  {}", entry.at, entry.seq, entry.who, entry.text);
    Did::Copy { what: "the record", text }
}

impl Timeline {
    pub(in crate::tui) fn rows(&self, body: Rect) -> Rows {
        let place = within(split(body, WIDE, false).0);
        let count = self.shown.len();
        Rows { place, top: self.list.top(count, usize::from(place.height)), count }
    }
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let timeline = &view.ui.timeline;
    let (left, right) = split(area, WIDE, false);
    let count = timeline.shown.len();
    let place = match timeline.list.cursor {
        None => "following".to_owned(),
        Some(_) => format!("{} of {count}", timeline.list.at(count) + 1),
    };
    let mut title = Strip::of(Role::Focus, " Timeline ")
        .put(Role::Dim, format!(" {} ", words::plural(timeline.entries.len() as u64, "record")));
    if !timeline.list.filter.is_empty() {
        title = title.put(Role::Warn, format!(" only {} ", timeline.list.filter.text()));
    }
    let title = chain(title, timeline).right(Role::Dim, format!(" {place} "));
    let inner = pane(drawing, view.theme, left, &title, true);
    let shown = timeline.rows(area);
    let chosen = timeline.list.at(count);
    for at in 0..usize::from(inner.height) {
        let index = shown.top + at;
        let entry = timeline.shown.get(index).and_then(|at| timeline.entries.get(*at));
        let Some(entry) = entry else { break };
        let line = row(inner, at);
        if index == chosen {
            drawing.wash(line, view.theme.style(Role::Selected));
        }
        strip(view, entry, inner.width).draw(drawing, view.theme, line);
    }
    if count == 0 {
        let nothing = if timeline.entries.is_empty() { " no records yet" } else { " none matches" };
        Strip::of(Role::Dim, nothing).draw(drawing, view.theme, inner);
    }
    if !right.is_empty() {
        detail(drawing, right, view);
    }
}

/// Whether the records hang together, as far as can be seen from here.
fn chain(title: Strip, timeline: &Timeline) -> Strip {
    let chain = &timeline.chain;
    match chain.breaks_at {
        Some(seq) => title.put(Role::Failed, format!(" ✖ chain breaks at record {seq} ")),
        None if chain.checked() < 2 => title,
        None => title.put(Role::Done, format!(" ✔ chain of {} ", chain.checked())),
    }
}

fn strip(view: &View<'_>, entry: &Entry, columns: u16) -> Strip {
    let (glyph, role) = match entry.weight {
        Weight::Plain => ("·", Role::Text),
        Weight::Good => ("✔", Role::Done),
        Weight::Person => ("◆", Role::Strong),
        Weight::Bad => ("✖", Role::Failed),
    };
    let time = if view.ui.timeline.ages {
        let past = view.snapshot.now.wall_ms().saturating_sub(entry.at.as_millisecond());
        let past = words::age(u64::try_from(past).unwrap_or(0));
        format!("{:>11} ", format!("{past} ago"))
    } else {
        format!("{} ", words::utc(entry.at))
    };
    let time = Strip::of(Role::Faint, format!(" {:>4} ", entry.seq))
        .put(Role::Dim, time)
        .put(role, format!("{glyph} "));
    let strip =
        if columns < 90 { time } else { time.put(Role::Dim, format!("{:<10.10} ", entry.who)) };
    let role = if role == Role::Done { Role::Text } else { role };
    let needle = &view.ui.timeline.needle;
    marked(strip, role, entry.text.as_str(), needle)
}

/// The text with the first place of what was searched for marked.
fn marked(strip: Strip, role: Role, text: &str, needle: &str) -> Strip {
    // Lower case may have other lengths; then nothing is marked rather than the wrong place.
    let place = (!needle.is_empty()).then(|| text.to_lowercase().find(&needle.to_lowercase()));
    let parts = place.flatten().and_then(|at| {
        let end = at + needle.len();
        Some((text.get(..at)?, text.get(at..end)?, text.get(end..)?))
    });
    match parts {
        Some((before, hit, after)) => {
            strip.put(role, before).put(Role::Found, hit).put(role, after)
        }
        None => strip.put(role, text),
    }
}

fn detail(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let chosen = view.ui.timeline.chosen();
    let record = chosen.and_then(|entry| {
        let at = usize::try_from(entry.seq.0).ok()?;
        let records = &view.snapshot.records;
        let exact = records.get(at).filter(|record| record.seq == entry.seq);
        exact.or_else(|| records.iter().find(|record| record.seq == entry.seq))
    });
    let name = chosen.map_or("no record".to_owned(), |entry| format!("Record {}", entry.seq));
    let title = Strip::of(Role::Title, format!(" {name} "));
    let inner = pane(drawing, view.theme, area, &title, true);
    let (Some(entry), Some(record)) = (chosen, record) else { return };
    let columns = usize::from(inner.width).saturating_sub(2);
    let mut strips: Vec<Strip> = wrap(entry.text.as_str(), columns)
        .iter()
        .map(|line| Strip::of(Role::Strong, format!(" {line}")))
        .collect();
    let via = match record.by.via {
        Via::Cockpit => "in a cockpit",
        Via::Shell => "from a shell",
        Via::Script => "by a script",
        Via::Engine => "gonogo itself",
    };
    let signed = record.by.key.as_ref().map_or("unsigned".to_owned(), |key| format!("key {key}"));
    let mut fact = |name: &str, value: &str| {
        strips.push(Strip::of(Role::Dim, format!(" {name:<9}")).put(Role::Text, value));
    };
    fact("", "");
    fact("kind", entry.kind);
    fact("at", &record.at_wall.to_string());
    fact("by", &format!("{}, {via}, {signed}", record.by.person));
    fact("epoch", &record.epoch.to_string());
    fact("follows", record.prev.as_str());
    if let Some(digest) = crate::engine::handle::chain_digest(record) {
        fact("this", digest.as_str());
    }
    rows(drawing, view.theme, inner, &strips);
}
