//! The ways back: which one fits which trouble, how long it may take and takes, what it loses,
//! and the exact patches of the quick one. `B` asks under it.

use ratatui::layout::Rect;

use super::{Screen, beyond, heading, sheet, told};
use crate::release::{Release, Slot};
use crate::report::words::{self, Trouble, Wrong};
use crate::tui::action::{Action, refused};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, wrap};
use crate::tui::popup;
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let release = &view.snapshot.release;
    let mut title = Strip::of(Role::Focus, " Ways back ");
    if let Some(at_ms) = release.rollout.switched_ms {
        let since = release.elapsed_ms(view.snapshot.now).saturating_sub(at_ms);
        let since = words::duration(since / 1000 * 1000);
        title = title.right(Role::Dim, format!(" switched {since} ago "));
    }
    sheet(drawing, area, view, &title, &lines(view, area));
}

/// Rows that do not fit.
pub(in crate::tui) fn overflow(view: &View<'_>, area: Rect) -> usize {
    beyond(lines(view, area).len(), area)
}

fn lines(view: &View<'_>, area: Rect) -> Vec<Strip> {
    let columns = usize::from(area.width.saturating_sub(2));
    let release = &view.snapshot.release;
    let wrong = words::wrong(release);
    let head = head(view, wrong.as_ref(), columns);
    let (matrix, patches) = (matrix(view, wrong.as_ref(), columns), patches(release, columns));
    let asked = popup::stands_on(view.ui) == Some(Screen::WayBack);
    let all = head.len() + matrix.len() + patches.len();
    // Who is asked whether to roll back reads the exact calls without scrolling.
    if asked && beyond(all, area) > 0 {
        return patches.into_iter().chain(head).chain(matrix).collect();
    }
    head.into_iter().chain(matrix).chain(patches).collect()
}

/// Which way back fits which trouble, and what it costs.
fn matrix(view: &View<'_>, wrong: Option<&Wrong>, columns: usize) -> Vec<Strip> {
    let mut lines = Vec::new();
    let ours = if columns < 76 { "" } else { "ours" };
    lines.push(Strip::of(
        Role::Dim,
        format!("   {:<15} {:<8} {:<20} {:>6}  {ours}", "trouble", "severity", "way", "within"),
    ));
    for trouble in Trouble::ALL {
        let applies = wrong.is_some_and(|wrong| wrong.trouble == trouble);
        lines.extend(matrix_row(view, trouble, applies, columns));
    }
    lines.push(Strip::new());
    lines.push(heading("What it costs"));
    for (head, trouble) in [("switch", Trouble::Application), ("database", Trouble::Schema)] {
        let text = words::price(view.snapshot, trouble);
        lines.extend(told(head, Role::Text, &text, columns));
    }
    lines.push(Strip::new());
    lines
}

/// What is wrong now, and how much of the target's time is left.
fn head(view: &View<'_>, wrong: Option<&Wrong>, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let Some(wrong) = wrong else {
        let text = if release.rollout.rolled_back_ms.is_some() {
            "the traffic is back; what remains is the cause"
        } else {
            "nothing that gonogo sees is wrong: choose by what you see"
        };
        return told("now", Role::Text, text, columns);
    };
    let past_ms = release.elapsed_ms(view.snapshot.now).saturating_sub(wrong.since_ms);
    let target_ms = wrong.trouble.target_s().saturating_mul(1000);
    let past = words::duration(past_ms / 1000 * 1000);
    let clock = if past_ms > target_ms {
        let over = words::duration((past_ms - target_ms) / 1000 * 1000);
        format!("seen {past} ago, {over} OVER the target")
    } else {
        let left = words::duration((target_ms - past_ms) / 1000 * 1000);
        format!("seen {past} ago, {left} left")
    };
    let mut lines = told("wrong now", Role::Failed, wrong.why.as_str(), columns);
    lines.extend(told("clock", Role::Warn, &clock, columns));
    lines
}

fn matrix_row(view: &View<'_>, trouble: Trouble, applies: bool, columns: usize) -> Vec<Strip> {
    let role = if applies { Role::Strong } else { Role::Text };
    let target = words::duration(trouble.target_s().saturating_mul(1000));
    let ours = words::ours(&view.snapshot.release, trouble);
    let key = trouble
        .ask()
        .and_then(Action::of_ask)
        .map(|action| (view.ui.keymap.key_of(action), refused(action, view.snapshot).is_none()));
    let mark = if applies { " ▶ " } else { "   " };
    let mut strip = Strip::of(if applies { Role::Failed } else { Role::Faint }, mark).put(
        role,
        format!(
            "{:<15} {:<8} {:<20} {target:>6}  ",
            trouble.words(),
            trouble.severity(),
            trouble.way()
        ),
    );
    let mut rows = Vec::new();
    if columns < 76 {
        rows.push(Strip::of(Role::Dim, format!("       ours: {ours}")));
    } else {
        strip = strip.put(role, &ours);
    }
    if let Some((key, open)) = key {
        strip = strip.right(if open { Role::Key } else { Role::Faint }, format!("{key} "));
    }
    rows.insert(0, strip);
    rows
}

/// What the quick way back sends.
fn patches(release: &Release, columns: usize) -> Vec<Strip> {
    let back = release.rollout.from.filter(|_| release.rollout.rolled_back_ms.is_none());
    let Some(to) = back else { return Vec::new() };
    // How many there are is said above the first, in case not all are in sight.
    let count = match words::switch_calls(release, to).len() {
        0 => String::new(),
        count => format!(": {}", words::plural(count as u64, "call")),
    };
    let mut lines = vec![heading(&format!("What B sends, back to {to}{count}"))];
    lines.extend(call_lines(release, to, columns));
    lines
}

/// The patches of a switch to a slot, as they will be sent.
pub(super) fn call_lines(release: &Release, to: Slot, columns: usize) -> Vec<Strip> {
    let calls = words::switch_calls(release, to);
    if calls.is_empty() {
        let text = "the Services are looked up when the card is drawn up";
        return vec![Strip::of(Role::Dim, format!(" {text}"))];
    }
    let mut lines = Vec::new();
    for call in &calls {
        let wrapped = wrap(call.as_str(), columns.saturating_sub(4)).into_iter().enumerate();
        let indent = |at: usize| if at == 0 { " " } else { "   " };
        lines.extend(
            wrapped.map(|(at, line)| Strip::of(Role::Text, indent(at)).put(Role::Text, line)),
        );
    }
    lines.extend(
        wrap(words::GUARDS, columns.saturating_sub(2))
            .iter()
            .map(|line| Strip::of(Role::Dim, format!(" {line}"))),
    );
    lines
}
