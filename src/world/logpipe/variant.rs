//! The forms in which tools print a secret (reliability part 3.4).

use std::collections::BTreeSet;

use crate::release::{SECRET_BYTES_MIN, Secret};

/// The columns after which base64 is wrapped: MIME's and PEM's.
const WRAPS: [usize; 2] = [76, 64];

/// Every form of `secret` that is masked. None is shorter than [`SECRET_BYTES_MIN`].
pub(super) fn variants(secret: &Secret) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    for value in values(secret.reveal()) {
        forms(&value, &mut all);
    }
    all.retain(|form| form.len() >= SECRET_BYTES_MIN);
    all
}

/// The secret, itself without the space around it, its lines, and the values inside it where it
/// has a structure: JSON leaves, the password of a URL, the keys of a connection string.
fn values(raw: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut values = BTreeSet::from([raw.to_vec(), raw.trim_ascii().to_vec()]);
    for line in raw.split(|byte| *byte == b'\n') {
        values.insert(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        values.insert(line.trim_ascii().to_vec());
    }
    if let Ok(text) = std::str::from_utf8(raw) {
        if text.trim_start().starts_with(['{', '[']) {
            let parsed = serde_json::from_str::<serde_json::Value>(text);
            leaves(&parsed.unwrap_or_default(), &mut values);
        }
        inner(text, &mut values);
    }
    values.retain(|value| value.len() >= SECRET_BYTES_MIN);
    values
}

fn leaves(value: &serde_json::Value, into: &mut BTreeSet<Vec<u8>>) {
    match value {
        serde_json::Value::String(text) => {
            into.insert(text.as_bytes().to_vec());
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| leaves(item, into)),
        _ => {}
    }
}

/// The password of `scheme://user:password@host` and the secret parts of `Key=value;Key=value`.
fn inner(text: &str, into: &mut BTreeSet<Vec<u8>>) {
    if let Some((_, rest)) = text.split_once("://")
        && let Some((user, _)) = rest.rsplit_once('@')
        && let Some((_, password)) = user.split_once(':')
    {
        into.insert(password.as_bytes().to_vec());
        into.insert(percent_decode(password));
    }
    for part in text.split([';', '&', '\n']) {
        let Some((key, value)) = part.split_once('=') else { continue };
        let key = key.to_ascii_lowercase();
        let secret = ["key", "pass", "pwd", "secret", "token", "sig"];
        if secret.iter().any(|word| key.contains(word)) {
            into.insert(value.trim().as_bytes().to_vec());
        }
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match pair.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn forms(value: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    all.insert(value.to_vec());
    for upper in [false, true] {
        all.insert(hex(value, upper));
        all.insert(percent(value, b"-_.~", upper, false));
        all.insert(percent(value, b"-_.~!'()*", upper, false));
        all.insert(percent(value, b"-_.~!'()*;/?:@&=+$,#", upper, false));
        all.insert(percent(value, b"-_.*", upper, true));
        all.insert(c_escape(value, upper));
    }
    base64_forms(value, all);
    if let Ok(text) = std::str::from_utf8(value) {
        text_forms(text, all);
    }
}

fn hex(value: &[u8], upper: bool) -> Vec<u8> {
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    value.iter().flat_map(|b| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]]).collect()
}

/// Percent-encoding of everything but ASCII letters, digits and `keep`; `form` writes a space as
/// a plus sign.
fn percent(value: &[u8], keep: &[u8], upper: bool, form: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    for &byte in value {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(byte);
        } else if form && byte == b' ' {
            out.push(b'+');
        } else {
            out.push(b'%');
            out.extend(hex(&[byte], upper));
        }
    }
    out
}

fn c_escape(value: &[u8], upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    for &byte in value {
        match byte {
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            _ => {
                out.extend(b"\\x");
                out.extend(hex(&[byte], upper));
            }
        }
    }
    out
}

fn text_forms(text: &str, all: &mut BTreeSet<Vec<u8>>) {
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_start_matches('"');
    let json = json.strip_suffix('"').unwrap_or(json);
    let mut add = |form: String| {
        all.insert(form.into_bytes());
    };
    add(json.to_owned());
    add(json.replace('/', "\\/"));
    // Go and Ruby also escape what HTML gives a meaning, .NET more of it; Python all but ASCII.
    for upper in [false, true] {
        for special in ["<>&", "<>&'", "<>&'+`"] {
            let html = |c| if special.contains(c) { unicode(c, upper) } else { c.to_string() };
            add(json.chars().map(html).collect());
        }
        let ascii = |c: char| if c.is_ascii() { c.to_string() } else { unicode(c, upper) };
        add(json.chars().map(ascii).collect());
    }
    for (apos, quote) in [("&apos;", "&quot;"), ("&#39;", "&#34;"), ("&#x27;", "&quot;")] {
        let base = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        add(base.clone());
        add(base.replace('"', quote));
        add(base.replace('"', quote).replace('\'', apos));
    }
    add(text.replace('\'', "'\\''"));
    add(text.replace('\'', "'\"'\"'"));
    add(text.replace('\'', "\\'"));
    add(text.replace('\'', "''"));
    add(text.replace('"', "\"\""));
    add(escaped(text, '\\', |c| "\"\\$`".contains(c)));
    add(escaped(text, '\\', |c| "\"\\$`!".contains(c)));
    add(escaped(text, '\\', |c| {
        c.is_ascii_punctuation() && !"_-./:@%+,=^".contains(c) || c == ' '
    }));
    add(escaped(text, '`', |c| "\"`$".contains(c)));
    add(escaped(text, '`', |c| "\"`$'".contains(c)));
    // PowerShell redirects as UTF-16; without the last NUL both byte orders are found.
    let mut wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    if wide.last() == Some(&0) {
        wide.pop();
    }
    all.insert(wide);
}

fn unicode(c: char, upper: bool) -> String {
    let mut units = [0; 2];
    let unit = |u: &mut u16| if upper { format!("\\u{u:04X}") } else { format!("\\u{u:04x}") };
    c.encode_utf16(&mut units).iter_mut().map(unit).collect()
}

fn escaped(text: &str, mark: char, special: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if special(c) {
            out.push(mark);
        }
        out.push(c);
    }
    out
}

/// Base64 of the value wherever it stands in the encoded bytes: at each of the three alignments
/// the characters that it shares with its neighbours are left out. `user:secret` of basic
/// authentication is one of these.
fn base64_forms(value: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    for skew in 0..3 {
        let mut padded = vec![0; skew];
        padded.extend_from_slice(value);
        // Characters touched by the bytes before: none, two (one of them shared), three.
        let from = [0, 2, 3][skew];
        let full = padded.len() * 8 / 6;
        for engine in [&STANDARD, &URL_SAFE] {
            let text = engine.encode(&padded);
            let bare = text.trim_end_matches('=');
            for form in [&text[from..], &bare[from..], &text[from..full]] {
                all.insert(form.as_bytes().to_vec());
                for wrap in WRAPS {
                    if form.len() > wrap {
                        all.extend(form.as_bytes().chunks(wrap).map(<[u8]>::to_vec));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: &str) -> BTreeSet<String> {
        let secret = Secret::new(secret.as_bytes()).expect("long enough");
        variants(&secret).into_iter().map(|v| String::from_utf8_lossy(&v).into_owned()).collect()
    }

    #[track_caller]
    fn has(secret: &str, forms: &[&str]) {
        let all = of(secret);
        for form in forms {
            assert!(all.contains(*form), "{form} is missing of {all:#?}");
        }
    }

    #[test]
    fn t16_every_escape_of_part_3_4_is_a_variant() {
        has(
            "p/a\"s'w&o r<d$é\\",
            &[
                r#"p/a\"s'w&o r<d$é\\"#,
                r#"p/a\"s'w\u0026o r\u003cd$é\\"#,
                r#"p/a\"s'w&o r<d$\u00e9\\"#,
                "p%2fa%22s%27w%26o%20r%3cd%24%c3%a9%5c",
                "p%2Fa%22s%27w%26o%20r%3Cd%24%C3%A9%5C",
                "p%2Fa%22s'w%26o%20r%3Cd%24%C3%A9%5C",
                "p%2Fa%22s%27w%26o+r%3Cd%24%C3%A9%5C",
                "p/a&quot;s&apos;w&amp;o r&lt;d$é\\",
                "p/a&#34;s&#39;w&amp;o r&lt;d$é\\",
                "p/a\"s'\\''w&o r<d$é\\",
                r#"p/a\"s\'w\&o\ r\<d\$é\\"#,
                r#"p/a\"s'w&o r<d$\xc3\xa9\\"#,
                "p/a`\"s`'w&o r<d`$é\\",
                "702f6122732777266f20723c6424c3a95c",
                "702F6122732777266F20723C6424C3A95C",
            ],
        );
    }

    #[test]
    fn t16_base64_is_found_at_all_alignments() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
        let secret = "s3cr~t?>>pass\u{ff}";
        let all = of(secret);
        for before in 0..6 {
            for after in 0..4 {
                let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(after));
                for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE] {
                    let encoded = engine.encode(&text);
                    let hit = all.iter().filter(|form| encoded.contains(form.as_str()));
                    let best = hit.map(String::len).max().unwrap_or(0);
                    // All but the characters shared with a neighbour are covered.
                    assert!(best + 2 >= secret.len() * 8 / 6, "{before} {after} {encoded} {best}");
                }
            }
        }
        has("user:hunter2hunter2", &["dXNlcjpodW50ZXIyaHVudGVyMg=="]);
    }

    #[test]
    fn t16_lines_trimmed_and_inner_values_are_variants() {
        has("  padded-secret \n", &["padded-secret"]);
        has("-----BEGIN-----\r\nMIIEowIBAAKCAQEA\r\nshort\r\n", &["MIIEowIBAAKCAQEA"]);
        has(r#"{"a": {"password": "deep-secret"}}"#, &["deep-secret"]);
        has("postgres://app:p%40ssw0rd!@db/shop", &["p%40ssw0rd!", "p@ssw0rd!"]);
        has("AccountName=a;AccountKey=c2VjcmV0IQ==;X=y", &["c2VjcmV0IQ=="]);
        assert!(of("line-one-long\nshort\n").iter().all(|form| form != "short"));
    }

    #[test]
    fn t16_wrapped_base64_is_found_line_by_line() {
        use base64::Engine as _;
        let secret: String = (0..120).map(|n| char::from(b'!' + n % 90)).collect();
        let all = of(&secret);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&secret);
        for line in encoded.as_bytes().chunks(76) {
            let line = String::from_utf8_lossy(line);
            assert!(all.contains(line.as_ref()), "{line}");
        }
    }
}
