//! Whole screens. Each file holds one: what it remembers, what keys do there, how it is drawn.
//!
//! A new screen is a file, a variant of [`Screen`], and an arm in each function here.

pub(super) mod findings;
pub(super) mod first_frame;
pub(super) mod own_log;
pub(super) mod release;
pub(super) mod releases;
pub(super) mod timeline;
pub(super) mod tiny;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Action;
use super::draw::View;
use super::keys::Mode;
use super::list::List;
use super::on_key::Did;
use super::ui::Ui;
use crate::engine::handle::Snapshot;

/// What fills the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Screen {
    #[default]
    Release,
    Timeline,
    Findings,
    Releases,
    /// What gonogo says of itself.
    OwnLog,
}

impl Screen {
    pub(super) fn mode(self) -> Mode {
        match self {
            Self::Release => Mode::Release,
            Self::Timeline => Mode::Timeline,
            Self::Findings => Mode::Findings,
            Self::Releases => Mode::Releases,
            Self::OwnLog => Mode::Log,
        }
    }

    /// The action that leads here.
    pub(super) fn way(self) -> Action {
        match self {
            Self::Release => Action::GoRelease,
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
    }
}

/// Looks for what was typed after `/`.
pub(super) fn find(ui: &mut Ui, text: &str) -> Did {
    match ui.screen {
        Screen::Release => release::find(ui, text),
        Screen::Timeline => timeline::find(ui, text),
        Screen::Findings | Screen::Releases | Screen::OwnLog => Did::Nothing,
    }
}

/// Narrows the list while it is typed.
pub(super) fn filter(ui: &mut Ui, text: &str) {
    match ui.screen {
        Screen::Timeline => ui.timeline.filter(text),
        Screen::Findings => ui.findings.filter(text),
        Screen::Releases => ui.releases.filter(text),
        Screen::Release | Screen::OwnLog => {}
    }
}

/// The list of the shown screen, where it is one.
pub(super) fn list(ui: &mut Ui) -> Option<&mut List> {
    match ui.screen {
        Screen::Timeline => Some(&mut ui.timeline.list),
        Screen::Findings => Some(&mut ui.findings.list),
        Screen::Releases => Some(&mut ui.releases.list),
        Screen::Release | Screen::OwnLog => None,
    }
}

/// Where its rows are.
pub(super) fn rows(ui: &Ui, body: Rect) -> Rows {
    match ui.screen {
        Screen::Timeline => ui.timeline.rows(body),
        Screen::Findings => ui.findings.rows(body),
        Screen::Releases => ui.releases.rows(body),
        Screen::Release | Screen::OwnLog => Rows::default(),
    }
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    match view.ui.screen {
        Screen::Release => release::draw(buf, area, view),
        Screen::Timeline => timeline::draw(buf, area, view),
        Screen::Findings => findings::draw(buf, area, view),
        Screen::Releases => releases::draw(buf, area, view),
        Screen::OwnLog => own_log::draw(buf, area, view),
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
