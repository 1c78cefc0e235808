//! What a decision card says of findings, of the layers of defence and of the policy: the same
//! words on every screen and in every line.

use std::collections::BTreeMap;

use crate::release::{Card, CardLayer, Severity};

/// How a point of a card is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Plain,
    /// Somebody should think about it.
    Warn,
}

/// One point of a card: what it is about, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub tone: Tone,
    pub about: String,
    pub text: String,
}

fn point(tone: Tone, about: &str, text: String) -> Point {
    Point { tone, about: about.to_owned(), text }
}

/// What is new, what there is, what is waived until when, what was not scanned, what was changed
/// of the policy.
pub fn findings_points(card: &Card) -> Vec<Point> {
    let counted = &card.findings;
    let words = |counts: &BTreeMap<Severity, u32>| {
        let some = counts.iter().filter(|(_, count)| **count > 0);
        let some: Vec<String> =
            some.map(|(severity, count)| format!("{count} {}", severity.word())).collect();
        if some.is_empty() { "none".to_owned() } else { some.join(", ") }
    };
    let (new, all) = (words(&counted.new), words(&counted.all));
    let tone = if new == "none" { Tone::Plain } else { Tone::Warn };
    let why = counted.not_compared.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    let mut points = vec![
        point(tone, "new", format!("{new}{why}")),
        point(Tone::Plain, "all", format!("{all}; {} fixed", counted.fixed)),
    ];
    points.extend(counted.waived.iter().map(|by| {
        let text = format!("{} {} until {}, {} answers", by.count, by.what, by.until, by.owner);
        point(Tone::Warn, "waived", text)
    }));
    let unseen = card
        .evidence
        .iter()
        .filter(|line| !line.verdict.is_pass() || line.value.as_str().starts_with("skipped"));
    points
        .extend(unseen.map(|line| {
            point(Tone::Warn, "not scanned", format!("{}: {}", line.what, line.value))
        }));
    let changes = card.policy.iter().map(|change| point(Tone::Warn, "policy", change.to_string()));
    points.extend(changes);
    points
}

/// Which layers of defence somebody has looked at.
pub fn layer_points(card: &Card) -> Vec<Point> {
    card.layers.iter().map(layer).collect()
}

fn layer(layer: &CardLayer) -> Point {
    let list = |all: &[crate::release::Clean]| {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (tone, text) = match (layer.proofs.is_empty(), layer.unreported.is_empty()) {
        (false, _) => (Tone::Good, format!("proven by {}", list(&layer.proofs))),
        (true, false) => (Tone::Warn, format!("by exit code alone: {}", list(&layer.unreported))),
        (true, true) => (Tone::Warn, "not looked at".to_owned()),
    };
    point(tone, layer.name.as_str(), text)
}
