//! The release: stages, log, pods, levels, watch.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::draw::View;
use crate::tui::layout;
use crate::tui::pane;

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let panes = layout::panes(area, view.snapshot, view.ui);
    pane::stages::draw(buf, panes.stages, view);
    pane::details::draw(buf, panes.details, view);
    pane::pods::draw(buf, panes.pods, view);
    pane::levels::draw(buf, panes.levels, view);
    pane::watch::draw(buf, panes.watch, view);
    // After its sideways neighbours, so that their edges are there to join.
    pane::log::draw(buf, panes.log, view);
    // Its title lies on the lower edge of those above it.
    pane::live::draw(buf, panes.live, view);
}
