//! What every list of rows shares: the chosen row, the window around it, a filter that is typed.

use super::action::Action;

/// Where the cursor of a list is.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    /// The chosen row; none is the first, or, in a list that follows, the newest.
    pub(super) cursor: Option<usize>,
    /// Whether the newest row is the last one, and kept in sight.
    follows: bool,
    pub(super) filter: Filter,
}

impl List {
    pub(super) fn following() -> Self {
        Self { follows: true, ..Self::default() }
    }

    /// The chosen row of `count`.
    pub(super) fn at(&self, count: usize) -> usize {
        let last = count.saturating_sub(1);
        self.cursor.unwrap_or(if self.follows { last } else { 0 }).min(last)
    }

    /// The first row of the window: the chosen one stands in its lower third.
    pub(super) fn top(&self, count: usize, height: usize) -> usize {
        (self.at(count) + height / 3 + 1).min(count).saturating_sub(height)
    }

    /// Carries a movement out; whether the action was one.
    pub(super) fn moved(&mut self, action: Action, count: usize, page: usize) -> bool {
        let page = isize::try_from(page.max(1)).unwrap_or(isize::MAX);
        let by = match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -page,
            Action::PageDown => page,
            Action::Top => isize::MIN,
            Action::Bottom => isize::MAX,
            _ => return false,
        };
        let last = count.saturating_sub(1);
        let at = self.at(count).saturating_add_signed(by).min(last);
        let newest = self.follows && at == last && by > 0;
        self.cursor = (!newest).then_some(at);
        true
    }
}

/// Words that a row must have: `trivy`, `tool:trivy`, `!low`, `severity:critical|high`. All of
/// them, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    text: String,
}

impl Filter {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_lowercase() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether a row passes; its fields have names.
    pub(super) fn lets(&self, fields: &[(&str, &str)]) -> bool {
        let lower: Vec<(&str, String)> =
            fields.iter().map(|(name, text)| (*name, text.to_lowercase())).collect();
        let lower: Vec<(&str, &str)> =
            lower.iter().map(|(name, text)| (*name, text.as_str())).collect();
        self.lets_lower(&lower)
    }

    /// The same for fields that are in lower case already: rows by the hundred thousand.
    pub(super) fn lets_lower(&self, fields: &[(&str, &str)]) -> bool {
        self.text.split_whitespace().all(|word| {
            let (not, word) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word),
            };
            let named = word.split_once(':').and_then(|(name, value)| {
                let known = fields.iter().any(|(field, _)| *field == name);
                known.then_some((name, value))
            });
            let holds = fields.iter().any(|(field, text)| match named {
                Some((name, value)) => {
                    *field == name
                        && (value.is_empty() || alternatives(value).any(|one| text.contains(one)))
                }
                None => text.contains(word) || !not && nearly(text, word),
            });
            word.is_empty() || holds != not
        })
    }
}

/// What stands between the bars of `critical|high`, each.
pub(super) fn alternatives(value: &str) -> impl Iterator<Item = &str> {
    value.split('|').filter(|one| !one.is_empty())
}

/// Whether the letters of a word stand in a text in their order and close together, so that a word
/// half remembered finds its row: `cve44906`, `lodsh`. Short words would find everything.
fn nearly(text: &str, word: &str) -> bool {
    const SHORT: usize = 4;
    // Most fields are shorter than what is typed, and this is asked of each of them in each row.
    let may = word.len() >= SHORT && text.len() >= word.len();
    let Some(first) = word.chars().next().filter(|_| may) else { return false };
    let spans = 2 * word.len() + SHORT;
    text.match_indices(first).any(|(start, _)| {
        let mut letters = word.chars().peekable();
        for c in text[start..].chars().take(spans) {
            letters.next_if_eq(&c);
        }
        letters.peek().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_half_remembered_finds_its_row_and_a_short_or_scattered_one_does_not() {
        let row = [("rule", "CVE-2021-44906"), ("where", "lodash 4.17.20 (package-lock.json)")];
        let lets = |text: &str| Filter::new(text).lets(&row);
        for yes in ["cve44906", "lodsh", "pkglock", "lodsh cve2021"] {
            assert!(lets(yes), "{yes}");
        }
        for no in ["lsn", "lodashjson", "cve44907", "!lodash", "rule:cve44906"] {
            assert!(!lets(no), "{no}");
        }
        assert!(lets("!lodsh"), "what must not be there is taken at its word");
    }

    #[test]
    fn a_filter_wants_every_word_in_any_field_or_in_the_named_one() {
        let row = [("tool", "Trivy"), ("severity", "high"), ("where", "libssl3 image")];
        let lets = |text: &str| Filter::new(text).lets(&row);
        for yes in [
            "",
            "trivy",
            "TOOL:trivy",
            "high libssl3",
            "!low",
            "!tool:zap",
            "!",
            "severity:critical|high tool:zap|trivy",
            "!severity:low|medium",
            "severity:",
        ] {
            assert!(lets(yes), "{yes}");
        }
        for no in
            ["zap", "tool:high", "!high", "high low", "severity:critical", "severity:low|medium"]
        {
            assert!(!lets(no), "{no}");
        }
        assert!(Filter::new("http://x").lets(&[("where", "GET http://x/y")]));
    }

    #[test]
    fn a_list_that_follows_lets_go_when_it_is_scrolled_and_follows_again_at_its_end() {
        let mut list = List::following();
        assert_eq!((list.at(10), list.top(10, 4)), (9, 6));
        assert!(list.moved(Action::Up, 10, 4));
        assert_eq!(list.cursor, Some(8));
        assert!(list.moved(Action::Bottom, 10, 4));
        assert_eq!((list.cursor, list.at(20)), (None, 19));
        assert!(!list.moved(Action::Zoom, 10, 4));
        let mut list = List::default();
        assert!(list.moved(Action::PageDown, 3, 10));
        assert_eq!((list.at(3), list.at(0)), (2, 0));
    }
}
