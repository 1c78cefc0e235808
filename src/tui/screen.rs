//! Whole screens. Each file holds one: what it remembers, what keys do there, how it is drawn.
//!
//! A new screen is a file, a variant of [`Screen`], and an arm in each function here.

pub(super) mod findings;
pub(super) mod first_frame;
pub(super) mod gate;
pub(super) mod monitor;
pub(super) mod own_log;
pub(super) mod release;
pub(super) mod releases;
pub(super) mod restore;
pub(super) mod timeline;
pub(super) mod tiny;
pub(super) mod way_back;

use ratatui::layout::Rect;

use super::action::{Action, ask_of};
use super::draw::View;
use super::drawing::Drawing;
use super::keys::Mode;
use super::layout;
use super::list::List;
use super::on_key::Did;
use super::pen::{self, Strip, wrap};
use super::popup;
use super::theme::{Role, Theme};
use super::ui::{Ui, page_rows};
use crate::engine::handle::Snapshot;
use crate::report::words;

/// From so many columns on, a screen has its parts side by side.
const WIDE: u16 = 110;
/// Columns of the word before a told row.
const HEAD: usize = 12;

/// What fills the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Screen {
    #[default]
    Release,
    /// The decision card, and the vote.
    Gate,
    /// Both slots, the switch and the watch.
    Monitor,
    /// Which way back fits which trouble.
    WayBack,
    /// The database's way back.
    Restore,
    Timeline,
    Findings,
    Releases,
    /// What gonogo says of itself.
    OwnLog,
}

impl Screen {
    pub(super) const ALL: [Self; 9] = [
        Self::Release,
        Self::Gate,
        Self::Monitor,
        Self::WayBack,
        Self::Restore,
        Self::Timeline,
        Self::Findings,
        Self::Releases,
        Self::OwnLog,
    ];

    pub(super) fn mode(self) -> Mode {
        match self {
            Self::Release => Mode::Release,
            Self::Timeline => Mode::Timeline,
            Self::Findings => Mode::Findings,
            Self::Releases => Mode::Releases,
            Self::OwnLog => Mode::Log,
            // These have no keys of their own: what is pressed there is pressed anywhere.
            Self::Gate | Self::Monitor | Self::WayBack | Self::Restore => Mode::Everywhere,
        }
    }

    /// The action that leads here.
    pub(super) fn way(self) -> Action {
        match self {
            Self::Release => Action::GoRelease,
            Self::Gate => Action::GoGate,
            Self::Monitor => Action::GoMonitor,
            Self::WayBack => Action::GoWayBack,
            Self::Restore => Action::GoRestore,
            Self::Timeline => Action::GoTimeline,
            Self::Findings => Action::GoFindings,
            Self::Releases => Action::GoReleases,
            Self::OwnLog => Action::GoLog,
        }
    }

    /// Whether it shows what comes over the link to the engine.
    pub(super) fn is_of_the_engine(self) -> bool {
        !matches!(self, Self::Releases | Self::OwnLog)
    }
}

/// Where the rows of a list stand, and which is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) place: Rect,
    pub(super) top: usize,
    pub(super) count: usize,
}

/// Does on the shown screen what an action means there.
pub(super) fn act(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    match ui.screen {
        Screen::Release => release::act(ui, snapshot, action),
        Screen::Timeline => timeline::act(ui, snapshot, action),
        Screen::Findings => findings::act(ui, action),
        Screen::Releases => releases::act(ui, action),
        Screen::OwnLog => own_log::act(ui, action),
        Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore => {
            read(ui, snapshot, action)
        }
    }
}

/// Scrolls a screen that is only read, and copies the calls that stand on it.
fn read(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    let page = isize::try_from(page_rows(ui)).unwrap_or(isize::MAX);
    let by = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page,
        Action::PageDown => page,
        Action::Top => isize::MIN,
        Action::Bottom => isize::MAX,
        Action::Copy => return copy(ui, snapshot),
        _ => {
            ui.not_here(action);
            return Did::Nothing;
        }
    };
    scroll(ui, snapshot, by);
    Did::Nothing
}

/// Moves a screen that is only read by so many rows.
pub(super) fn scroll(ui: &mut Ui, snapshot: &Snapshot, by: isize) {
    ui.top = ui.top.saturating_add_signed(by).min(last_top(ui, snapshot));
}

/// The calls that the shown screen is about.
fn copy(ui: &mut Ui, snapshot: &Snapshot) -> Did {
    let act = match ui.screen {
        Screen::Monitor if !snapshot.release.is_switched() => Action::Switch,
        Screen::Monitor | Screen::WayBack => Action::RollBack,
        Screen::Restore => Action::Restore,
        _ => Action::Vote,
    };
    match ask_of(act, snapshot) {
        Some(Ok(ask)) => Did::Copy { what: "the call", text: popup::calls(ui, snapshot, &ask) },
        Some(Err(why)) => {
            ui.refuse(&why);
            Did::Nothing
        }
        None => Did::Nothing,
    }
}

/// Looks for what was typed after `/`.
pub(super) fn find(ui: &mut Ui, text: &str) -> Did {
    match ui.screen {
        Screen::Release => release::find(ui, text),
        Screen::Timeline => timeline::find(ui, text),
        Screen::Gate
        | Screen::Monitor
        | Screen::WayBack
        | Screen::Restore
        | Screen::Findings
        | Screen::Releases
        | Screen::OwnLog => Did::Nothing,
    }
}

/// Narrows the list while it is typed.
pub(super) fn filter(ui: &mut Ui, text: &str) {
    match ui.screen {
        Screen::Timeline => ui.timeline.filter(text),
        Screen::Findings => ui.findings.filter(text),
        Screen::Releases => ui.releases.filter(text),
        Screen::Release
        | Screen::Gate
        | Screen::Monitor
        | Screen::WayBack
        | Screen::Restore
        | Screen::OwnLog => {}
    }
}

/// The list of the shown screen, where it is one.
pub(super) fn list(ui: &mut Ui) -> Option<&mut List> {
    match ui.screen {
        Screen::Timeline => Some(&mut ui.timeline.list),
        Screen::Findings => Some(&mut ui.findings.list),
        Screen::Releases => Some(&mut ui.releases.list),
        Screen::Release
        | Screen::Gate
        | Screen::Monitor
        | Screen::WayBack
        | Screen::Restore
        | Screen::OwnLog => None,
    }
}

/// Where its rows are.
pub(super) fn rows(ui: &Ui, body: Rect) -> Rows {
    match ui.screen {
        Screen::Timeline => ui.timeline.rows(body),
        Screen::Findings => ui.findings.list_rows(body),
        Screen::Releases => ui.releases.rows(body),
        Screen::Release
        | Screen::Gate
        | Screen::Monitor
        | Screen::WayBack
        | Screen::Restore
        | Screen::OwnLog => Rows::default(),
    }
}

/// Draws a screen: the one that was gone to, or that the open question stands under.
pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, screen: Screen) {
    match screen {
        Screen::Release => release::draw(drawing, area, view),
        Screen::Gate => gate::draw(drawing, area, view),
        Screen::Monitor => monitor::draw(drawing, area, view),
        Screen::WayBack => way_back::draw(drawing, area, view),
        Screen::Restore => restore::draw(drawing, area, view),
        Screen::Timeline => timeline::draw(drawing, area, view),
        Screen::Findings => findings::draw(drawing, area, view),
        Screen::Releases => releases::draw(drawing, area, view),
        Screen::OwnLog => own_log::draw(drawing, area, view),
    }
}

/// The last row that can stand at the top of the screen that is shown.
pub(super) fn last_top(ui: &Ui, snapshot: &Snapshot) -> usize {
    let frame = Rect::new(0, 0, ui.size.0, ui.size.1);
    if layout::is_tiny(frame) {
        return 0;
    }
    // Rows are counted, not drawn: a theme without styles will do.
    let theme = Theme::default();
    let pods = ui.pods.of(&snapshot.live, ui.size.1);
    let view = View { snapshot, ui, theme: &theme, next: words::Next::default(), pods };
    let body = layout::body(frame, snapshot, ui);
    let form = popup::form(&view).map_or(0, |form| form.rows(body.width));
    let (area, _) = layout::with_form(body, form);
    match popup::stands_on(ui).unwrap_or(ui.screen) {
        Screen::Gate => gate::overflow(&view, area),
        Screen::Monitor => monitor::overflow(&view, area),
        Screen::WayBack => way_back::overflow(&view, area),
        Screen::Restore => restore::overflow(&view, area),
        Screen::Release
        | Screen::Timeline
        | Screen::Findings
        | Screen::Releases
        | Screen::OwnLog => 0,
    }
}

/// The place within a frame of one cell.
fn within(area: Rect) -> Rect {
    let (x, y) = (area.x.saturating_add(1), area.y.saturating_add(1));
    Rect { x, y, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}

/// A list and, where there is room beside it (from `wide` columns on) or below it, what is known
/// about the chosen row.
fn split(area: Rect, wide: u16, detail: bool) -> (Rect, Rect) {
    if area.width >= wide {
        // Neighbours share their edge.
        let right = area.width * 2 / 5;
        let left = Rect { width: area.width - right + 1, ..area };
        (left, Rect { x: area.right() - right, width: right, ..area })
    } else if detail {
        let lower = area.height / 2;
        let upper = Rect { height: area.height - lower + 1, ..area };
        (upper, Rect { y: area.bottom() - lower, height: lower, ..area })
    } else {
        (area, Rect::default())
    }
}

/// How many of so many rows do not fit into a frame.
fn beyond(rows: usize, area: Rect) -> usize {
    rows.saturating_sub(usize::from(area.height.saturating_sub(2)))
}

/// A frame with rows that can be scrolled, and how many are below.
fn sheet(drawing: &mut Drawing, area: Rect, view: &View<'_>, title: &Strip, lines: &[Strip]) {
    if area.height < 2 {
        return;
    }
    let inner = pen::pane(drawing, view.theme, area, title, true);
    let last = beyond(lines.len(), area);
    let top = view.ui.top.min(last);
    pen::rows(drawing, view.theme, inner, lines.get(top..).unwrap_or(&[]));
    if top < last {
        // Under an open form letters are for its answer.
        let key = if popup::stands_on(view.ui).is_some() { "↓" } else { "j" };
        let below = format!(" {} more: {key} ", last - top);
        let edge = pen::row(area, usize::from(area.height) - 1);
        let edge = Rect { width: edge.width.saturating_sub(2), ..edge };
        Strip::new().right(Role::Key, below).draw(drawing, view.theme, edge);
    }
}

/// A word and what it tells, in as many rows as that takes.
fn told(head: &str, role: Role, text: &str, columns: usize) -> Vec<Strip> {
    let text = wrap(text, columns.saturating_sub(HEAD + 2));
    let head = |at: usize| if at == 0 { format!(" {head:<HEAD$}") } else { " ".repeat(HEAD + 1) };
    let strip = |(at, line): (usize, &String)| Strip::of(Role::Dim, head(at)).put(role, line);
    text.iter().enumerate().map(strip).collect()
}

/// A heading between rows.
fn heading(text: &str) -> Strip {
    Strip::of(Role::Title, format!(" {text}"))
}
