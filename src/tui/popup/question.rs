//! Questions and small forms. Each shows what exactly will be done before it is done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Popup, centred};
use crate::release::{Ask, Backup, RestorePhase, Slot};
use crate::report::words;
use crate::tui::action::{Action, verified_backups};
use crate::tui::draw::View;
use crate::tui::pen::{Strip, raised, rows, wrap};
use crate::tui::theme::Role;

const COLUMNS: u16 = 78;

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>, popup: &Popup) {
    let (title, lines) = match popup {
        Popup::Confirm { ask, .. } => confirm(view, ask),
        Popup::CountDown { ask, ends_ms, .. } => count_down(view, ask, *ends_ms),
        Popup::Backups { at } => backups(view, *at),
        Popup::Typed { ask, word, input } => typed(view, ask, word, input),
        Popup::Reason { action, input } => reason(view, *action, input),
        _ => return,
    };
    let columns = usize::from(COLUMNS.min(area.width)).saturating_sub(4);
    let mut strips = Vec::new();
    for line in lines {
        match line {
            Line::Text(role, text) => {
                let text = wrap(&text, columns);
                strips.extend(text.iter().map(|text| Strip::of(role, format!(" {text}"))));
            }
            Line::Strip(strip) => strips.push(strip),
        }
    }
    let title = Strip::of(Role::Focus, format!(" {title} "));
    let place = centred(area, COLUMNS, strips.len() + 2);
    if place.height < 3 {
        // No room for a frame: the question itself is what counts.
        return title.draw(buf, view.theme, area);
    }
    let inner = raised(buf, view.theme, place, &title);
    // The keys stand last and must be seen.
    let over = strips.len().saturating_sub(usize::from(inner.height));
    if over > 0 {
        let from = strips.len() - 1 - over;
        strips.drain(from..strips.len() - 1);
    }
    rows(buf, view.theme, inner, &strips);
}

enum Line {
    Text(Role, String),
    Strip(Strip),
}

fn text(role: Role, text: impl Into<String>) -> Line {
    Line::Text(role, text.into())
}

fn keys(pairs: &[(&str, &str)]) -> Line {
    Line::Strip(pairs.iter().fold(Strip::of(Role::Text, " "), |strip, (key, what)| {
        strip.put(Role::Key, *key).put(Role::Dim, format!(" {what}   "))
    }))
}

fn confirm(view: &View<'_>, ask: &Ask) -> (String, Vec<Line>) {
    let rollout = &view.snapshot.release.rollout;
    match ask {
        Ask::Switch { to } => {
            let mut lines = moving(view, rollout.from, *to);
            lines.push(text(Role::Dim, undo_then(view)));
            lines.extend(calls(view, ask));
            lines.push(keys(&[("y", "counts down 3 s, then switches"), COPIES, ("esc", "leaves")]));
            (format!("Switch the traffic to {to}?"), lines)
        }
        Ask::RollBack { .. } => {
            let Some(to) = rollout.from else { return ("Roll back?".into(), Vec::new()) };
            let mut lines = moving(view, Some(to.other()), to);
            lines.extend(ways_back(view));
            lines.extend(calls(view, ask));
            lines.push(keys(&[("y", "rolls back at once"), COPIES, ("esc", "leaves")]));
            (format!("Roll back to {to}?"), lines)
        }
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

/// The key that copies the calls.
const COPIES: (&str, &str) = (super::COPY_KEY, "copies the call");

/// The exact calls, before they are made.
fn calls(view: &View<'_>, ask: &Ask) -> Vec<Line> {
    let calls = super::call::lines(ask, view.snapshot);
    calls.into_iter().map(|call| text(Role::Faint, call)).collect()
}

/// The exact change.
fn moving(view: &View<'_>, from: Option<Slot>, to: Slot) -> Vec<Line> {
    let release = &view.snapshot.release;
    let services = release.rollout.survey.iter().flat_map(|survey| &survey.services);
    let names: Vec<&str> = services.map(|service| service.service.as_str()).collect();
    let names = if names.is_empty() { "every Service".to_owned() } else { names.join(", ") };
    let from = from.map_or("nothing".to_owned(), |slot| format!("version={}", slot.label()));
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    vec![
        text(Role::Strong, format!("patches the selector of {names} in {environment}:")),
        text(Role::Strong, format!("  {from} → version={}", to.label())),
    ]
}

/// What the way back will be after a switch.
fn undo_then(view: &View<'_>) -> String {
    match view.snapshot.release.rollout.from {
        Some(from) => format!("{from} stays warm as the way back: B, then y"),
        None => "nothing served before: there is NO WAY BACK".to_owned(),
    }
}

/// Which way back fits which trouble: measured here, beside the target.
fn ways_back(view: &View<'_>) -> Vec<Line> {
    let took = view.snapshot.release.rollout.switch_took_ms;
    let switch = took.map_or("not measured".to_owned(), |ms| {
        format!("~{}", words::duration(ms.div_ceil(1000).max(1) * 1000))
    });
    let row = |trouble: &str, way: &str, target: &str, ours: &str| {
        text(Role::Dim, format!("{trouble:<28} {way:<18} {target:<7} {ours}"))
    };
    vec![
        text(Role::Dim, format!("{:<28} {:<18} {:<7} ours", "trouble", "way back", "target")),
        row("application bug, critical", "this rollback", "2 min", &switch),
        row("performance, high", "this rollback", "2 min", &switch),
        row("schema or data, critical", "database restore D", "15 min", &restore_took(view)),
    ]
}

/// How long a restore takes, as measured by this release.
fn restore_took(view: &View<'_>) -> String {
    let undo = words::undo(view.snapshot).unwrap_or_default();
    let part = undo.as_str().split(" | ").find_map(|part| part.strip_prefix("DB restore: "));
    part.and_then(|part| part.split(", ").next()).unwrap_or("not measured").to_owned()
}

fn count_down(view: &View<'_>, ask: &Ask, ends_ms: u64) -> (String, Vec<Line>) {
    let left_s = ends_ms.saturating_sub(view.ui.now_ms).div_ceil(1000);
    let what = match ask {
        Ask::Switch { to } => format!("Switching to {to} in {left_s} s"),
        other => format!("{} in {left_s} s", other.word()),
    };
    let lines = vec![
        text(Role::Strong, "any key cancels; nothing has been changed yet"),
        keys(&[("esc", "cancels")]),
    ];
    (what, lines)
}

fn backups(view: &View<'_>, at: usize) -> (String, Vec<Line>) {
    let backups = verified_backups(view.snapshot);
    let mut lines = vec![text(Role::Dim, "verified backups of this release, newest first")];
    for (index, backup) in backups.iter().enumerate() {
        let role = if index == at { Role::Selected } else { Role::Text };
        let cursor = if index == at { "▌" } else { " " };
        lines.push(Line::Strip(Strip::of(role, format!(" {cursor}{}", described(view, backup)))));
    }
    lines.push(keys(&[("j k", "choose"), ("enter", "goes on"), ("esc", "leaves")]));
    ("Restore the database from which backup?".into(), lines)
}

fn described(view: &View<'_>, backup: &Backup) -> String {
    let past = view.snapshot.now.wall_ms().saturating_sub(backup.taken_at.as_millisecond());
    let past = words::age(u64::try_from(past).unwrap_or(0));
    let (id, size, schema) = (&backup.id, words::bytes(backup.bytes), &backup.schema_version);
    format!("{id}  {size}, schema {schema}, loses {past} of writes")
}

fn typed(view: &View<'_>, ask: &Ask, word: &str, input: &str) -> (String, Vec<Line>) {
    use RestorePhase::{Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack};
    let phases = |phases: &[RestorePhase]| {
        let words: Vec<&str> = phases.iter().map(|phase| phase.words()).collect();
        words.join(" → ")
    };
    let mut lines = Vec::new();
    let title = if let Ask::Restore { backup } = ask {
        let known = view.snapshot.release.backups.iter().find(|known| &known.id == backup);
        if let Some(known) = known {
            lines.push(text(Role::Failed, described(view, known)));
        }
        let steps = phases(&[Aside, Fence, MeasureLoss, Swap, Reopen]);
        lines.push(text(Role::Text, steps));
        lines.push(text(Role::Dim, "the database of now is kept, and U swaps back to it"));
        format!("Restore the database to {backup}?")
    } else {
        lines.push(text(Role::Text, phases(&[Fence, SwapBack, Reopen])));
        "Undo the restore?".to_owned()
    };
    let fits = input == word;
    lines.push(Line::Strip(
        Strip::of(Role::Text, " type ")
            .put(Role::Strong, word)
            .put(Role::Text, " to go on: ")
            .put(Role::Input, format!("{input}_")),
    ));
    let enter = if fits { "does it" } else { "(waits for the word)" };
    lines.push(keys(&[("enter", enter), ("esc", "leaves")]));
    (title, lines)
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
    let lines = vec![
        text(Role::Text, what),
        Line::Strip(Strip::of(Role::Text, " reason: ").put(Role::Input, format!("{input}_"))),
        keys(&[
            ("enter", if input.is_empty() { "(waits for a reason)" } else { "does it" }),
            ("esc", "leaves"),
        ]),
    ];
    (title, lines)
}
