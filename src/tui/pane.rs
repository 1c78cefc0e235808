//! The parts of a screen, each drawn from the view and from nothing else.

pub(super) mod details;
pub(super) mod hints;
pub(super) mod levels;
pub(super) mod live;
pub(super) mod log;
pub(super) mod next;
pub(super) mod pods;
pub(super) mod rail;
pub(super) mod stages;
pub(super) mod top;
pub(super) mod undo;
pub(super) mod watch;

use super::draw::View;
use super::pen::Strip;
use super::theme::Role;
use super::ui::Pane;
use crate::report::words;

/// A title with the pane's number; reversed where the keys go.
fn title(view: &View<'_>, which: Pane, text: &str) -> Strip {
    let number = Pane::ALL.iter().position(|pane| *pane == which).map_or(0, |at| at + 1);
    let role = if view.ui.focus == which { Role::Focus } else { Role::Title };
    Strip::of(role, format!(" {number} {text} "))
}

/// Older than this a reading is drawn as stale, in milliseconds.
const STALE_MS: i64 = 45_000;

/// A reading's age: its words, and whether it is too old to be believed.
pub(super) fn age(view: &View<'_>, at_ms: Option<i64>) -> (String, bool) {
    let Some(at_ms) = at_ms else { return ("not seen yet".to_owned(), true) };
    let old_ms = view.snapshot.now.wall_ms().saturating_sub(at_ms);
    let text = words::age(u64::try_from(old_ms).unwrap_or(0));
    if old_ms > STALE_MS {
        (format!("STALE, {text} old"), true)
    } else {
        (format!("{text} ago"), false)
    }
}

/// Older than this is older than the watch lets a reading get while all is well, in milliseconds.
const LATE_MS: i64 = 30_000;

/// What stands beside a value that has got old: alone it would pass for the one of now.
pub(super) fn late(view: &View<'_>, at_ms: Option<i64>) -> Option<String> {
    let old_ms = view.snapshot.now.wall_ms().saturating_sub(at_ms?);
    let old = words::age(u64::try_from(old_ms).unwrap_or(0));
    (old_ms > LATE_MS).then(|| format!("{old} old"))
}

/// The age at the right end of a title.
pub(super) fn aged(strip: Strip, view: &View<'_>, at_ms: Option<i64>) -> Strip {
    let (text, stale) = age(view, at_ms);
    strip.right(if stale { Role::Stale } else { Role::Dim }, format!(" {text} "))
}
