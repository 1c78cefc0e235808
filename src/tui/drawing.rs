//! What a frame is made of: the strokes on each of its rows, in the order they were drawn.
//!
//! A key changes a row or two of fifty. A row whose strokes are those of the frame before looks as
//! it did then, so that it is neither made into cells again nor compared cell by cell.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::merge::MergeStrategy;

/// The strokes of a whole frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawing {
    pub(super) area: Rect,
    /// What a cell wears before anything is drawn on it.
    ground: Style,
    rows: Vec<Row>,
}

/// The strokes of one row, and the texts among them one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    strokes: Vec<Stroke>,
    text: String,
}

/// Something that was drawn on a row, over what was there.
#[derive(Clone, Debug, PartialEq)]
struct Stroke {
    x: u16,
    columns: u16,
    style: Style,
    ink: Ink,
}

#[derive(Clone, Debug, PartialEq)]
enum Ink {
    /// So many bytes of the row's texts, each character in a cell of its own.
    Cells(usize),
    /// So many bytes of the row's texts, whose characters join or are wide.
    Clusters(usize),
    /// Nothing but the style.
    Wash,
    /// The bare ground.
    Blank,
    /// A part of a frame. It keeps off words, and may join with other frames.
    Edge { symbol: &'static str, joins: bool },
    /// Dots of braille, beside those that are there.
    Dots(u8),
    /// A glyph wherever nothing stands.
    Gap(char),
    /// What a widget made.
    Made(Vec<Cell>),
}

impl Drawing {
    /// An empty drawing of a size.
    pub(super) fn new(area: Rect) -> Self {
        let mut drawing = Self::default();
        drawing.resize(area);
        drawing
    }

    /// Takes another size, empty.
    pub(super) fn resize(&mut self, area: Rect) {
        self.area = area;
        self.rows.resize_with(usize::from(area.height), Row::default);
        self.begin(self.ground);
    }

    /// Takes everything off, down to a ground.
    pub(super) fn begin(&mut self, ground: Style) {
        self.ground = ground;
        for row in &mut self.rows {
            row.strokes.clear();
            row.text.clear();
        }
    }

    /// The row at `y`, where there is one and room from `x` on.
    fn row(&mut self, (x, y): (u16, u16)) -> Option<&mut Row> {
        if x >= self.area.right() || x < self.area.x {
            return None;
        }
        self.rows.get_mut(usize::from(y.checked_sub(self.area.y)?))
    }

    fn stroke(&mut self, at: (u16, u16), columns: u16, style: Style, ink: Ink) {
        let columns = columns.min(self.area.right().saturating_sub(at.0));
        if let Some(row) = self.row(at).filter(|_| columns > 0) {
            row.strokes.push(Stroke { x: at.0, columns, style, ink });
        }
    }

    /// A text whose characters take a cell each, in at most `columns`: one that takes more is cut
    /// there, and ends with `mark`.
    pub(super) fn cells(
        &mut self,
        at: (u16, u16),
        columns: u16,
        text: (&str, usize),
        mark: char,
        style: Style,
    ) -> u16 {
        let columns = columns.min(self.area.right().saturating_sub(at.0));
        let (text, need) = text;
        let fits = need <= usize::from(columns);
        let taken = if fits { u16::try_from(need).unwrap_or(columns) } else { columns };
        let Some(row) = self.row(at).filter(|_| taken > 0) else { return at.0 };
        let before = row.text.len();
        if fits {
            row.text.push_str(text);
        } else {
            let whole = usize::from(taken) - 1;
            let end = if text.is_ascii() {
                whole
            } else {
                text.char_indices().nth(whole).map_or(text.len(), |(end, _)| end)
            };
            row.text.push_str(text.get(..end).unwrap_or(text));
            row.text.push(mark);
        }
        let ink = Ink::Cells(row.text.len() - before);
        row.strokes.push(Stroke { x: at.0, columns: taken, style, ink });
        at.0 + taken
    }

    /// A text with wide characters, or such as join, in at most `columns`.
    pub(super) fn clusters(
        &mut self,
        at: (u16, u16),
        columns: u16,
        text: &str,
        style: Style,
    ) -> u16 {
        let columns = columns.min(self.area.right().saturating_sub(at.0));
        let Some(row) = self.row(at).filter(|_| columns > 0) else { return at.0 };
        row.text.push_str(text);
        let ink = Ink::Clusters(text.len());
        row.strokes.push(Stroke { x: at.0, columns, style, ink });
        // Such texts are rare: how far this one goes is tried on a row of its own.
        let mut row = Buffer::empty(Rect::new(0, 0, columns, 1));
        at.0 + row.set_stringn(0, 0, text, usize::from(columns), style).0
    }

    /// A style over what stands in an area.
    pub(super) fn wash(&mut self, area: Rect, style: Style) {
        self.over(area, style, &Ink::Wash);
    }

    /// Takes everything off an area.
    pub(super) fn blank(&mut self, area: Rect) {
        self.over(area, self.ground, &Ink::Blank);
    }

    fn over(&mut self, area: Rect, style: Style, ink: &Ink) {
        let area = area.intersection(self.area);
        for y in area.top()..area.bottom() {
            self.stroke((area.x, y), area.width, style, ink.clone());
        }
    }

    /// A part of a frame's edge, along so many columns.
    pub(super) fn edge(
        &mut self,
        at: (u16, u16),
        columns: u16,
        symbol: &'static str,
        joins: bool,
        style: Style,
    ) {
        self.stroke(at, columns, style, Ink::Edge { symbol, joins });
    }

    /// Dots of braille in a cell, as the bits of its character.
    pub(super) fn dots(&mut self, at: (u16, u16), bits: u8, style: Style) {
        self.stroke(at, 1, style, Ink::Dots(bits));
    }

    /// A glyph in the cells of a row that nothing else took.
    pub(super) fn gaps(&mut self, row: Rect, glyph: char, style: Style) {
        self.stroke((row.x, row.y), row.width, style, Ink::Gap(glyph));
    }

    /// What a widget makes of an area.
    pub(super) fn widget(&mut self, area: Rect, render: impl FnOnce(Rect, &mut Buffer)) {
        let area = area.intersection(self.area);
        if area.is_empty() {
            return;
        }
        let mut made = Buffer::filled(area, bare(self.ground));
        render(area, &mut made);
        for (y, row) in (area.y..).zip(made.content.chunks(usize::from(area.width))) {
            self.stroke((area.x, y), area.width, self.ground, Ink::Made(row.to_vec()));
        }
    }

    /// Whether the row at `y`, counted from the top, looks as it does in another drawing.
    pub(super) fn is_same_row(&self, other: &Self, y: u16) -> bool {
        let y = usize::from(y);
        match (self.rows.get(y), other.rows.get(y)) {
            (Some(row), Some(others)) => self.ground == other.ground && row == others,
            _ => false,
        }
    }

    /// Makes the row at `y`, counted from the top, into cells, whatever stood there.
    pub(super) fn render_row(&self, y: u16, cells: &mut Buffer) {
        let Some(row) = self.rows.get(usize::from(y)) else { return };
        let y = self.area.y + y;
        let all = Rect { y, height: 1, ..self.area };
        let blank = bare(self.ground);
        on(cells, all).fill(blank.clone());
        let mut rest = row.text.as_str();
        for Stroke { x, columns, style, ink } in &row.strokes {
            let place = Rect { x: *x, y, width: *columns, height: 1 };
            match ink {
                Ink::Cells(bytes) => {
                    let (text, behind) = rest.split_at_checked(*bytes).unwrap_or_default();
                    rest = behind;
                    for (cell, c) in on(cells, place).iter_mut().zip(text.chars()) {
                        cell.set_char(c).set_style(*style);
                    }
                }
                Ink::Clusters(bytes) => {
                    let (text, behind) = rest.split_at_checked(*bytes).unwrap_or_default();
                    rest = behind;
                    cells.set_stringn(*x, y, text, usize::from(*columns), *style);
                }
                Ink::Wash => cells.set_style(place, *style),
                Ink::Blank => on(cells, place).fill(blank.clone()),
                Ink::Edge { symbol, joins } => {
                    for cell in on(cells, place) {
                        edge(cell, symbol, *joins, *style);
                    }
                }
                Ink::Dots(bits) => {
                    for cell in on(cells, place) {
                        dots(cell, *bits, *style);
                    }
                }
                Ink::Gap(glyph) => {
                    let empty = |cell: &&mut Cell| cell.symbol() == " ";
                    for cell in on(cells, place).iter_mut().filter(empty) {
                        cell.set_char(*glyph).set_style(*style);
                    }
                }
                Ink::Made(made) => on(cells, place).clone_from_slice(made),
            }
        }
    }

    /// Makes all of it into cells.
    pub(super) fn render(&self, cells: &mut Buffer) {
        for y in 0..self.area.height {
            self.render_row(y, cells);
        }
    }
}

/// The cells of a part of a row.
fn on(cells: &mut Buffer, place: Rect) -> &mut [Cell] {
    let place = place.intersection(cells.area);
    if place.is_empty() {
        return &mut [];
    }
    let from = cells.index_of(place.x, place.y);
    cells.content.get_mut(from..from + usize::from(place.width)).unwrap_or_default()
}

fn bare(ground: Style) -> Cell {
    let mut cell = Cell::EMPTY;
    cell.set_style(ground);
    cell
}

fn edge(cell: &mut Cell, symbol: &str, joins: bool, style: Style) {
    // A neighbour's words on a shared edge keep their letters and their role.
    if cell.symbol() != " " && !is_line(cell.symbol()) {
        return;
    }
    let strategy = if joins { MergeStrategy::Exact } else { MergeStrategy::Replace };
    cell.merge_symbol(symbol, strategy);
    if is_line(cell.symbol()) {
        cell.set_style(style);
    }
}

fn is_line(symbol: &str) -> bool {
    matches!(symbol, "+" | "-" | "|") || symbol.starts_with(|c| ('─'..='╿').contains(&c))
}

fn dots(cell: &mut Cell, bits: u8, style: Style) {
    const NONE: u32 = 0x2800;
    let there = cell.symbol().chars().next().map_or(0, u32::from);
    let there = if (NONE..NONE + 0x100).contains(&there) { there } else { NONE };
    if let Some(glyph) = char::from_u32(there | u32::from(bits)) {
        cell.set_char(glyph).set_style(style);
    }
}
