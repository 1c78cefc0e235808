//! The cells of the screen: those on the terminal, and those of the frame that comes next.
//!
//! A key changes a row or two of ten thousand cells. ratatui's own terminal asks for every cell
//! anew how wide it is and where it stands; here only the rows that differ are asked.

use ratatui::backend::Backend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};

/// Two frames: the one that is shown, and the one that is painted.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shown: Buffer,
    next: Buffer,
}

impl Canvas {
    pub(super) fn area(&self) -> Rect {
        self.next.area
    }

    /// Takes the terminal's size. One that has changed is painted from nothing.
    pub(super) fn measure<B: Backend>(&mut self, backend: &mut B) -> Result<(), B::Error> {
        let area = Rect::from((Position::ORIGIN, backend.size()?));
        if area == self.area() {
            return Ok(());
        }
        self.next.resize(area);
        self.shown.resize(area);
        self.clear(backend)
    }

    /// Empties the terminal, so that the next frame is painted from nothing.
    pub(super) fn clear<B: Backend>(&mut self, backend: &mut B) -> Result<(), B::Error> {
        self.shown.reset();
        backend.clear()
    }

    /// Paints a frame and sends what is not on the terminal yet; nothing when all of it is. What
    /// is given to `paint` is an older frame: it paints every cell.
    pub(super) fn draw<B: Backend>(
        &mut self,
        backend: &mut B,
        paint: impl FnOnce(&mut Buffer),
    ) -> Result<(), B::Error> {
        paint(&mut self.next);
        if let Some((from, to)) = self.changed() {
            // Where most has changed, copying it would cost more than it spares.
            if usize::from(to - from) > usize::from(self.area().height) / 2 {
                backend.draw(self.shown.diff_iter(&self.next))?;
            } else {
                let (shown, next) = (part(&self.shown, from, to), part(&self.next, from, to));
                backend.draw(shown.diff_iter(&next))?;
            }
            backend.flush()?;
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }

    /// The first row that differs, and the one after the last.
    fn changed(&self) -> Option<(u16, u16)> {
        let width = usize::from(self.area().width).max(1);
        let (shown, next) = (self.shown.content.chunks(width), self.next.content.chunks(width));
        let mut differ = shown.zip(next).map(|(shown, next)| !same(shown, next));
        let from = differ.position(|differs| differs)?;
        let behind = differ.rposition(|differs| differs).map_or(0, |at| at + 1);
        let row = |at: usize| u16::try_from(at).ok();
        Some((row(from)?, row(from + 1 + behind)?))
    }
}

/// Whether two rows look alike. Nearly all cells do in nearly all frames, so that each is looked
/// at once, and the call that compares texts is spared where a text is a few bytes.
fn same(shown: &[Cell], next: &[Cell]) -> bool {
    shown.iter().zip(next).all(|(shown, next)| {
        glyph(shown, next)
            && shown.fg == next.fg
            && shown.bg == next.bg
            && shown.modifier == next.modifier
    })
}

fn glyph(shown: &Cell, next: &Cell) -> bool {
    let (shown, next) = (shown.symbol().as_bytes(), next.symbol().as_bytes());
    shown.len() == next.len() && shown.iter().zip(next).all(|(shown, next)| shown == next)
}

/// Some rows of a frame.
fn part(frame: &Buffer, from: u16, to: u16) -> Buffer {
    let Rect { x, y, width, .. } = frame.area;
    let cells = |row: u16| usize::from(row) * usize::from(width);
    let content = frame.content.get(cells(from)..cells(to)).unwrap_or_default().to_vec();
    Buffer { area: Rect { x, y: y + from, width, height: to - from }, content }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;
    use ratatui::style::Style;

    use super::*;

    /// What a terminal shows after frames, each painted over the one before.
    fn shown(frames: &[&[(u16, u16, &str)]], size: (u16, u16)) -> TestBackend {
        let mut backend = TestBackend::new(size.0, size.1);
        let mut canvas = Canvas::default();
        canvas.measure(&mut backend).expect("memory");
        for frame in frames {
            let paint = |buf: &mut Buffer| {
                buf.reset();
                for (x, y, text) in *frame {
                    buf.set_string(*x, *y, text, Style::new().bold());
                }
            };
            canvas.draw(&mut backend, paint).expect("memory");
        }
        backend
    }

    #[test]
    fn what_is_shown_is_the_last_frame_wherever_it_differs() {
        let first: &[(u16, u16, &str)] = &[(0, 0, "top"), (2, 3, "middle 語"), (0, 7, "keys")];
        let frames: [&[(u16, u16, &str)]; 5] = [
            &[(0, 0, "top"), (2, 3, "middle 語"), (0, 7, "Keys")],
            &[(0, 0, "Top"), (2, 3, "middle 語"), (0, 7, "keys")],
            &[(0, 0, "top"), (2, 3, "middle x"), (0, 4, "語"), (0, 7, "keys")],
            &[(0, 0, "all"), (0, 1, "is"), (0, 2, "new"), (0, 7, "here")],
            &[],
        ];
        for frame in frames {
            let (over, alone) = (shown(&[first, frame], (12, 8)), shown(&[frame], (12, 8)));
            assert_eq!(over.buffer(), alone.buffer(), "{frame:?}");
        }
    }

    #[test]
    fn another_size_is_painted_from_nothing() {
        let mut backend = TestBackend::new(8, 2);
        let mut canvas = Canvas::default();
        for (columns, rows) in [(8, 2), (12, 3), (5, 1)] {
            backend.resize(columns, rows);
            canvas.measure(&mut backend).expect("memory");
            assert_eq!(canvas.area(), Rect::new(0, 0, columns, rows));
            let paint = |buf: &mut Buffer| {
                buf.reset();
                buf.set_string(0, 0, "words", Style::new());
            };
            canvas.draw(&mut backend, paint).expect("memory");
            assert!(backend.to_string().starts_with("\"words"), "{backend}");
        }
    }
}
