//! A document in parts, written as Markdown or as one self-contained HTML page. Every text in it
//! stays text: nothing foreign can link, format or embed (T2).

use super::table::{Table, escaped};
use crate::release::Clean;

/// A part of a document.
enum Part {
    Heading(usize, Clean),
    Text(Clean),
    Items(Vec<Clean>),
    /// What is still to be done.
    ToDo(Vec<Clean>),
    Rows(Table),
}

/// A document; its parts stand in the order in which they were added.
#[derive(Default)]
pub struct Document {
    parts: Vec<Part>,
}

impl Document {
    pub(super) fn heading(&mut self, level: usize, text: &str) {
        self.parts.push(Part::Heading(level, Clean::new(text)));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.parts.push(Part::Text(Clean::new(text)));
    }

    pub(super) fn items(&mut self, items: &[String]) {
        let items: Vec<Clean> = items.iter().map(|item| Clean::new(item)).collect();
        self.parts.extend((!items.is_empty()).then_some(Part::Items(items)));
    }

    pub(super) fn open_items(&mut self, items: &[String]) {
        self.parts.push(Part::ToDo(items.iter().map(|item| Clean::new(item)).collect()));
    }

    pub(super) fn rows(&mut self, table: Table) {
        self.parts.push(Part::Rows(table));
    }

    /// The document in Markdown, ready to be pasted.
    pub fn markdown(&self) -> Vec<Clean> {
        let mut lines: Vec<Clean> = Vec::new();
        for part in &self.parts {
            if !lines.is_empty() {
                lines.push(Clean::default());
            }
            let escaped = |text: &Clean| escaped(text.as_str());
            match part {
                Part::Heading(level, text) => {
                    lines.push(Clean::from(format!("{} {}", "#".repeat(*level), escaped(text))));
                }
                Part::Text(text) => lines.push(Clean::from(escaped(text))),
                Part::Items(items) => {
                    lines.extend(
                        items.iter().map(|text| Clean::from(format!("- {}", escaped(text)))),
                    );
                }
                Part::ToDo(items) => lines.extend(
                    items.iter().map(|text| Clean::from(format!("- [ ] {}", escaped(text)))),
                ),
                Part::Rows(table) => lines.extend(table.markdown()),
            }
        }
        lines
    }

    /// The document as one HTML page that loads nothing.
    pub fn html(&self) -> Vec<Clean> {
        let title = self.parts.iter().find_map(|part| match part {
            Part::Heading(_, text) => Some(in_html(text.as_str())),
            _ => None, // tidy: only a heading is a title
        });
        let mut lines: Vec<String> = vec![
            "<!doctype html>".into(),
            "<html lang=\"en\"><head><meta charset=\"utf-8\">".into(),
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">"
                .into(),
            format!("<title>{}</title>", title.unwrap_or_default()),
            format!("<style>{STYLE}</style></head><body>"),
        ];
        for part in &self.parts {
            match part {
                Part::Heading(level, text) => {
                    lines.push(format!("<h{level}>{}</h{level}>", in_html(text.as_str())));
                }
                Part::Text(text) => lines.push(format!("<p>{}</p>", in_html(text.as_str()))),
                Part::Items(items) => list(&mut lines, items, ""),
                Part::ToDo(items) => list(&mut lines, items, "&#9744; "),
                Part::Rows(table) => lines.extend(table.html()),
            }
        }
        lines.push("</body></html>".into());
        lines.into_iter().map(Clean::from).collect()
    }
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;\
    padding:0 1rem;color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:1rem 0}\
    th,td{border:1px solid #999;padding:.25rem .5rem;text-align:left;vertical-align:top}\
    td.r,th.r{text-align:right;font-variant-numeric:tabular-nums}h1,h2{line-height:1.2}\
    @media print{body{margin:0;max-width:none}}";

fn list(lines: &mut Vec<String>, items: &[Clean], mark: &str) {
    lines.push("<ul>".into());
    lines.extend(items.iter().map(|text| format!("<li>{mark}{}</li>", in_html(text.as_str()))));
    lines.push("</ul>".into());
}

/// Foreign text in HTML.
pub(super) fn in_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::Side;

    #[test]
    fn t2_foreign_text_stays_text_in_both_forms() {
        let mut document = Document::default();
        document.heading(1, "<script>alert(1)</script>");
        document.items(&["[x](http://y) *bold*".to_owned()]);
        let mut table = Table::new(&[("a", Side::Left)]);
        table.row(["<img src=x onerror=alert(1)> | b".to_owned()]);
        document.rows(table);
        document.open_items(&["mend \"it\"".to_owned()]);
        let text = |lines: Vec<Clean>| {
            let lines: Vec<String> = lines.iter().map(Clean::to_string).collect();
            lines.join("\n")
        };
        let markdown = text(document.markdown());
        assert!(markdown.starts_with("# &lt;script&gt;"), "{markdown}");
        assert!(markdown.contains("- \\[x\\](http&#58;//y) \\*bold\\*"), "{markdown}");
        assert!(markdown.contains("- [ ] mend"), "{markdown}");
        let html = text(document.html());
        assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
        assert!(html.contains("<td>&lt;img src=x onerror=alert(1)&gt; | b</td>"), "{html}");
    }
}
