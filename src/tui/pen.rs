//! The only way text gets onto the screen: cleaned, cut to its place with a mark, and in ASCII
//! where the terminal knows nothing else (T1, F59).

use std::borrow::Cow;

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::widgets::Block;
use unicode_width::UnicodeWidthChar;

use super::drawing::Drawing;
use super::theme::{Role, Theme};
use crate::release::{Clean, hidden};

/// As long as most rows are.
const ROW_BYTES: usize = 128;

/// One row: parts from the left, parts at the right edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Strip {
    left: Parts,
    right: Parts,
}

/// Texts one after the other, and where each ends: one text in memory, because every row of every
/// frame is made of such.
#[derive(Clone, Debug, Default)]
struct Parts {
    text: String,
    ends: Vec<(Role, usize)>,
}

impl Parts {
    fn push(&mut self, role: Role, text: &str) {
        if self.text.is_empty() {
            // Room for most rows, so that it is made once and not as the row grows.
            self.text.reserve(ROW_BYTES);
        }
        self.text.push_str(&harmless(text));
        self.ends.push((role, self.text.len()));
    }

    fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|(role, end)| (*role, before + end)));
    }

    fn iter(&self) -> impl Iterator<Item = (Role, &str)> {
        let mut from = 0;
        self.ends.iter().map(move |(role, end)| {
            let text = &self.text[from..*end];
            from = *end;
            (*role, text)
        })
    }
}

impl Strip {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(role: Role, text: impl AsRef<str>) -> Self {
        Self::new().put(role, text)
    }

    #[must_use]
    pub(super) fn put(mut self, role: Role, text: impl AsRef<str>) -> Self {
        self.left.push(role, text.as_ref());
        self
    }

    #[must_use]
    pub(super) fn right(mut self, role: Role, text: impl AsRef<str>) -> Self {
        self.right.push(role, text.as_ref());
        self
    }

    /// Puts the parts of another one behind its own.
    #[must_use]
    pub(super) fn join(mut self, other: &Self) -> Self {
        self.left.append(&other.left);
        self.right.append(&other.right);
        self
    }

    /// Columns that it takes where there is room for all of it.
    pub(super) fn width(&self) -> usize {
        width(&self.left.text) + width(&self.right.text)
    }

    /// Draws into the first row of `area`. What is at the right edge wins over what is left.
    pub(super) fn draw(&self, drawing: &mut Drawing, theme: &Theme, area: Rect) {
        let area = area.intersection(drawing.area);
        if area.is_empty() {
            return;
        }
        let right = width(&self.right.text);
        let mut end = area.right();
        if right > 0 && right <= usize::from(area.width) {
            end = area.right() - u16::try_from(right).unwrap_or(0);
            let mut x = end;
            for (role, text) in self.right.iter() {
                x = put(drawing, (x, area.y, area.right()), text, theme.style(role), theme.ascii());
            }
            end = end.saturating_sub(1).max(area.x);
        }
        let mut x = area.x;
        for (at, (role, text)) in self.left.iter().enumerate() {
            let more = at + 1 < self.left.ends.len();
            let full = usize::from(end.saturating_sub(x)) < width(text) + usize::from(more);
            let style = theme.style(role);
            x = if full && more {
                put(drawing, (x, area.y, end), &format!("{text}  "), style, theme.ascii())
            } else {
                put(drawing, (x, area.y, end), text, style, theme.ascii())
            };
            if x >= end {
                break;
            }
        }
    }
}

/// Draws text from `x` to at most `end`; gives the column after it.
fn put(
    drawing: &mut Drawing,
    (x, y, end): (u16, u16, u16),
    text: &str,
    style: Style,
    ascii: bool,
) -> u16 {
    let room = end.saturating_sub(x);
    let text = if ascii { Cow::Owned(to_ascii(text)) } else { Cow::Borrowed(text) };
    let mark = if ascii { '~' } else { '…' };
    if let Some(columns) = cells(&text) {
        return drawing.cells((x, y), room, (&text, columns), mark, style);
    }
    let text = cut(&text, usize::from(room), mark);
    drawing.clusters((x, y), room, &text, style)
}

/// How many cells a text takes when each of its characters is one; none when some are not, or join
/// with what stands beside them.
fn cells(text: &str) -> Option<usize> {
    if is_plain(text) {
        return Some(text.len());
    }
    text.chars().try_fold(0, |cells, c| is_a_cell(c).then_some(cells + 1))
}

/// Letters of Latin, and the marks, arrows, lines, blocks and dots that stand in one cell.
fn is_a_cell(c: char) -> bool {
    match c {
        ' '..='~' | '·' | '×' | '…' | '─'..='▟' | '■' | '●' | '○' | '⠀'..='⣿' => {
            true
        }
        'À'..='ɏ' | '‐'..='‧' | '←'..='⋿' | '■'..='➿' => {
            c.width() == Some(1) && !hidden(c)
        }
        _ => false,
    }
}

/// Whether it is printable ASCII. Every byte is looked at, which is quicker than to stop early.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (0x20..0x7f).contains(&byte))
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// At most `room` columns of a text, the last one `mark` where something was cut.
fn cut(text: &str, room: usize, mark: char) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > room {
            break;
        }
        used += wide;
        out.push(c);
    }
    if room > 0 {
        out.push(mark);
    }
    out
}

/// Text in which nothing acts on the terminal, whoever wrote it.
fn harmless(text: &str) -> Cow<'_, str> {
    if !is_plain(text) && text.chars().any(|c| c == '\t' || hidden(c)) {
        return Cow::Owned(Clean::new(text).into());
    }
    Cow::Borrowed(text)
}

/// Breaks a text into rows of at most `columns`, between words where it can.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    if columns == 0 {
        return rows;
    }
    for word in together(&harmless(text)) {
        let word = word.as_str();
        let row = rows.last().map_or(0, |row| width(row));
        let need = width(word) + usize::from(row > 0);
        if row + need > columns && row > 0 {
            rows.push(String::new());
        }
        let Some(row) = rows.last_mut() else { continue };
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
        break_long(&mut rows, columns);
    }
    rows
}

/// The words of a text; a number and its unit are one.
fn together(text: &str) -> Vec<String> {
    const UNITS: [&str; 10] = ["%", "ms", "s", "s,", "min", "min,", "h", "d", "%,", "ms,"];
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_end_matches([')', ';', ':']));
        let number = |word: &&mut String| word.ends_with(|c: char| c.is_ascii_digit());
        match words.last_mut().filter(number) {
            Some(before) if is_unit => before.extend([" ", word]),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Breaks a text into rows of at most `columns`, wherever that is: its blanks say something.
pub(super) fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![harmless(text).into_owned()];
    if columns > 0 {
        break_long(&mut rows, columns);
    }
    rows
}

/// A word longer than a row goes on in the next one.
fn break_long(rows: &mut Vec<String>, columns: usize) {
    while rows.last().is_some_and(|row| width(row) > columns) {
        let Some(long) = rows.pop() else { return };
        let mut used = 0;
        let at = long.char_indices().find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > columns
        });
        // A single character wider than the row stays whole and is cut when drawn.
        let at = at.map_or(long.len(), |(at, c)| if at == 0 { c.len_utf8() } else { at });
        let (head, tail) = long.split_at(at);
        rows.push(head.to_owned());
        if tail.is_empty() {
            return;
        }
        rows.push(tail.to_owned());
    }
}

/// ASCII stand-ins; a letter we have none for becomes `?`.
pub(super) fn to_ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii() => c,
            '✔' => '+',
            '◐' | '│' | '┃' | '╎' => '|',
            '▲' | '≠' => '!',
            '✖' | '×' => 'x',
            '○' | '▂' => '.',
            // The mark of what was cut is the same whoever cut it.
            '↷' | '…' => '~',
            '■' => 'B',
            '●' => 'G',
            '─' | '╌' | '·' | '–' | '—' | '▃' | '▄' | '├' | '└' => '-',
            '▁' => '_',
            '▅' | '▆' => '=',
            '▇' | '█' => '#',
            '→' | '▌' | '›' | '▶' | '≥' => '>',
            '◀' | '‹' | '≤' => '<',
            '⠁'..='⣿' => braille_in_ascii(u32::from(c) - 0x2800),
            '’' => '\'',
            '“' | '”' => '"',
            _ => '?',
        })
        .collect()
}

/// Dots of a curve: above, below, or all over.
fn braille_in_ascii(dots: u32) -> char {
    const UPPER: u32 = 0x1b;
    match (dots & UPPER != 0, dots & !UPPER != 0) {
        (true, false) => '\'',
        (false, _) => '.',
        (true, true) => ':',
    }
}

/// A frame with a title on its upper edge; gives the place inside. Neighbours share their edges.
pub(super) fn pane(
    drawing: &mut Drawing,
    theme: &Theme,
    area: Rect,
    title: &Strip,
    merged: bool,
) -> Rect {
    let area = area.intersection(drawing.area);
    if theme.ascii() {
        frame(drawing, area, theme.style(Role::Border), &ASCII_BORDER, false);
    } else {
        frame(drawing, area, theme.style(Role::Border), &border::PLAIN, merged);
    }
    let inner = Block::bordered().inner(area);
    if area.width > 4 {
        let row = Rect { x: area.x + 1, width: area.width - 2, height: 1, ..area };
        title.draw(drawing, theme, row);
    }
    inner
}

/// The lines around an area. Where they meet others they join with them; text stays.
fn frame(
    drawing: &mut Drawing,
    area: Rect,
    style: Style,
    set: &border::Set<'static>,
    merged: bool,
) {
    if area.is_empty() {
        return;
    }
    let (left, right) = (area.x, area.right() - 1);
    let (top, bottom) = (area.y, area.bottom() - 1);
    let mut line = |x: u16, y: u16, columns: u16, symbol: &'static str| {
        drawing.edge((x, y), columns, symbol, merged, style);
    };
    for y in top + 1..bottom {
        line(left, y, 1, set.vertical_left);
        line(right, y, 1, set.vertical_right);
    }
    let between = area.width.saturating_sub(2);
    line(left + 1, top, between, set.horizontal_top);
    line(left + 1, bottom, between, set.horizontal_bottom);
    line(right, bottom, 1, set.bottom_right);
    line(right, top, 1, set.top_right);
    line(left, bottom, 1, set.bottom_left);
    line(left, top, 1, set.top_left);
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// A place above everything else, emptied.
pub(super) fn raised(drawing: &mut Drawing, theme: &Theme, area: Rect, title: &Strip) -> Rect {
    let area = area.intersection(drawing.area);
    drawing.blank(area);
    drawing.wash(area, theme.style(Role::Popup));
    pane(drawing, theme, area, title, false)
}

/// The row of `area` at `at`, counted from its top; empty when there is none.
pub(super) fn row(area: Rect, at: usize) -> Rect {
    match u16::try_from(at) {
        Ok(at) if at < area.height => Rect { y: area.y + at, height: 1, ..area },
        _ => Rect { height: 0, ..area },
    }
}

/// Rows from the top of `area`, as many as fit.
pub(super) fn rows(drawing: &mut Drawing, theme: &Theme, area: Rect, strips: &[Strip]) {
    for (at, strip) in strips.iter().take(usize::from(area.height)).enumerate() {
        strip.draw(drawing, theme, row(area, at));
    }
}

/// How high a value stands among `dots`, from 0 to `high`.
pub(super) fn height_of(value: f64, high: f64, dots: usize) -> usize {
    let most = dots.saturating_sub(1);
    #[expect(clippy::cast_precision_loss, reason = "a screen has few rows")]
    let at = (value / high * most as f64).round().clamp(0.0, most as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
    let at = at as usize;
    at
}

/// A curve of braille dots, the newest value at the right edge; where nothing is known, nothing is
/// drawn. Dots of an earlier curve in the same cell stay.
pub(super) fn dotted(
    drawing: &mut Drawing,
    theme: &Theme,
    area: Rect,
    role: Role,
    values: &[Option<f64>],
    high: f64,
) {
    let area = area.intersection(drawing.area);
    let (columns, dots) = (usize::from(area.width) * 2, usize::from(area.height) * 4);
    if columns == 0 || dots == 0 {
        return;
    }
    let shown = values.get(values.len().saturating_sub(columns)..).unwrap_or(values);
    let from = columns - shown.len();
    let mut cells = vec![0_u8; usize::from(area.width) * usize::from(area.height)];
    let mut before: Option<usize> = None;
    for (at, value) in shown.iter().enumerate() {
        let height = value.map(|value| height_of(value, high, dots));
        if let Some(height) = height {
            // A jump is joined, so that a curve stays one line.
            let (low, top) = match before {
                Some(before) if before < height => (before + 1, height),
                Some(before) if before > height => (height, before - 1),
                _ => (height, height),
            };
            for dot in low..=top {
                let (x, y) = (from + at, dots - 1 - dot);
                if let Some(cell) = cells.get_mut(y / 4 * usize::from(area.width) + x / 2) {
                    *cell |= BITS[x % 2][y % 4];
                }
            }
        }
        before = height;
    }
    let style = theme.style(role);
    for (y, row) in (area.y..).zip(cells.chunks(usize::from(area.width))) {
        for (x, bits) in (area.x..).zip(row).filter(|(_, bits)| **bits != 0) {
            if theme.ascii() {
                let glyph = braille_in_ascii(u32::from(*bits));
                drawing.cells((x, y), 1, (glyph.encode_utf8(&mut [0; 4]), 1), '~', style);
            } else {
                drawing.dots((x, y), *bits, style);
            }
        }
    }
}

/// The bits of the dots of a braille character: two columns of four.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// A dashed line in the cells of a row that nothing else took.
pub(super) fn threshold(drawing: &mut Drawing, theme: &Theme, area: Rect) {
    let area = area.intersection(drawing.area);
    let dash = if theme.ascii() { '-' } else { '╌' };
    drawing.gaps(area, dash, theme.style(Role::Warn));
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::tui::theme::Depth;

    fn drawn(strip: &Strip, columns: u16, ascii: bool) -> String {
        let theme = Theme::shipped("dark", Depth::True, ascii).expect("shipped");
        let area = Rect::new(0, 0, columns, 1);
        let mut drawing = Drawing::new(area);
        strip.draw(&mut drawing, &theme, area);
        let mut cells = Buffer::empty(area);
        drawing.render(&mut cells);
        (0..columns).map(|x| cells[(x, 0)].symbol().to_owned()).collect()
    }

    #[test]
    fn t1_whatever_is_written_is_shown_and_never_acts() {
        let strip = Strip::of(Role::Text, "a\x1b[2J\u{202e}b");
        assert_eq!(drawn(&strip, 24, false).trim_end(), "a\\x1b[2J\\u{202e}b");
    }

    #[test]
    fn what_does_not_fit_is_cut_with_a_mark() {
        let strip = Strip::of(Role::Text, "staging and more").right(Role::Dim, "0:41");
        assert_eq!(drawn(&strip, 12, false), "stagin… 0:41");
        assert_eq!(drawn(&strip, 12, true), "stagin~ 0:41");
        assert_eq!(drawn(&strip, 3, false), "st…");
        assert_eq!(drawn(&Strip::of(Role::Text, "✔─◐ é"), 5, true), "+-| ?");
    }

    #[test]
    fn a_curve_ends_at_the_right_edge_and_leaves_room_for_its_limit() {
        let theme = Theme::shipped("dark", Depth::True, false).expect("shipped");
        let area = Rect::new(0, 0, 3, 2);
        let mut drawing = Drawing::new(area);
        let values = [Some(0.0), None, Some(0.0), Some(1.0)];
        dotted(&mut drawing, &theme, area, Role::Blue, &values, 1.0);
        threshold(&mut drawing, &theme, row(area, 0));
        let mut cells = Buffer::empty(area);
        drawing.render(&mut cells);
        let line = |y| (0..3).map(|x| cells[(x, y)].symbol().to_owned()).collect::<String>();
        // The jump begins a dot above what it comes from.
        assert_eq!([line(0), line(1)], ["╌╌⢸", " ⡀⡸"]);
    }

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(wrap("roll back to BLUE", 9), ["roll back", "to BLUE"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("limit 1.00 %, then", 11), ["limit", "1.00 %,", "then"]);
        assert_eq!(wrap("", 9), [""]);
        assert_eq!(wrap("語語", 1).concat(), "語語");
    }
}
