//! The first frame: what is being opened, before there is a release to show.

use ratatui::layout::Rect;

use crate::tui::drawing::Drawing;
use crate::tui::pen::Strip;
use crate::tui::theme::{Role, Theme};

/// What is being opened.
#[derive(Clone, Debug)]
pub struct FirstFrame {
    /// The scenario of a rehearsal; none for a real release.
    pub rehearsal: Option<String>,
    /// What takes its time now, as the sentence goes on after "opening".
    pub what: String,
}

impl FirstFrame {
    pub(in crate::tui) fn draw(&self, drawing: &mut Drawing, theme: &Theme) {
        let area = drawing.area;
        drawing.begin(theme.ground());
        let top = Rect { height: area.height.min(1), ..area };
        drawing.wash(top, theme.style(Role::Elsewhere));
        let mut bar = Strip::new();
        if let Some(scenario) = &self.rehearsal {
            bar = bar.put(Role::Rehearsal, format!(" REHEARSAL {scenario} "));
        }
        bar.put(Role::Elsewhere, " opening … ").draw(drawing, theme, top);
        if area.height > 2 {
            let row = Rect { y: area.y + 2, height: 1, ..area };
            let sentence = format!(" Opening {}", self.what);
            Strip::of(Role::Strong, sentence).draw(drawing, theme, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;
    use ratatui::{Frame, Terminal};

    use super::*;
    use crate::tui::theme::Depth;

    fn shown(columns: u16, rows: u16) -> String {
        let theme = Theme::shipped("dark", Depth::True, false).expect("a shipped theme");
        let first =
            FirstFrame { rehearsal: Some("happy".into()), what: "a simulated world".into() };
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        let paint = |frame: &mut Frame| {
            let mut drawing = Drawing::new(frame.area());
            first.draw(&mut drawing, &theme);
            drawing.render(frame.buffer_mut());
        };
        terminal.draw(paint).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn the_first_frame_says_rehearsal_and_what_it_waits_for() {
        let text = shown(80, 24);
        assert!(text.contains(" REHEARSAL happy  opening …"), "{text}");
        assert!(text.contains("Opening a simulated world"), "{text}");
        for (columns, rows) in [(30, 8), (5, 1), (1, 1)] {
            shown(columns, rows);
        }
    }
}
