//! Reading a reply: exactly one finite, fresh number about the right slot, or a reason.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::web::WebAnswer;
use crate::release::{Clean, Finite};

/// Why there is no reading. It is never a zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoReading {
    pub reason: Clean,
}

impl NoReading {
    pub(super) fn new(reason: &str) -> Self {
        Self { reason: Clean::new(reason).cut(300) }
    }
}

/// One point of a range; none where the value is not a finite number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Wall clock, milliseconds since the epoch.
    pub at_ms: i64,
    pub value: Option<Finite>,
}

/// What an instant query must be about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The value of the label `version`.
    pub(super) version: &'a str,
    /// The time that was asked for, wall clock.
    pub(super) at_ms: i64,
    /// How far the reply's own time may be from it.
    pub(super) tolerance_ms: i64,
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
    Scalar(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

impl Data {
    fn kind(&self) -> &'static str {
        match self {
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
            Self::Scalar(_) => "scalar",
            Self::String(_) => "string",
        }
    }
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Option<Vec<(f64, String)>>,
}

/// Reads the answer to an instant query.
pub(super) fn read_instant(
    answer: &WebAnswer,
    expected: Expected<'_>,
) -> Result<Finite, NoReading> {
    let series = match data(answer)? {
        Data::Vector(series) => series,
        other => return Err(wrong_kind(&other, "vector")),
    };
    let series = one(series)?;
    about(&series, expected.version)?;
    let Some((at_s, text)) = series.value else {
        return Err(NoReading::new("the series has no plain value"));
    };
    let off_ms = millis(at_s)?.saturating_sub(expected.at_ms);
    if off_ms.abs() > expected.tolerance_ms {
        return Err(NoReading::new(&format!(
            "the reply is for a time {:+} s from now",
            off_ms / 1000
        )));
    }
    number(&text)
}

/// Reads the answer to a range query about the series labelled `version`.
pub(super) fn read_range(answer: &WebAnswer, version: &str) -> Result<Vec<Point>, NoReading> {
    let series = match data(answer)? {
        Data::Matrix(series) => series,
        other => return Err(wrong_kind(&other, "matrix")),
    };
    let series = one(series)?;
    about(&series, version)?;
    let values = series.values.unwrap_or_default();
    if values.is_empty() {
        return Err(NoReading::new("the series has no values"));
    }
    let mut points = Vec::with_capacity(values.len());
    for (at_s, text) in values {
        let at_ms = millis(at_s)?;
        if points.last().is_some_and(|last: &Point| last.at_ms >= at_ms) {
            return Err(NoReading::new("the times of the series do not rise"));
        }
        points.push(Point { at_ms, value: parse(&text)?.ok() });
    }
    Ok(points)
}

/// The data of a reply that says it is whole.
fn data(answer: &WebAnswer) -> Result<Data, NoReading> {
    let status = answer.status;
    if answer.content_type == "text/html" || answer.body.trim_ascii_start().starts_with(b"<") {
        let words = format!("a web page instead of numbers (HTTP {status}), maybe a sign-in page");
        return Err(NoReading::new(&words));
    }
    if status != 200 {
        let said = serde_json::from_slice::<Reply>(&answer.body).ok().and_then(|r| r.error);
        let said = said.map_or(String::new(), |said| format!(": {said}"));
        return Err(NoReading::new(&match status {
            401 => format!("not signed in (HTTP 401){said}"),
            403 => format!("not allowed (HTTP 403){said}"),
            300..=399 => format!("sent elsewhere (HTTP {status}), maybe to a sign-in page"),
            _ => format!("HTTP {status}{said}"),
        }));
    }
    if answer.content_type != "application/json" {
        let kind = if answer.content_type.is_empty() { "no type" } else { &answer.content_type };
        return Err(NoReading::new(&format!("the answer is {kind}, not JSON")));
    }
    let reply: Reply = serde_json::from_slice(&answer.body)
        .map_err(|error| NoReading::new(&format!("the answer is no Prometheus reply: {error}")))?;
    if reply.status != "success" {
        let said = reply.error.unwrap_or_default();
        return Err(NoReading::new(&format!("the query failed ({}): {said}", reply.status)));
    }
    if let Some(warning) = reply.warnings.unwrap_or_default().first() {
        return Err(NoReading::new(&format!("the answer may be incomplete: {warning}")));
    }
    reply.data.ok_or_else(|| NoReading::new("the reply has no data"))
}

fn wrong_kind(data: &Data, wanted: &str) -> NoReading {
    NoReading::new(&format!("the query answers with a {}, not a {wanted}", data.kind()))
}

fn one(series: Vec<Series>) -> Result<Series, NoReading> {
    let count = series.len();
    let mut series = series.into_iter();
    match (series.next(), count) {
        (Some(only), 1) => Ok(only),
        (None, _) => Err(NoReading::new("no data: no series matches")),
        _ => Err(NoReading::new(&format!("{count} series where one was expected"))),
    }
}

/// The series must say by its label that it is about this slot (F48).
fn about(series: &Series, version: &str) -> Result<(), NoReading> {
    match series.metric.get("version") {
        Some(label) if label == version => Ok(()),
        Some(label) => {
            Err(NoReading::new(&format!("the series is about {label:?}, not {version:?}")))
        }
        None => Err(NoReading::new("the series has no label \"version\"")),
    }
}

fn number(text: &str) -> Result<Finite, NoReading> {
    parse(text)?
        .map_err(|_| NoReading::new(&format!("the value is {text}: nothing could be measured")))
}

/// The number, which may not be finite; the error is for text that is no number at all.
fn parse(text: &str) -> Result<Result<Finite, crate::release::NotFinite>, NoReading> {
    let value: f64 = text.parse().map_err(|_| {
        let text = Clean::new(text).cut(40);
        NoReading::new(&format!("the value {:?} is no number", text.as_str()))
    })?;
    Ok(Finite::new(value))
}

fn millis(at_s: f64) -> Result<i64, NoReading> {
    // Year 9999; anything later is not a time of ours.
    if at_s.is_finite() && (0.0..2.5e11).contains(&at_s) {
        #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
        return Ok((at_s * 1000.0).round() as i64);
    }
    Err(NoReading::new("the reply's time is no time"))
}
