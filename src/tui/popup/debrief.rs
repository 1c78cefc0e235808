//! How a rehearsal went, measured. It opens by itself at the end, and any key goes on from it.

use ratatui::layout::Rect;

use super::centred;
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, raised, rows, wrap};
use crate::tui::theme::Role;

const COLUMNS: u16 = 110;

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, top: usize) {
    let snapshot = view.snapshot;
    let faults = &snapshot.live.telemetry.faults;
    let columns = usize::from(COLUMNS.min(area.width)).saturating_sub(4);
    let mut strips = Vec::new();
    for line in words::debrief(&snapshot.records, faults).iter().skip(1) {
        let text = line.as_str();
        let role = match text {
            text if text.contains(": MISSED") => Role::Warn,
            text if text.contains(": MET") => Role::Done,
            text if !text.starts_with(' ') => Role::Strong,
            _ => Role::Text,
        };
        let indent = text.len() - text.trim_start().len();
        for (at, part) in wrap(text, columns.saturating_sub(4)).iter().enumerate() {
            let margin = if at == 0 { " " } else { "       " };
            let part = if at == 0 { part.as_str() } else { part.trim_start() };
            let kept = if at == 0 && !part.starts_with(' ') { indent } else { 0 };
            strips.push(Strip::of(role, format!("{margin}{}{part}", " ".repeat(kept))));
        }
    }
    let place = centred(area, COLUMNS, strips.len() + 2);
    let last = (strips.len() + 2).saturating_sub(usize::from(place.height));
    let top = top.min(last);
    let closes = match last - top {
        0 => " any key closes ".to_owned(),
        more => format!(" {more} more: j, any other key closes "),
    };
    let title = Strip::of(Role::Focus, " Debrief ").right(Role::Dim, closes);
    let inner = raised(drawing, view.theme, place, &title);
    rows(drawing, view.theme, inner, &strips[top..]);
}
