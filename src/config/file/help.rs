//! The words of an error and the way out of it.

use std::fmt;

/// What a type did not accept.
#[derive(Debug)]
pub(super) enum Kind {
    Type { found: String, expected: String, number: bool },
    Variant { found: String, expected: &'static [&'static str] },
    Field { found: String, expected: &'static [&'static str] },
    Missing(&'static str),
    Other(String),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { found, expected, .. } => {
                let found = if found == "unit value" { "nothing" } else { found };
                write!(f, "invalid type: {found}, expected {}", plain(expected))
            }
            Self::Variant { found, .. } => write!(f, "unknown value `{found}`"),
            Self::Field { found, .. } => write!(f, "unknown field `{found}`"),
            Self::Missing(field) => write!(f, "missing field `{field}`"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// What serde expects, without the Rust words.
fn plain(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other.starts_with("internally tagged") => "fields",
        other => other,
    }
}

impl Kind {
    /// The field that is unknown, if that is the fault.
    pub(super) fn field(&self) -> Option<&str> {
        match self {
            Self::Field { found, .. } => Some(found),
            Self::Type { .. } | Self::Variant { .. } | Self::Missing(_) | Self::Other(_) => None,
        }
    }

    /// What to do; `key` is the last key on the way to the fault.
    pub(super) fn help(&self, key: Option<&str>) -> Option<String> {
        match self {
            Self::Type { expected, number, .. } => {
                type_help(plain(expected), *number, key.unwrap_or("key"))
            }
            Self::Variant { found, expected } | Self::Field { found, expected } => {
                Some(names_help(found, expected))
            }
            Self::Missing(field) => Some(format!("add `{field}: …`")),
            Self::Other(_) => None,
        }
    }
}

fn type_help(expected: &str, number: bool, key: &str) -> Option<String> {
    let whole = ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64"].contains(&expected);
    let decimal = matches!(expected, "f32" | "f64");
    if (whole || decimal) && number {
        return Some("remove the quotes: a number stands plain".to_owned());
    }
    match expected {
        _ if whole => {
            let (unit, example) = unit(key);
            Some(format!("give a whole number{unit}, for example `{key}: {example}`"))
        }
        _ if decimal => Some(format!("give a number, for example `{key}: 0.5`")),
        "a boolean" => Some(format!("`{key}: true` or `{key}: false`")),
        "a string" => Some(format!("give a text, for example `{key}: \"text\"`")),
        "a list" => Some(format!("give a list, for example `{key}: [first, second]`")),
        "fields" | "a map" => Some(format!("give fields, indented under `{key}:`")),
        _ => None,
    }
}

/// The unit that a key's name ends in, and a likely number of it.
fn unit(key: &str) -> (&'static str, &'static str) {
    match key.rsplit('_').next() {
        Some("s") => (" of seconds", "600"),
        Some("ms") => (" of milliseconds", "500"),
        Some("days") => (" of days", "30"),
        Some("bytes") => (" of bytes", "1048576"),
        _ => ("", "3"),
    }
}

/// The nearest of the names that fit, or all of them.
pub(super) fn names_help(found: &str, expected: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(found, name);
    let nearest = expected.iter().min_by_key(distance);
    let near = nearest.filter(|name| {
        let close = (found.len().max(name.len()) / 3).max(1);
        distance(name) <= close
    });
    let quoted = |names: Vec<&&str>| -> Vec<String> {
        names.into_iter().map(|name| format!("`{name}`")).collect()
    };
    let longer = |name: &&&str| found.len() >= 3 && name.starts_with(found);
    let begun = quoted(expected.iter().filter(longer).collect());
    let all = quoted(expected.iter().collect());
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if !begun.is_empty() => format!("did you mean {}?", begun.join(" or ")),
        None if all.is_empty() => "nothing can stand here".to_owned(),
        None if all.len() == 1 => format!("only {} can stand here", all[0]),
        None => format!("one of {}", all.join(", ")),
    }
}
