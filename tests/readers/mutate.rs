//! Every recorded report, spoilt in the ways that foreign data is spoilt: a typed error with its
//! place or a reading that keeps its promises, never a panic.

use std::collections::BTreeSet;

use gonogo::release::{ReportFormat, ReportState};
use gonogo::world::tools::{ReadError, Report};
use serde_json::{Value, json};

use super::{fixture, fixtures, in_records, parse};

/// The recorded reports that are one JSON document.
fn documents() -> impl Iterator<Item = (ReportFormat, &'static str, Value)> {
    fixtures().filter_map(|(format, path)| {
        let value = serde_json::from_slice(&fixture(path)).ok()?;
        Some((format, path, value))
    })
}

/// What was read keeps its promises, and an error says where.
fn honest(read: Result<Report, ReadError>, what: &str) {
    match read {
        Ok(Report { summary, findings }) => {
            let found: u32 = summary.counts.values().sum();
            if summary.state == ReportState::Clean {
                assert!(summary.covered > 0 && found == 0, "{what}: clean");
            }
            let texts = findings.iter().flat_map(|f| [&f.tool, &f.rule, &f.title, &f.location]);
            for text in texts.chain([&summary.coverage, &summary.tool]) {
                let hides = text.as_str().chars().any(gonogo::release::hidden);
                assert!(!hides, "{what}: {text:?}");
            }
        }
        Err(error) => {
            let said = error.to_string();
            let placed = said.contains(" at byte ") || matches!(error, ReadError::Empty { .. });
            assert!(placed && said.contains("read the report of "), "{what}: {said}");
            assert!(!said.chars().any(gonogo::release::hidden), "{what}: {said:?}");
        }
    }
}

/// Calls `each` with the document in which the value at every `stride`th place is another.
fn with_each_place(document: &Value, stride: usize, other: &Value, mut each: impl FnMut(Value)) {
    let mut places = Vec::new();
    collect(document, String::new(), &mut places);
    for place in places.iter().step_by(stride) {
        let mut changed = document.clone();
        if let Some(slot) = changed.pointer_mut(place) {
            *slot = other.clone();
            each(changed);
        }
    }
}

fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(all) => all.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        Value::Object(all) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            all.iter().map(|(key, value)| (escaped(key), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, value) in inner {
        collect(value, format!("{at}/{key}"), places);
    }
    places.push(at);
}

#[test]
fn t1_a_value_of_another_type_is_an_error_or_read_well() {
    let others =
        [json!(null), json!(-1), json!(1e300), json!("text"), json!([]), json!({}), json!(true)];
    for (format, path, document) in documents() {
        let mut places = Vec::new();
        collect(&document, String::new(), &mut places);
        let stride = (places.len() / 20).max(1);
        for other in &others {
            with_each_place(&document, stride, other, |changed| {
                honest(parse(format, changed.to_string().as_bytes()), path);
            });
        }
    }
}

#[test]
fn t1_text_that_hides_comes_out_visible_wherever_it_stands() {
    fn spoil(value: &mut Value) {
        match value {
            Value::String(text) => *text = format!("\u{1b}[2J\u{202e}{text}\u{0}\u{200b}"),
            Value::Array(all) => all.iter_mut().for_each(spoil),
            Value::Object(all) => all.values_mut().for_each(spoil),
            _ => {}
        }
    }
    for (format, path, mut document) in documents() {
        spoil(&mut document);
        honest(parse(format, document.to_string().as_bytes()), path);
    }
}

#[test]
fn t1_depth_is_refused_or_skipped_wherever_it_stands() {
    let marker = json!("the deep place");
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let mut formats = BTreeSet::new();
    for (format, path, document) in documents().filter(|(format, ..)| formats.insert(*format)) {
        let mut places = Vec::new();
        collect(&document, String::new(), &mut places);
        with_each_place(&document, (places.len() / 3).max(1), &marker, |changed| {
            let text = changed.to_string();
            let deep = text.replace("\"the deep place\"", &format!("{open}{close}"));
            honest(parse(format, deep.as_bytes()), path);
            let endless = text.replace("\"the deep place\"", &open);
            assert!(parse(format, endless.as_bytes()).is_err(), "{path}");
        });
    }
}

#[test]
fn a_second_document_and_another_encoding_are_errors() {
    for (format, path, document) in documents() {
        let bytes = fixture(path);
        let twice = [&bytes[..], b"\n", &bytes[..]].concat();
        assert!(in_records(format, path) || parse(format, &twice).is_err(), "{path} twice");
        let text = document.to_string();
        for units in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> =
                "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(units).collect();
            let error = parse(format, &wide).map(|r| r.summary).expect_err(path).to_string();
            assert!(error.contains("not UTF-8"), "{path}: {error}");
        }
    }
}

/// A key that counts and comes twice is refused; one that nobody reads may come as it likes.
#[test]
fn a_key_that_comes_twice_is_refused_or_changes_nothing() {
    for (format, path, document) in documents() {
        let Value::Object(keys) = &document else { continue };
        let plain = parse(format, document.to_string().as_bytes()).expect(path);
        let mut refused = 0;
        for (key, value) in keys {
            let text = document.to_string();
            let again = format!("{},{}:{value}}}", &text[..text.len() - 1], json!(key));
            match parse(format, again.as_bytes()) {
                Ok(read) => assert_eq!(read.findings, plain.findings, "{path}: {key}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 0, "{path}: no key of it counts");
    }
}
