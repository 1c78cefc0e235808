//! Aligned columns and Markdown tables, out of clean cells.

use unicode_width::UnicodeWidthStr;

use super::document::in_html;
use crate::release::Clean;

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of cells under their heads. A cell beyond the heads is left out.
pub(super) struct Table {
    heads: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Clean>>,
}

impl Table {
    pub(super) fn new(heads: &[(&'static str, Side)]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(Clean::from).collect());
    }

    /// Lines of columns two spaces apart, behind `indent`, without trailing spaces. The last
    /// column is never padded, so it may be long.
    pub(super) fn lines(&self, indent: &str) -> Vec<Clean> {
        let width = |text: &str| text.width();
        let widths: Vec<usize> = (0..self.heads.len())
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                let widest = cells.map(|cell| width(cell.as_str())).max().unwrap_or(0);
                widest.max(width(self.heads[at].0))
            })
            .collect();
        let line = |cells: &[&str]| {
            let mut line = indent.to_owned();
            for ((cell, (_, side)), column) in cells.iter().zip(&self.heads).zip(&widths) {
                let gap = " ".repeat(column.saturating_sub(width(cell)));
                let (before, after) = match side {
                    Side::Left => ("", gap.as_str()),
                    Side::Right => (gap.as_str(), ""),
                };
                for part in [before, cell, after, "  "] {
                    line.push_str(part);
                }
            }
            Clean::new(line.trim_end())
        };
        let heads: Vec<&str> = self.heads.iter().map(|(head, _)| *head).collect();
        let rows = self.rows.iter().map(|row| {
            let cells: Vec<&str> = row.iter().map(Clean::as_str).collect();
            line(&cells)
        });
        std::iter::once(line(&heads)).chain(rows).collect()
    }

    /// The same as a Markdown table; nothing in a cell can end it or become markup.
    pub(super) fn markdown(&self) -> Vec<Clean> {
        let heads: Vec<&str> = self.heads.iter().map(|(head, _)| *head).collect();
        let rule = self.heads.iter().map(|(_, side)| match side {
            Side::Left => "---",
            Side::Right => "---:",
        });
        let rule: Vec<&str> = rule.collect();
        let mut lines = vec![
            Clean::new(&format!("| {} |", heads.join(" | "))),
            Clean::new(&format!("|{}|", rule.join("|"))),
        ];
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| escaped(cell.as_str())).collect();
            lines.push(Clean::new(&format!("| {} |", cells.join(" | "))));
        }
        lines
    }
}

impl Table {
    /// The same as an HTML table.
    pub(super) fn html(&self) -> Vec<String> {
        let class = |side: Side| if side == Side::Right { " class=\"r\"" } else { "" };
        let head = self.heads.iter().map(|(head, side)| {
            let class = class(*side);
            format!("<th{class}>{}</th>", in_html(head))
        });
        let mut lines = vec![format!("<table><tr>{}</tr>", head.collect::<String>())];
        for row in &self.rows {
            let cells = row.iter().zip(&self.heads).map(|(cell, (_, side))| {
                let class = class(*side);
                format!("<td{class}>{}</td>", in_html(cell.as_str()))
            });
            lines.push(format!("<tr>{}</tr>", cells.collect::<String>()));
        }
        lines.push("</table>".to_owned());
        lines
    }
}

/// Foreign text in Markdown: every mark that could link, format or embed stands for itself (T2).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    out.replace("://", "&#58;//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[("name", Side::Left), ("n", Side::Right), ("why", Side::Left)]);
        table.row(["日本".into(), "1".into(), "short".into()]);
        table.row(["a".into(), "1,204".into(), "a | b <img> [x](http://y)".into()]);
        table
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let lines = table().lines("  ");
        let lines: Vec<&str> = lines.iter().map(Clean::as_str).collect();
        assert_eq!(
            lines,
            [
                "  name      n  why",
                "  日本      1  short",
                "  a     1,204  a | b <img> [x](http://y)",
            ]
        );
    }

    #[test]
    fn t2_markdown_cells_stay_text() {
        let lines = table().markdown();
        assert_eq!(lines[1].as_str(), "|---|---:|---|");
        assert_eq!(lines[3].as_str(), "| a | 1,204 | a \\| b &lt;img&gt; \\[x\\](http&#58;//y) |");
    }
}
