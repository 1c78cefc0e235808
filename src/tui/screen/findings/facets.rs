//! What a filter can be made of: the severities, tools and stages that there are, and how many
//! findings each would show. The filter itself is the words that can also be typed.

use super::super::super::list::{Filter, alternatives};
use super::sift::{Findings, Sight};
use crate::release::Severity;

/// A field of the filter, by the name that its words have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Facet {
    Severity,
    Tool,
    Stage,
}

impl Facet {
    pub(in crate::tui) const ALL: [Self; 3] = [Self::Severity, Self::Tool, Self::Stage];

    pub(in crate::tui) fn name(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Tool => "tool",
            Self::Stage => "stage",
        }
    }
}

/// A value of a field: how many findings it would show beside what the other fields say, and
/// whether it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct Value {
    pub word: String,
    pub count: usize,
    pub chosen: bool,
}

/// The values of each field, in the order of [`Facet::ALL`].
pub(in crate::tui) type Facets = [Vec<Value>; 3];

/// The words of a filter with one value of a field chosen, or not any more. What else was typed
/// stays.
pub(in crate::tui) fn toggled(text: &str, facet: Facet, value: &str) -> String {
    let mut chosen: Vec<&str> = of(text, facet);
    match chosen.iter().position(|one| *one == value) {
        Some(at) => drop(chosen.remove(at)),
        None => chosen.push(value),
    }
    let mut words: Vec<String> = others(text, facet).map(str::to_owned).collect();
    if !chosen.is_empty() {
        words.push(format!("{}:{}", facet.name(), chosen.join("|")));
    }
    words.join(" ")
}

/// What a filter says of a field.
fn of(text: &str, facet: Facet) -> Vec<&str> {
    let words = text.split_whitespace().filter_map(|word| named(word, facet));
    words.flat_map(alternatives).collect()
}

fn others(text: &str, facet: Facet) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(move |word| named(word, facet).is_none())
}

fn named(word: &str, facet: Facet) -> Option<&str> {
    word.strip_prefix(facet.name())?.strip_prefix(':')
}

impl Findings {
    /// The values that there are in sight, counted.
    pub(in crate::tui) fn facets(&self) -> Facets {
        let text = self.list.filter.text();
        let rest: Vec<&str> = text
            .split_whitespace()
            .filter(|word| Facet::ALL.iter().all(|facet| named(word, *facet).is_none()))
            .collect();
        let rest = Filter::new(&rest.join(" "));
        let chosen = Facet::ALL.map(|facet| of(text, facet));
        let mut facets: Facets = Facets::default();
        facets[0] = Severity::ALL.map(|severity| value(severity.word(), &chosen[0])).into();
        for at in self.in_sight() {
            let words = self.words(at);
            let holds: [bool; 3] = std::array::from_fn(|field| {
                chosen[field].is_empty()
                    || chosen[field].iter().any(|one| words[field].contains(one))
            });
            let shown = rest.is_empty() || self.passes(at, &rest);
            for (field, word) in words.iter().enumerate() {
                let place = facets[field].iter().position(|value| value.word == *word);
                let place = place.unwrap_or_else(|| {
                    facets[field].push(value(word, &chosen[field]));
                    facets[field].len() - 1
                });
                let beside = (0..3).filter(|other| *other != field).all(|other| holds[other]);
                facets[field][place].count += usize::from(shown && beside);
            }
        }
        facets[1].sort_by(|a, b| a.word.cmp(&b.word));
        // What is chosen and not there can still be let go.
        for (field, facet) in facets.iter_mut().enumerate() {
            for word in &chosen[field] {
                if !facet.iter().any(|value| value.word == *word) {
                    facet.push(value(word, &chosen[field]));
                }
            }
        }
        facets
    }

    /// How many findings each sight has, and which one is shown.
    pub(in crate::tui) fn sights(&self) -> [(&'static str, u32, bool); 4] {
        super::SIGHTS.map(|(sight, word)| (word, self.total(sight as usize), sight == self.sight))
    }

    pub(in crate::tui) fn sight(&self) -> Sight {
        self.sight
    }

    pub(in crate::tui) fn see(&mut self, sight: Sight) {
        self.sight = sight;
        self.list.cursor = None;
        self.sift();
    }

    pub(in crate::tui) fn see_nth(&mut self, nth: usize) {
        if let Some((sight, _)) = super::SIGHTS.get(nth) {
            self.see(*sight);
        }
    }

    /// How many findings the filter leaves.
    pub(in crate::tui) fn shown(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row, super::Row::One(_))).count()
    }
}

fn value(word: &str, chosen: &[&str]) -> Value {
    Value { word: word.to_owned(), count: 0, chosen: chosen.contains(&word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choosing_values_writes_the_words_that_can_be_typed() {
        let mut text = "lodash !test".to_owned();
        for (facet, value, then) in [
            (Facet::Severity, "high", "lodash !test severity:high"),
            (Facet::Severity, "critical", "lodash !test severity:high|critical"),
            (Facet::Tool, "trivy", "lodash !test severity:high|critical tool:trivy"),
            (Facet::Severity, "high", "lodash !test tool:trivy severity:critical"),
            (Facet::Severity, "critical", "lodash !test tool:trivy"),
            (Facet::Tool, "trivy", "lodash !test"),
        ] {
            text = toggled(&text, facet, value);
            assert_eq!(text, then);
        }
        assert_eq!(toggled("severity:low", Facet::Stage, "code"), "severity:low stage:code");
    }
}
