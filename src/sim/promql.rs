//! As much of `PromQL` as the cockpit's own questions need; everything else is refused by name.

use std::collections::BTreeMap;

/// The labels of a series, its metric's name among them as `__name__`.
pub(super) type Labels = BTreeMap<String, String>;

/// Where series come from.
pub(super) trait Source {
    /// The samples of every series called `metric`, later than `from_ms` and not later than
    /// `to_ms`, oldest first.
    fn series(&self, metric: &str, from_ms: i64, to_ms: i64) -> Vec<(Labels, Vec<(i64, f64)>)>;
}

/// How far an instant selector looks back, as Prometheus does.
const LOOKBACK_MS: i64 = 300_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Number(f64),
    Selector { metric: String, matchers: Vec<Matcher>, range_ms: Option<i64> },
    Call { function: String, arguments: Vec<Expr> },
    Aggregate { operator: String, by: Vec<String>, inner: Box<Expr> },
    Binary { operator: &'static str, left: Box<Expr>, right: Box<Expr> },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

/// A value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<(Labels, f64)>),
}

/// Parses `text`; the error says what is not understood.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text };
    let expr = parser.either()?;
    parser.skip_space();
    if parser.rest.is_empty() { Ok(expr) } else { Err(parser.unexpected()) }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The lowest level: `a or b`.
    fn either(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        while self.eat_word("or") {
            let right = self.product()?;
            left = binary("or", left, right);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unit()?;
        loop {
            let operator = if self.eat("*") {
                "*"
            } else if self.eat("/") {
                "/"
            } else {
                return Ok(left);
            };
            let right = self.unit()?;
            left = binary(operator, left, right);
        }
    }

    fn unit(&mut self) -> Result<Expr, String> {
        if self.eat("(") {
            let inner = self.either()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.skip_space();
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let number = self.take(|c| c.is_ascii_digit() || c == '.');
            return number.parse().map(Expr::Number).map_err(|_| format!("bad number {number:?}"));
        }
        let name = self.name()?;
        match name {
            "sum" | "max" => self.aggregate(name),
            "rate" | "increase" | "timestamp" | "histogram_quantile" => self.call(name),
            _ if self.peek("(") => Err(format!("unknown function with name {name:?}")),
            _ => self.selector(name),
        }
    }

    fn aggregate(&mut self, operator: &str) -> Result<Expr, String> {
        let mut by = Vec::new();
        if !self.eat_word("by") {
            return Err(format!("`{operator}` without `by` is not rehearsed"));
        }
        self.expect("(")?;
        while !self.eat(")") {
            by.push(self.name()?.to_owned());
            self.eat(",");
        }
        self.expect("(")?;
        let inner = Box::new(self.either()?);
        self.expect(")")?;
        Ok(Expr::Aggregate { operator: operator.to_owned(), by, inner })
    }

    fn call(&mut self, function: &str) -> Result<Expr, String> {
        self.expect("(")?;
        let mut arguments = vec![self.either()?];
        while self.eat(",") {
            arguments.push(self.either()?);
        }
        self.expect(")")?;
        Ok(Expr::Call { function: function.to_owned(), arguments })
    }

    fn selector(&mut self, metric: &str) -> Result<Expr, String> {
        let mut matchers = Vec::new();
        if self.eat("{") {
            while !self.eat("}") {
                let label = self.name()?.to_owned();
                let operators = ["=~", "!~", "!=", "="];
                let operator = operators.into_iter().find(|operator| self.eat(operator));
                let operator = operator.ok_or_else(|| self.unexpected())?;
                matchers.push(Matcher { label, operator, value: self.quoted()?.to_owned() });
                self.eat(",");
            }
        }
        let range_ms = if self.eat("[") { Some(self.duration()?) } else { None };
        Ok(Expr::Selector { metric: metric.to_owned(), matchers, range_ms })
    }

    fn duration(&mut self) -> Result<i64, String> {
        self.skip_space();
        let count = self.take(|c| c.is_ascii_digit());
        let unit = self.take(|c| c.is_ascii_alphabetic());
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(format!("bad duration unit {unit:?}")),
        };
        self.expect("]")?;
        let count: i64 = count.parse().map_err(|_| format!("bad duration {count:?}"))?;
        match count.checked_mul(factor) {
            Some(ms) if ms > 0 => Ok(ms),
            _ => Err("duration must be greater than 0".to_owned()),
        }
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        self.expect("\"")?;
        let (value, rest) = self.rest.split_once('"').ok_or("unterminated quoted string")?;
        if value.contains('\\') {
            return Err("escapes in strings are not rehearsed".to_owned());
        }
        self.rest = rest;
        Ok(value)
    }

    fn name(&mut self) -> Result<&'a str, String> {
        self.skip_space();
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        if name.is_empty() { Err(self.unexpected()) } else { Ok(name) }
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self, token: &str) -> bool {
        self.skip_space();
        self.rest.starts_with(token)
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = self.rest.strip_prefix(word).filter(|rest| ends(rest));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> String {
        let next: String = self.rest.chars().take(20).collect();
        if next.is_empty() {
            return "unexpected end of input".to_owned();
        }
        format!("unexpected {next:?}: not part of the rehearsed PromQL")
    }
}

fn binary(operator: &'static str, left: Expr, right: Expr) -> Expr {
    Expr::Binary { operator, left: Box::new(left), right: Box::new(right) }
}

/// Evaluates `expr` at `at_ms`.
pub(super) fn eval(expr: &Expr, at_ms: i64, source: &impl Source) -> Result<Value, String> {
    match expr {
        Expr::Number(number) => Ok(Value::Scalar(*number)),
        Expr::Selector { range_ms: Some(_), .. } => {
            Err("a range is only rehearsed inside rate() and increase()".to_owned())
        }
        Expr::Selector { .. } => {
            let newest = instant(expr, at_ms, source)?;
            Ok(Value::Vector(
                newest.into_iter().map(|(labels, _, value)| (labels, value)).collect(),
            ))
        }
        Expr::Aggregate { operator, by, inner } => {
            Ok(aggregate(operator, by, vector(eval(inner, at_ms, source)?)?))
        }
        Expr::Call { function, arguments } => call(function, arguments, at_ms, source),
        Expr::Binary { operator, left, right } => {
            combine(operator, eval(left, at_ms, source)?, eval(right, at_ms, source)?)
        }
    }
}

fn vector(value: Value) -> Result<Vec<(Labels, f64)>, String> {
    match value {
        Value::Vector(vector) => Ok(vector),
        Value::Scalar(_) => Err("expected a vector, got a scalar".to_owned()),
    }
}

/// The newest sample of every series that an instant selector matches, with its time.
fn instant(
    expr: &Expr,
    at_ms: i64,
    source: &impl Source,
) -> Result<Vec<(Labels, i64, f64)>, String> {
    let Expr::Selector { metric, matchers, range_ms: None } = expr else {
        return Err("expected an instant selector".to_owned());
    };
    let mut newest = Vec::new();
    for (labels, samples) in source.series(metric, at_ms - LOOKBACK_MS, at_ms) {
        if let (true, Some((time_ms, value))) = (all_match(matchers, &labels)?, samples.last()) {
            newest.push((labels, *time_ms, *value));
        }
    }
    Ok(newest)
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> Result<bool, String> {
    for matcher in matchers {
        let value = labels.get(&matcher.label).map_or("", String::as_str);
        let fits = match matcher.operator {
            "=" => value == matcher.value,
            "!=" => value != matcher.value,
            "=~" => pattern(&matcher.value, value)?,
            _ => !pattern(&matcher.value, value)?,
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `value` is one of the alternatives of `pattern`, in which `.` stands for any character
/// and `.*` for any text.
fn pattern(pattern: &str, value: &str) -> Result<bool, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '|' | '-' | '_');
    if pattern != ".*" && !pattern.chars().all(plain) {
        return Err(format!("the pattern {pattern:?} is not rehearsed"));
    }
    Ok(pattern.split('|').any(|one| {
        one == ".*"
            || one.len() == value.len()
                && one.bytes().zip(value.bytes()).all(|(p, v)| p == b'.' || p == v)
    }))
}

fn aggregate(operator: &str, by: &[String], series: Vec<(Labels, f64)>) -> Value {
    let mut groups: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in series {
        let kept = labels.into_iter().filter(|(name, _)| by.contains(name)).collect();
        groups
            .entry(kept)
            .and_modify(|sum| *sum = if operator == "max" { sum.max(value) } else { *sum + value })
            .or_insert(value);
    }
    Value::Vector(groups.into_iter().collect())
}

fn call(
    function: &str,
    arguments: &[Expr],
    at_ms: i64,
    source: &impl Source,
) -> Result<Value, String> {
    match (function, arguments) {
        ("timestamp", [selector]) => {
            let newest = instant(selector, at_ms, source)?;
            Ok(Value::Vector(
                newest.into_iter().map(|(l, ms, _)| (named(l), seconds(ms))).collect(),
            ))
        }
        ("rate" | "increase", [Expr::Selector { metric, matchers, range_ms: Some(range_ms) }]) => {
            let mut rates = Vec::new();
            for (labels, samples) in source.series(metric, at_ms - range_ms, at_ms) {
                if !all_match(matchers, &labels)? {
                    continue;
                }
                if let Some(increase) = increase(&samples, at_ms - range_ms, at_ms) {
                    let over_s = if function == "rate" { seconds(*range_ms) } else { 1.0 };
                    rates.push((named(labels), increase / over_s));
                }
            }
            Ok(Value::Vector(rates))
        }
        ("histogram_quantile", [Expr::Number(quantile), buckets]) => {
            Ok(quantiles(*quantile, vector(eval(buckets, at_ms, source)?)?))
        }
        _ => Err(format!("these arguments of {function}() are not rehearsed")),
    }
}

/// Functions drop the metric's name.
fn named(mut labels: Labels) -> Labels {
    labels.remove("__name__");
    labels
}

#[expect(clippy::cast_precision_loss, reason = "wall clock milliseconds fit in 2^52")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The increase of a counter over a window as Prometheus reckons it: resets are made good, and
/// the samples' own span is stretched to the window's edges, but not by more than half a scrape
/// beyond where they are missing, nor below zero.
fn increase(samples: &[(i64, f64)], from_ms: i64, to_ms: i64) -> Option<f64> {
    let ((first_ms, first), (last_ms, last)) = (*samples.first()?, *samples.last()?);
    if samples.len() < 2 {
        return None;
    }
    let resets: f64 =
        samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum();
    let increase = last - first + resets;
    let sampled_s = seconds(last_ms - first_ms);
    #[expect(clippy::cast_precision_loss, reason = "a window has few samples")]
    let between_s = sampled_s / (samples.len() - 1) as f64;
    let stretch = |gap_s: f64| if gap_s < between_s * 1.1 { gap_s } else { between_s / 2.0 };
    let mut before_s = stretch(seconds(first_ms - from_ms));
    if increase > 0.0 && first >= 0.0 {
        before_s = before_s.min(sampled_s * (first / increase));
    }
    let span_s = before_s + sampled_s + stretch(seconds(to_ms - last_ms));
    Some(increase * span_s / sampled_s)
}

/// `histogram_quantile` over classic buckets.
fn quantiles(quantile: f64, series: Vec<(Labels, f64)>) -> Value {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in series {
        let bound = match labels.remove("le").as_deref() {
            Some("+Inf") => f64::INFINITY,
            Some(bound) => bound.parse().unwrap_or(f64::NAN),
            None => continue,
        };
        histograms.entry(labels).or_default().push((bound, count));
    }
    let of = |mut buckets: Vec<(f64, f64)>| {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        quantile_of(quantile, &buckets)
    };
    Value::Vector(histograms.into_iter().map(|(labels, buckets)| (labels, of(buckets))).collect())
}

fn quantile_of(quantile: f64, buckets: &[(f64, f64)]) -> f64 {
    let [.., (widest, total)] = *buckets else { return f64::NAN };
    if widest != f64::INFINITY || buckets.len() < 2 || total == 0.0 {
        return f64::NAN;
    }
    let rank = quantile * total;
    let place = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
    if place == buckets.len() - 1 {
        return buckets[place - 1].0;
    }
    let (low, below) = if place == 0 { (0.0, 0.0) } else { buckets[place - 1] };
    let (high, count) = buckets[place];
    low + (high - low) * (rank - below) / (count - below)
}

fn combine(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    let apply = |a: f64, b: f64| if operator == "*" { a * b } else { a / b };
    match (operator, left, right) {
        ("or", Value::Vector(mut left), Value::Vector(right)) => {
            let missing: Vec<_> =
                right.into_iter().filter(|(l, _)| !left.iter().any(|(own, _)| own == l)).collect();
            left.extend(missing);
            Ok(Value::Vector(left))
        }
        ("or", _, _) => Err("set operator \"or\" not allowed with scalars".to_owned()),
        (_, Value::Scalar(a), Value::Scalar(b)) => Ok(Value::Scalar(apply(a, b))),
        (_, Value::Scalar(a), Value::Vector(right)) => {
            Ok(Value::Vector(right.into_iter().map(|(l, b)| (named(l), apply(a, b))).collect()))
        }
        (_, Value::Vector(left), Value::Scalar(b)) => {
            Ok(Value::Vector(left.into_iter().map(|(l, a)| (named(l), apply(a, b))).collect()))
        }
        (_, Value::Vector(left), Value::Vector(right)) => {
            let right: BTreeMap<Labels, f64> =
                right.into_iter().map(|(labels, value)| (named(labels), value)).collect();
            let pairs = left.into_iter().filter_map(|(labels, a)| {
                let labels = named(labels);
                let b = *right.get(&labels)?;
                Some((labels, apply(a, b)))
            });
            Ok(Value::Vector(pairs.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table(Vec<(Labels, Vec<(i64, f64)>)>);

    impl Source for Table {
        fn series(&self, metric: &str, from: i64, to: i64) -> Vec<(Labels, Vec<(i64, f64)>)> {
            let named = self.0.iter().filter(|(labels, _)| labels["__name__"] == metric);
            named
                .map(|(labels, samples)| {
                    let inside = samples.iter().filter(|(ms, _)| *ms > from && *ms <= to);
                    (labels.clone(), inside.copied().collect())
                })
                .collect()
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn at_60(query: &str) -> Result<Value, String> {
        let ramp = |per_s: f64| {
            (0..=12_i32).map(move |i| (i64::from(i) * 5000, f64::from(i) * 5.0 * per_s))
        };
        let mut series = vec![
            (labels(&[("__name__", "hits"), ("code", "200")]), ramp(9.0).collect()),
            (labels(&[("__name__", "hits"), ("code", "503")]), ramp(1.0).collect()),
        ];
        for (le, per_s) in [("0.1", 5.0), ("0.5", 9.0), ("+Inf", 10.0)] {
            series.push((labels(&[("__name__", "h_bucket"), ("le", le)]), ramp(per_s).collect()));
        }
        eval(&parse(query)?, 60_000, &Table(series))
    }

    fn only(query: &str) -> f64 {
        match at_60(query) {
            Ok(Value::Vector(v)) if v.len() == 1 => v[0].1,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[track_caller]
    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
    }

    #[test]
    fn the_rehearsed_expressions_mean_what_prometheus_means() {
        near(only("sum by (x) (rate(hits[30s]))"), 10.0);
        near(only("sum by (x) (increase(hits[30s]))"), 300.0);
        near(
            only("sum by (x) (rate(hits{code=~\"5..\"}[30s])) / sum by (x) (rate(hits[30s]))"),
            0.1,
        );
        near(
            only("(sum by (x) (hits{code=\"1\"}) or sum by (x) (hits) * 0) / sum by (x) (hits)"),
            0.0,
        );
        near(only("max by (x) (timestamp(hits))"), 60.0);
        near(only("histogram_quantile(0.5, sum by (le) (rate(h_bucket[30s])))"), 0.1);
        near(only("1000 * histogram_quantile(0.7, sum by (le) (rate(h_bucket[30s])))"), 300.0);
        near(only("histogram_quantile(0.99, sum by (le) (rate(h_bucket[30s])))"), 0.5);
    }

    /// The figures are those of Prometheus 3.16 itself for the same samples and queries.
    #[test]
    fn increases_are_those_of_the_real_prometheus() {
        let from_15 = |first: u32| (0..10).map(move |i| f64::from(first + 100 * i));
        let whole = [1000.0, 1100.0, 1200.0].into_iter().chain(from_15(20)).collect::<Vec<_>>();
        for (first_ms, values, at_ms, expected) in [
            (0, whole, 33_000, 504.0),
            (15_000, from_15(20).collect(), 33_000, 380.0),
            (15_000, from_15(80).collect(), 33_000, 410.0),
            (15_000, from_15(20).collect(), 63_000, 600.0),
        ] {
            let times = (0..).map(|i| first_ms + 5000 * i);
            let samples: Vec<(i64, f64)> = times.zip(values).collect();
            let table = Table(vec![(labels(&[("__name__", "hits")]), samples)]);
            let expr = parse("sum by (x) (increase(hits[30s]))").expect("rehearsed");
            match eval(&expr, at_ms, &table) {
                Ok(Value::Vector(v)) => near(v[0].1, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn quantiles_are_those_of_the_real_prometheus() {
        let counts = [(0.005, 10.0), (0.05, 120.0), (0.1, 190.0), (0.25, 204.0), (1.0, 208.0)];
        let mut buckets = counts.to_vec();
        buckets.push((f64::INFINITY, 208.0));
        near(1000.0 * quantile_of(0.95, &buckets), 181.428_571_428_571_1);
    }

    #[test]
    fn a_reset_is_made_good_and_one_sample_is_no_rate() {
        near(increase(&[(0, 10.0), (5000, 4.0), (10_000, 8.0)], 0, 10_000).expect("two"), 8.0);
        assert_eq!(increase(&[(0, 10.0)], 0, 10_000), None);
    }

    #[test]
    fn what_is_not_rehearsed_is_refused_by_name() {
        for (query, words) in [
            ("avg_over_time(hits[5m])", "unknown function with name \"avg_over_time\""),
            ("sum(hits)", "`sum` without `by`"),
            ("hits[5m]", "inside rate()"),
            ("hits offset 5m", "not part of the rehearsed"),
            ("hits{code=~\"(5|4)..\"}", "is not rehearsed"),
            ("rate(hits)", "these arguments of rate()"),
            ("hits + 1", "not part of the rehearsed"),
            ("", "unexpected end"),
        ] {
            let error = at_60(query).expect_err(query);
            assert!(error.contains(words), "{query}: {error}");
        }
    }
}
