//! What a request asks for: verb, kind, place and options, read from its method and path.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use http::request::Parts;

use super::failure::Failure;
use super::kinds::{KINDS, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    pub(super) fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

/// A part of an object that is addressed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sub {
    Scale,
    Status,
    Log,
}

/// One request, understood.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    pub(super) kind: &'static Kind,
    /// Empty: all namespaces, or a kind without them.
    pub(super) namespace: String,
    /// Empty for a collection.
    pub(super) name: String,
    pub(super) sub: Option<Sub>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn option(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.option(key), "true" | "1")
    }

    /// Who writes, for the ownership of fields.
    pub(super) fn manager(&self) -> &str {
        match self.option("fieldManager") {
            "" => "unknown",
            manager => manager,
        }
    }
}

/// Reads a request; what is not known is refused by name.
pub(super) fn read(parts: &Parts, body: Bytes) -> Result<Asked, Failure> {
    let query = query(parts.uri.query().unwrap_or(""));
    let path: Vec<&str> = parts.uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match path.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Failure::new(404, format!("the path {} is not served", parts.uri.path()))),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] if *plural != "status" => {
            (*namespace, (*plural, rest))
        }
        [plural, rest @ ..] => ("", (*plural, rest)),
        [] => return Err(Failure::new(404, "discovery is not served in a rehearsal")),
    };
    let (plural, rest) = rest;
    let kind = KINDS
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
        .ok_or_else(|| unknown(group, version, plural))?;
    let (name, sub) = match rest {
        [] => ("", None),
        [name] => (*name, None),
        [name, sub] => (*name, Some(part(kind, sub)?)),
        _ => return Err(Failure::new(404, format!("the path {} is not served", parts.uri))),
    };
    let verb = verb(&parts.method, name, query.get("watch").map_or("", String::as_str))
        .ok_or_else(|| not_allowed(kind, parts.method.as_str()))?;
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    Ok(Asked {
        verb,
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        sub,
        query,
        content_type: content_type.and_then(|it| it.to_str().ok()).unwrap_or("").to_owned(),
        body,
    })
}

fn unknown(group: &str, version: &str, plural: &str) -> Failure {
    let api = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Failure::new(404, format!("the rehearsal's API server does not know {plural} of {api}"))
}

pub(super) fn not_allowed(kind: &Kind, verb: &str) -> Failure {
    let verb = verb.to_lowercase();
    Failure::new(405, format!("the rehearsal's API server does not allow {verb} on {}", kind.name))
}

fn part(kind: &Kind, name: &str) -> Result<Sub, Failure> {
    match name {
        "scale" if kind.scale => Ok(Sub::Scale),
        "status" if kind.counted || kind.name == "Pod" => Ok(Sub::Status),
        "log" if kind.name == "Pod" => Ok(Sub::Log),
        _ => {
            let what = format!("{name} of {}", kind.name);
            Err(Failure::new(404, format!("the rehearsal's API server does not know {what}")))
        }
    }
}

fn verb(method: &Method, name: &str, watch: &str) -> Option<Verb> {
    match (method.as_str(), name.is_empty()) {
        ("GET", false) => Some(Verb::Get),
        ("GET", true) if matches!(watch, "true" | "1") => Some(Verb::Watch),
        ("GET", true) => Some(Verb::List),
        ("POST", true) => Some(Verb::Create),
        ("PUT", false) => Some(Verb::Update),
        ("PATCH", false) => Some(Verb::Patch),
        ("DELETE", false) => Some(Verb::Delete),
        _ => None,
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    };
    pairs.map(split).collect()
}

/// Undoes the percent-encoding of a query; what is not UTF-8 afterwards becomes a replacement.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                let code = high.zip(low).map_or(u32::from('?'), |(high, low)| high * 16 + low);
                bytes.push(u8::try_from(code).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The test a `labelSelector` makes: `app=backend,version in (blue,green),!track`.
pub(super) fn labels_match(selector: &str, labels: &serde_json::Value) -> Result<bool, Failure> {
    let mut rest = selector.trim();
    while !rest.is_empty() {
        // A comma inside parentheses does not end a requirement.
        let mut depth = 0_u32;
        let end = rest.find(|c: char| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        let (one, after) = end.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
        if !requirement(one.trim(), labels)? {
            return Ok(false);
        }
        rest = after.trim();
    }
    Ok(true)
}

fn requirement(text: &str, labels: &serde_json::Value) -> Result<bool, Failure> {
    let value = |key: &str| labels.get(key.trim()).and_then(serde_json::Value::as_str);
    if let Some((key, wanted)) = text.split_once("!=") {
        return Ok(value(key) != Some(wanted.trim()));
    }
    if let Some((key, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(value(key) == Some(wanted.trim()));
    }
    let listed = |list: &str| -> Vec<String> {
        let inner = list.trim().trim_start_matches('(').trim_end_matches(')');
        inner.split(',').map(|item| item.trim().to_owned()).collect()
    };
    if let Some((key, list)) = text.split_once(" notin ") {
        return Ok(value(key).is_none_or(|value| !listed(list).iter().any(|one| one == value)));
    }
    if let Some((key, list)) = text.split_once(" in ") {
        return Ok(value(key).is_some_and(|value| listed(list).iter().any(|one| one == value)));
    }
    if text.contains([' ', '(', ')']) {
        return Err(Failure::new(400, format!("unable to parse requirement: {text:?}")));
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(value(key).is_none()),
        None => Ok(value(text).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(method: &str, uri: &str) -> Result<Asked, Failure> {
        let request = http::Request::builder().method(method).uri(uri).body(()).expect("a request");
        read(&request.into_parts().0, Bytes::new())
    }

    #[test]
    fn paths_become_requests() {
        let asked =
            ask("PATCH", "/api/v1/namespaces/production/services/backend?fieldManager=a%2Fb")
                .expect("known");
        assert_eq!(
            (asked.verb, asked.kind.name, asked.name.as_str()),
            (Verb::Patch, "Service", "backend")
        );
        assert_eq!((asked.namespace.as_str(), asked.manager()), ("production", "a/b"));
        let asked = ask("GET", "/apis/apps/v1/namespaces/p/deployments/x/scale").expect("known");
        assert_eq!((asked.verb, asked.sub), (Verb::Get, Some(Sub::Scale)));
        let asked = ask("GET", "/api/v1/pods?watch=true").expect("known");
        assert_eq!((asked.verb, asked.namespace.as_str()), (Verb::Watch, ""));
        let asked = ask("GET", "/api/v1/namespaces/production").expect("known");
        assert_eq!((asked.kind.name, asked.name.as_str()), ("Namespace", "production"));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let failure = ask("GET", "/apis/batch/v1/namespaces/p/jobs").expect_err("unknown");
        assert_eq!(failure.code, 404);
        assert!(failure.message.contains("jobs of batch/v1"), "{}", failure.message);
        let failure = ask("DELETE", "/api/v1/namespaces/p/pods").expect_err("not allowed");
        assert_eq!((failure.code, failure.message.contains("Pod")), (405, true));
    }

    #[test]
    fn label_selectors_select() {
        let labels = json!({"app": "backend", "version": "blue"});
        let yes = |selector: &str| labels_match(selector, &labels).expect("parses");
        assert!(yes("") && yes("app=backend,version in (blue, green)") && yes("!track,app"));
        assert!(!yes("app=backend,version notin (blue)") && !yes("app!=backend") && !yes("track"));
        assert!(labels_match("a b c", &labels).is_err());
    }
}
