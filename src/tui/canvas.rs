//! The screen: what is drawn on the terminal, and the frame that comes next.
//!
//! A key changes a row or two of fifty, and nothing else is made into cells: ratatui's own
//! terminal makes ten thousand for every frame, and asks of each where it stands and how wide it
//! is.

use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::drawing::Drawing;

/// Two frames: the one that is shown, and the one that is painted.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shown: Drawing,
    next: Drawing,
    rows: Vec<Row>,
}

/// The cells of a row: those on the terminal, and room for those that come there.
#[derive(Debug, Default)]
struct Row {
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
        let row = |y| Rect { y, height: 1, ..area };
        let empty = |y| Row { shown: Buffer::empty(row(y)), next: Buffer::empty(row(y)) };
        self.rows = (0..area.height).map(empty).collect();
        self.clear(backend)
    }

    /// Empties the terminal, so that the next frame is painted from nothing.
    pub(super) fn clear<B: Backend>(&mut self, backend: &mut B) -> Result<(), B::Error> {
        self.shown = Drawing::default();
        self.rows.iter_mut().for_each(|row| row.shown.reset());
        backend.clear()
    }

    /// Paints a frame and sends what is not on the terminal yet; nothing when all of it is. What
    /// is given to `paint` is an older drawing: it begins a new one.
    pub(super) fn draw<B: Backend>(
        &mut self,
        backend: &mut B,
        paint: impl FnOnce(&mut Drawing),
    ) -> Result<(), B::Error> {
        paint(&mut self.next);
        let Self { shown, next, rows } = self;
        let differs = |(y, _): &(u16, &mut Row)| !next.is_same_row(shown, *y);
        let mut changed: Vec<&mut Row> = (0..)
            .zip(rows)
            .filter(differs)
            .map(|(y, row)| {
                next.render_row(y, &mut row.next);
                row
            })
            .collect();
        let mut cells = changed.iter().flat_map(|row| row.shown.diff_iter(&row.next)).peekable();
        if cells.peek().is_some() {
            backend.draw(cells)?;
            backend.flush()?;
        }
        for row in &mut changed {
            std::mem::swap(&mut row.shown, &mut row.next);
        }
        let area = self.area();
        std::mem::swap(&mut self.shown, &mut self.next);
        if self.area() != area {
            self.next.resize(area);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;
    use ratatui::style::Style;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    /// What a terminal shows after frames, each painted over the one before.
    fn shown(frames: &[&[(u16, u16, &str)]], size: (u16, u16)) -> TestBackend {
        let mut backend = TestBackend::new(size.0, size.1);
        let mut canvas = Canvas::default();
        canvas.measure(&mut backend).expect("memory");
        for frame in frames {
            let paint = |drawing: &mut Drawing| {
                drawing.begin(Style::new());
                for (x, y, text) in *frame {
                    drawing.clusters((*x, *y), size.0, text, Style::new().bold());
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

    /// Something on a drawing, at a place. What it says may change alone, as a clock does.
    fn stroke((seed, says): (u64, usize), drawing: &mut Drawing) {
        let random = &mut fastrand::Rng::with_seed(seed);
        let (columns, rows) = (drawing.area.width, drawing.area.height);
        let at = (random.u16(0..columns + 2), random.u16(0..rows + 2));
        let area = Rect::new(at.0, at.1, random.u16(0..6), random.u16(0..3));
        let style = [Style::new(), Style::new().bold(), Style::new().on_blue()][random.usize(0..3)];
        match random.u8(0..9) {
            0 | 1 => {
                drawing.cells(at, area.width, (["stages", "levels"][says], 6), '…', style);
            }
            2 => {
                let texts = [
                    ["語e\u{301}", "本e\u{301}"],
                    ["👩\u{200d}👩\u{200d}👧 ab", "👩\u{200d}👩\u{200d}👧 cd"],
                ];
                drawing.clusters(at, area.width, texts[random.usize(0..2)][says], style);
            }
            3 => drawing.wash(area, style),
            4 => drawing.blank(area),
            5 => drawing.edge(
                at,
                area.width,
                ["─", "│", "┐"][random.usize(0..3)],
                random.bool(),
                style,
            ),
            6 => drawing.dots(at, random.u8(1..), style),
            7 => drawing.gaps(area, '╌', style),
            _ => drawing.widget(area, |area, cells| {
                cells.set_string(area.x, area.y, ["wid", "get"][says], style);
            }),
        }
    }

    /// The cells that can be seen: behind a wide character there is one that cannot.
    fn seen(buffer: &Buffer) -> Vec<(u16, u16, &Cell)> {
        let mut all = Vec::new();
        for y in buffer.area.rows().map(|row| row.y) {
            let mut x = 0;
            while let Some(cell) = buffer.cell((x, y)) {
                all.push((x, y, cell));
                x += u16::try_from(cell.symbol().width().max(1)).expect("narrow");
            }
        }
        all
    }

    #[test]
    fn any_frame_over_any_other_looks_as_it_does_alone() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let size = (random.u16(1..14), random.u16(1..7));
            let mut backend = TestBackend::new(size.0, size.1);
            let mut canvas = Canvas::default();
            canvas.measure(&mut backend).expect("memory");
            // Most strokes stay from frame to frame, as on a screen.
            let mut strokes: Vec<(u64, usize)> = (0..12).map(|_| (random.u64(..), 0)).collect();
            let mut ground = Style::new().on_black();
            for _ in 0..6 {
                let (seed, says) = &mut strokes[random.usize(0..12)];
                match random.u8(0..4) {
                    0 => ground = if random.bool() { Style::new().on_red() } else { Style::new() },
                    1 => *seed = random.u64(..),
                    _ => *says = 1 - *says,
                }
                let paint = |drawing: &mut Drawing| {
                    drawing.begin(ground);
                    for one in &strokes {
                        stroke(*one, drawing);
                    }
                };
                canvas.draw(&mut backend, paint).expect("memory");
                let mut alone = TestBackend::new(size.0, size.1);
                let mut fresh = Canvas::default();
                fresh.measure(&mut alone).expect("memory");
                fresh.draw(&mut alone, paint).expect("memory");
                assert_eq!(seen(backend.buffer()), seen(alone.buffer()), "{strokes:?}");
            }
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
            let paint = |drawing: &mut Drawing| {
                drawing.begin(Style::new());
                drawing.clusters((0, 0), columns, "words", Style::new());
            };
            canvas.draw(&mut backend, paint).expect("memory");
            assert!(backend.to_string().starts_with("\"words"), "{backend}");
        }
    }
}
