//! The form that filters findings: what there is of each field, counted. It writes the words of the
//! filter line, and takes effect while it is open.

use crossterm::event::KeyCode;

use super::form::{Line, keys, text};
use crate::report::words::count;
use crate::tui::pen::{Strip, width};
use crate::tui::screen::findings::{Facet, Facets, Findings, Sight, toggled};
use crate::tui::theme::Role;

/// Rows of values that a field takes at the most; the chosen one is among them.
const ROWS_MAX: usize = 3;
/// Columns of a field's name.
const HEAD: usize = 10;

/// Where the form stands. What is chosen stands in the filter's words, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct FilterForm {
    /// 0 is which findings are in sight; then the facets.
    field: usize,
    /// The value under the cursor, in each field.
    at: [usize; 4],
    facets: Facets,
    sights: [(&'static str, u32, bool); 4],
    shown: usize,
    words: String,
    /// The words and the sight of before, for who leaves.
    before: (String, Sight),
}

impl FilterForm {
    pub(in crate::tui) fn new(findings: &Findings) -> Self {
        let before = (findings.list.filter.text().to_owned(), findings.sight());
        let mut form = Self {
            field: 1,
            at: [0; 4],
            facets: findings.facets(),
            sights: findings.sights(),
            shown: findings.shown(),
            words: before.0.clone(),
            before,
        };
        form.at[0] = form.sights.iter().position(|(.., chosen)| *chosen).unwrap_or(0);
        form
    }

    /// Back to what was shown before.
    pub(super) fn leave(&self, findings: &mut Findings) {
        findings.put_back(self.before.1, &self.before.0);
    }

    /// Keys that move about, choose and let go.
    pub(super) fn on_key(&mut self, code: KeyCode, findings: &mut Findings) {
        let last = self.len(self.field).saturating_sub(1);
        let at = &mut self.at[self.field];
        match code {
            KeyCode::Tab | KeyCode::Down => self.field = (self.field + 1) % 4,
            KeyCode::BackTab | KeyCode::Up => self.field = (self.field + 3) % 4,
            KeyCode::Right => *at = (*at + 1).min(last),
            KeyCode::Left => *at = at.saturating_sub(1),
            KeyCode::Home => *at = 0,
            KeyCode::End => *at = last,
            KeyCode::Backspace => {
                findings.filter("");
                self.look(findings);
            }
            KeyCode::Char(' ') => {
                self.choose(findings);
                self.look(findings);
            }
            _ => {}
        }
    }

    fn len(&self, field: usize) -> usize {
        match field.checked_sub(1) {
            None => self.sights.len(),
            Some(facet) => self.facets[facet].len(),
        }
    }

    fn choose(&self, findings: &mut Findings) {
        let at = self.at[self.field];
        let Some(facet) = self.field.checked_sub(1) else { return findings.see_nth(at) };
        if let Some(value) = self.facets[facet].get(at) {
            let words = findings.list.filter.text().to_owned();
            findings.filter(&toggled(&words, Facet::ALL[facet], &value.word));
        }
    }

    fn look(&mut self, findings: &Findings) {
        (self.facets, self.sights) = (findings.facets(), findings.sights());
        self.shown = findings.shown();
        findings.list.filter.text().clone_into(&mut self.words);
        for field in 0..4 {
            self.at[field] = self.at[field].min(self.len(field).saturating_sub(1));
        }
    }

    pub(super) fn lines(&self, columns: usize) -> (String, Vec<Line>) {
        let sights = self.sights.iter().map(|(word, count, chosen)| {
            (*word, u64::from(*count), if *chosen { "(*)" } else { "( )" }, *chosen)
        });
        let mut lines = self.field("show", 0, &sights.collect::<Vec<_>>(), columns);
        for (place, facet) in Facet::ALL.iter().enumerate() {
            let values = self.facets[place].iter().map(|value| {
                let mark = if value.chosen { "[x]" } else { "[ ]" };
                (value.word.as_str(), value.count as u64, mark, value.chosen)
            });
            lines.extend(self.field(facet.name(), place + 1, &values.collect::<Vec<_>>(), columns));
        }
        let words = match self.words.as_str() {
            "" => "words: (none: all are shown)".to_owned(),
            words => format!("words: {words} (backspace lets all go)"),
        };
        lines.push(text(Role::Dim, words));
        let shown = format!("shows {}", count(self.shown as u64));
        lines.push(keys(&[
            ("tab arrows", "move"),
            ("space", "chooses"),
            ("enter", shown.as_str()),
            ("esc", "leaves"),
        ]));
        ("Filter the findings".to_owned(), lines)
    }

    /// One field: its name, and its values with their counts, in so many rows as they take.
    fn field(
        &self,
        name: &str,
        place: usize,
        values: &[(&str, u64, &str, bool)],
        columns: usize,
    ) -> Vec<Line> {
        let here = self.field == place;
        let role = if here { Role::Focus } else { Role::Dim };
        let mut rows = vec![Strip::new()];
        let (mut used, mut chosen_row) = (0, 0);
        for (at, (word, many, mark, chosen)) in values.iter().enumerate() {
            let cell = format!("{mark} {word} {}", count(*many));
            let wide = width(&cell) + 2;
            if used > 0 && used + wide > columns.saturating_sub(HEAD + 1) {
                rows.push(Strip::new());
                used = 0;
            }
            used += wide;
            let cursor = here && at == self.at[place];
            if cursor {
                chosen_row = rows.len() - 1;
            }
            let role = match (cursor, chosen, many) {
                (true, ..) => Role::Input,
                (false, true, _) => Role::Strong,
                (false, false, 0) => Role::Faint,
                (false, false, _) => Role::Text,
            };
            if let Some(row) = rows.last_mut() {
                // Without colours the cursor is seen by its mark.
                let left = if cursor { ">" } else { " " };
                *row = std::mem::take(row).put(Role::Key, left).put(role, cell).put(role, " ");
            }
        }
        if values.is_empty() {
            rows = vec![Strip::of(Role::Faint, " none yet")];
        }
        let first = chosen_row.saturating_sub(ROWS_MAX - 1).min(rows.len().saturating_sub(1));
        let more = rows.len().saturating_sub(first + ROWS_MAX);
        let mut lines: Vec<Line> = Vec::new();
        for (at, row) in rows.into_iter().skip(first).take(ROWS_MAX).enumerate() {
            let (head, role) = if at == 0 { (name, role) } else { ("", Role::Dim) };
            let mut strip = Strip::of(role, format!(" {head:<HEAD$}")).join(&row);
            if at == ROWS_MAX - 1 && more > 0 {
                strip = strip.right(Role::Dim, format!("{more} more rows "));
            }
            lines.push(Line::Strip(strip));
        }
        lines
    }
}
