//! Forms that stand under the screen they are decided on: the vote, the switch, the way back, the
//! restore. Each says what exactly will be done by which key, and that nothing is done yet.

use ratatui::layout::Rect;

use super::{COPY_KEY, Popup, Wizard, wizard};
use crate::release::{Ask, Clean, Release, Slot, Vote};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, raised, rows, wrap};
use crate::tui::screen::Screen;
use crate::tui::theme::Role;
use crate::tui::ui::Ui;

/// A form, ready to be drawn.
pub(in crate::tui) struct Form {
    pub(super) title: Strip,
    pub(super) lines: Vec<Line>,
}

/// A row of a form, or text or keys that wrap into some.
pub(super) enum Line {
    Text(Role, String),
    Strip(Strip),
    /// Keys with what each does; they stand last.
    Keys(Vec<Strip>),
}

pub(super) fn text(role: Role, text: impl Into<String>) -> Line {
    Line::Text(role, text.into())
}

pub(super) fn keys(pairs: &[(&str, &str)]) -> Line {
    let key =
        |(key, what): &(&str, &str)| Strip::of(Role::Key, key).put(Role::Dim, format!(" {what}"));
    Line::Keys(pairs.iter().map(key).collect())
}

/// The key that copies the calls.
pub(super) const COPIES: (&str, &str) = (COPY_KEY, "copies");

/// The rows of a form, and how many of them the last line takes.
pub(super) fn strips(lines: &[Line], columns: usize) -> (Vec<Strip>, usize) {
    let (mut strips, mut tail) = (Vec::new(), 0);
    for line in lines {
        let before = strips.len();
        match line {
            Line::Text(role, text) => {
                let text = wrap(text, columns.saturating_sub(2));
                strips.extend(text.iter().map(|text| Strip::of(*role, format!(" {text}"))));
            }
            Line::Strip(strip) => strips.push(strip.clone()),
            Line::Keys(keys) => strips.extend(key_rows(keys, columns)),
        }
        tail = strips.len() - before;
    }
    (strips, tail)
}

/// Keys beside each other, in as many rows as it takes to read every one of them whole.
fn key_rows(keys: &[Strip], columns: usize) -> Vec<Strip> {
    let mut rows = Vec::new();
    let mut row = Strip::of(Role::Text, " ");
    for key in keys {
        let between = if row.width() > 1 { "   " } else { "" };
        if row.width() + between.len() + key.width() > columns && row.width() > 1 {
            rows.push(std::mem::replace(&mut row, Strip::of(Role::Text, " ").join(key)));
        } else {
            row = row.put(Role::Text, between).join(key);
        }
    }
    rows.push(row);
    rows
}

/// The last rows, the keys, must be seen: what does not fit is left out above them.
pub(super) fn fitted((mut strips, tail): (Vec<Strip>, usize), height: u16) -> Vec<Strip> {
    let over = strips.len().saturating_sub(usize::from(height));
    if over > 0 {
        let to = strips.len().saturating_sub(tail);
        strips.drain(to.saturating_sub(over)..to);
    }
    strips
}

impl Form {
    fn new(title: &str, lines: Vec<Line>) -> Self {
        Self { title: Strip::of(Role::Focus, format!(" {title} ")), lines }
    }

    /// Rows it takes in a frame of so many columns, the frame's own not counted.
    pub(in crate::tui) fn rows(&self, columns: u16) -> usize {
        strips(&self.lines, usize::from(columns.saturating_sub(2))).0.len()
    }

    pub(in crate::tui) fn draw(&self, drawing: &mut Drawing, area: Rect, view: &View<'_>) {
        let strips = strips(&self.lines, usize::from(area.width.saturating_sub(2)));
        if area.height < 3 {
            // No room for a frame: the question itself is what counts.
            return self.title.draw(drawing, view.theme, area);
        }
        let inner = raised(drawing, view.theme, area, &self.title);
        rows(drawing, view.theme, inner, &fitted(strips, inner.height));
    }
}

/// The screen that the open popup is decided on; none for one that stands over any screen.
pub(in crate::tui) fn stands_on(ui: &Ui) -> Option<Screen> {
    under(ui.popup.as_ref()?)
}

pub(super) fn under(popup: &Popup) -> Option<Screen> {
    match popup {
        Popup::Vote { .. } => Some(Screen::Gate),
        Popup::Restore(_) => Some(Screen::Restore),
        Popup::Confirm { ask, .. } | Popup::CountDown { ask, .. } => match ask {
            Ask::Switch { .. } => Some(Screen::Monitor),
            Ask::RollBack { .. } => Some(Screen::WayBack),
            _ => None,
        },
        Popup::Help { .. }
        | Popup::Debrief { .. }
        | Popup::Palette { .. }
        | Popup::Reason { .. }
        | Popup::Waive(_)
        | Popup::Policy(_)
        | Popup::Raw { .. }
        | Popup::Filter(_)
        | Popup::Line { .. } => None,
    }
}

/// The form of the open popup, where it stands under a screen.
pub(in crate::tui) fn form(view: &View<'_>) -> Option<Form> {
    stands_on(view.ui)?;
    match view.ui.popup.as_ref()? {
        Popup::Vote { choice, input, .. } => Some(vote(view, *choice, input)),
        Popup::Confirm { ask, .. } => Some(confirm(view, ask)),
        Popup::CountDown { ask, ends_ms, .. } => Some(count_down(view, ask, *ends_ms)),
        Popup::Restore(wizard) => Some(restore(view, wizard)),
        _ => None,
    }
}

fn vote(view: &View<'_>, choice: Option<Vote>, input: &str) -> Form {
    let gate = view.snapshot.release.gate.as_ref();
    let digest = gate.map_or(String::new(), |gate| format!(" on card {}", gate.digest.short()));
    let Some(vote) = choice else {
        let armed = view.ui.is_armed();
        let (key, word) =
            if armed { (Role::Key, Role::Strong) } else { (Role::Faint, Role::Faint) };
        let mut go = Strip::of(key, "g").put(word, " GO");
        if !armed {
            go = go.put(Role::Warn, " (press ! to arm first)");
        }
        let other = |key: &str, what: &str| Strip::of(Role::Key, key).put(Role::Strong, what);
        let keys = vec![
            go,
            other("n", " NO-GO, ends the release"),
            other("d", " not now"),
            Strip::of(Role::Dim, "esc leaves"),
        ];
        return Form::new(&format!("Your vote{digest}"), vec![Line::Keys(keys)]);
    };
    let (title, what) = match vote {
        Vote::Approve => ("GO", "comment"),
        Vote::Reject => ("NO-GO, ends the release", "why"),
        Vote::Defer => ("Not now", "until when, or why"),
    };
    let ask = super::vote_ask(vote, input);
    let lines = vec![
        Line::Strip(
            Strip::of(Role::Strong, format!(" {what}: ")).put(Role::Input, format!("{input}_")),
        ),
        text(Role::Dim, super::calls(view.ui, view.snapshot, &ask)),
        keys(&[("enter", "votes"), COPIES, ("esc", "leaves, nothing is recorded")]),
    ];
    Form::new(&format!("{title}{digest}"), lines)
}

fn confirm(view: &View<'_>, ask: &Ask) -> Form {
    let release = &view.snapshot.release;
    if let Ask::Switch { to } = ask {
        let back = match release.rollout.from {
            Some(from) => format!("{from} stays warm as the way back: B, then y"),
            None => "nothing served before: there is NO WAY BACK".to_owned(),
        };
        let lines = vec![
            text(Role::Strong, moving(release, release.rollout.from, *to)),
            text(Role::Text, back),
            keys(&[("y", "counts down 3 s, switches"), COPIES, ("esc", "leaves")]),
        ];
        return Form::new(&format!("Switch the traffic to {to}?"), lines);
    }
    let Some(to) = release.rollout.from else { return Form::new("Roll back?", Vec::new()) };
    let lines = vec![
        text(Role::Strong, moving(release, Some(to.other()), to)),
        keys(&[("y", "rolls back at once"), COPIES, ("esc", "leaves")]),
    ];
    Form::new(&format!("Roll back to {to}?"), lines)
}

/// The exact change in one sentence; the patches stand above it.
fn moving(release: &Release, from: Option<Slot>, to: Slot) -> String {
    words::moving(release, from, to).join(": ")
}

fn count_down(view: &View<'_>, ask: &Ask, ends_ms: u64) -> Form {
    let left_s = ends_ms.saturating_sub(view.ui.now_ms).div_ceil(1000);
    let title = match ask {
        Ask::Switch { to } => format!("Switching to {to} in {left_s} s"),
        other => format!("{} in {left_s} s", other.word()),
    };
    let lines = vec![
        text(Role::Strong, "any key cancels; nothing has been changed yet"),
        keys(&[("esc", "cancels")]),
    ];
    Form::new(&title, lines)
}

fn restore(view: &View<'_>, wizard: &Wizard) -> Form {
    let title = wizard.path();
    let lines = match wizard.step {
        wizard::Step::Backup => {
            vec![keys(&[("j k", "choose"), ("enter", "what it loses"), ("esc", "leaves")])]
        }
        wizard::Step::Loss => {
            vec![keys(&[("enter", "the exact calls"), ("backspace", "back"), ("esc", "leaves")])]
        }
        wizard::Step::Calls => vec![keys(&[
            ("enter", "confirm"),
            ("j k", "scroll"),
            COPIES,
            ("backspace", "back"),
            ("esc", "leaves"),
        ])],
        wizard::Step::Word => typed(view, wizard),
    };
    Form { title, lines }
}

fn typed(view: &View<'_>, wizard: &Wizard) -> Vec<Line> {
    let what = match (wizard.undo, wizard.chosen(view.snapshot)) {
        (true, _) => Clean::new("swaps the database back to what it was before the restore"),
        (false, Some(backup)) => {
            let past = view.snapshot.now.wall_ms() - backup.taken_at.as_millisecond();
            let past = words::duration(u64::try_from(past).unwrap_or(0) / 1000 * 1000);
            let id = &backup.id;
            Clean::new(&format!("replaces the database by {id}: loses {past} of writes"))
        }
        (false, None) => Clean::new("that backup is not there any more"),
    };
    let word = &wizard.word;
    let enter = if wizard.fits() { "starts it now" } else { "(waits for the word)" };
    vec![
        text(Role::Failed, what.as_str()),
        Line::Strip(
            Strip::of(Role::Text, " type ")
                .put(Role::Strong, word)
                .put(Role::Text, " to go on: ")
                .put(Role::Input, format!("{}_", wizard.input)),
        ),
        keys(&[("enter", enter), ("backspace", "back"), ("esc", "leaves")]),
    ]
}
