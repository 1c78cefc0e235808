//! Secrets that reports quote: told apart by a keyed hash, and masked before anything is kept.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use sha2::{Digest as _, Sha256};

use super::guess::utf8;
use crate::release::Digest;
use crate::world::disk;
use crate::world::logpipe::MASK;

/// This installation's own key. The same secret gives the same identity on this machine, and
/// nobody who lacks the key can try guesses against it.
#[derive(Clone)]
pub struct Key([u8; 32]);

const BLOCK_BYTES: usize = 64;
/// The key's name in its folder. No secret of a plan can be called so: their names have no space.
const KEY_FILE: &str = "installation key";

impl Key {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that lies in `folder`; none where there is none yet.
    pub fn existing(folder: &Path) -> Option<Self> {
        let read = disk::read_trusted(&folder.join(KEY_FILE), 32).ok().flatten();
        read?.try_into().ok().map(Self)
    }

    /// The key that lies in `folder`, made where there is none; none where that cannot be done.
    pub fn of_installation(folder: &Path) -> Option<Self> {
        let path = folder.join(KEY_FILE);
        if Self::existing(folder).is_none() {
            let mut fresh = [0; 32];
            disk::random(&mut fresh).ok()?;
            disk::private_folder(folder).ok()?;
            disk::create_private(&path, &fresh).ok()?;
        }
        Self::existing(folder)
    }

    /// Which secret `value` is; none where the tool has struck it out itself.
    pub(super) fn identify(&self, value: &str) -> Option<Digest> {
        if let Some(hex) = value.trim().strip_prefix(MASK) {
            return format!("sha256:{hex}").parse().ok();
        }
        if struck_out(value) {
            return None;
        }
        Some(Digest::from_sha256(&self.hmac(value.trim().as_bytes())))
    }

    /// HMAC-SHA256 (RFC 2104).
    fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; BLOCK_BYTES];
            block.iter_mut().zip(&self.0).for_each(|(block, key)| *block ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

/// What stands in a stored report where a secret stood: masked, and still the same one.
fn mark(value: &str, key: Option<&Key>) -> String {
    let identity = key.and_then(|key| key.identify(value));
    let hex = identity.as_ref().and_then(|digest| digest.as_str().strip_prefix("sha256:"));
    format!("{MASK}{}", hex.unwrap_or(""))
}

/// Whether a tool shows stars, or a word, instead of the secret.
fn struck_out(value: &str) -> bool {
    let value = value.trim();
    value.is_empty()
        || value.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '•' | '.'))
        || value.eq_ignore_ascii_case("redacted")
        || value.contains("REDACTED")
        || value.contains("****")
        || value.contains(MASK)
}

/// How a token begins, how many characters follow at least, and which besides letters and digits.
const TOKENS: [(&str, usize, &str); 35] = [
    ("AKIA", 12, ""),
    ("ASIA", 12, ""),
    ("ghp_", 16, ""),
    ("gho_", 16, ""),
    ("ghu_", 16, ""),
    ("ghs_", 16, ""),
    ("ghr_", 16, ""),
    ("github_pat_", 16, "_"),
    ("glpat-", 12, "-_"),
    ("xoxb-", 10, "-"),
    ("xoxp-", 10, "-"),
    ("xoxa-", 10, "-"),
    ("xoxr-", 10, "-"),
    ("xoxs-", 10, "-"),
    ("xapp-", 10, "-"),
    ("sk_live_", 8, ""),
    ("sk_test_", 8, ""),
    ("rk_live_", 8, ""),
    ("sk-ant-", 16, "-_"),
    ("sk-proj-", 16, "-_"),
    ("AIza", 30, "-_"),
    ("ya29.", 16, "-_"),
    ("eyJ", 16, "-_."),
    ("npm_", 30, ""),
    ("pypi-Ag", 16, "-_"),
    ("dop_v1_", 30, ""),
    ("SG.", 30, "-_."),
    ("shpat_", 16, ""),
    ("hvs.", 16, "-_"),
    ("AccountKey=", 16, "+/="),
    ("SharedAccessKey=", 16, "+/="),
    ("sig=", 20, "%+/="),
    ("Bearer ", 12, "-_.~+/="),
    ("Basic ", 12, "+/="),
    ("Cookie: ", 8, "-_.~+/=%;, "),
];

/// Words in the names of things that hold secrets.
const NAMES: [&str; 18] = [
    "secret",
    "passwd",
    "password",
    "passphrase",
    "pwd",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "privatekey",
    "credential",
    "connectionstring",
    "connection_string",
    "auth_key",
];

const PRIVATE_KEY: &str = "-----BEGIN ";
const ADDRESS: &str = "://";

/// Where something that must be masked may begin: tokens, then names, then the other two.
static STARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|(start, ..)| *start);
    let all = tokens.chain(NAMES).chain([PRIVATE_KEY, ADDRESS]);
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        // Every text of every finding goes through it.
        .kind(Some(AhoCorasickKind::DFA))
        .build(all)
        .expect("a few short words")
});

/// `text` with everything masked that has the shape of a secret.
pub(super) fn conceal(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = STARTS.find(&text[from..]) {
        let (start, end) = (from + found.start(), from + found.end());
        let span = span(text, found.pattern().as_usize(), start, end);
        match span {
            Some((start, end)) if end > start && !struck_out(&text[start..end]) => {
                out.push_str(&text[kept..start]);
                out.push_str(MASK);
                (kept, from) = (end, end);
            }
            _ => from = end,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The secret itself, behind what announced it.
fn span(text: &str, pattern: usize, start: usize, end: usize) -> Option<(usize, usize)> {
    if let Some((begins, least, marks)) = TOKENS.get(pattern) {
        let rest = &text[end..];
        let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        let len = rest.find(|c: char| !fits(c)).unwrap_or(rest.len());
        let same = text.get(start..end) == Some(*begins);
        let inside = text[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
        // `Bearer x` and `AccountKey=x` announce the secret, the others are part of it.
        let from = if begins.ends_with([' ', '=']) { end } else { start };
        return (same && !inside && len >= *least).then_some((from, end + len));
    }
    let pattern = pattern - TOKENS.len();
    if pattern < NAMES.len() {
        return assigned(text, end);
    }
    if pattern == NAMES.len() {
        return private_key(text, start);
    }
    // `://user:password@host`
    let rest = &text[end..];
    let stop = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>'));
    let authority = &rest[..stop.unwrap_or(rest.len())];
    let at = authority.rfind('@')?;
    let colon = authority[..at].find(':')?;
    Some((end + colon + 1, end + at))
}

fn private_key(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = &text[start..];
    let head = rest.get(..rest.len().min(60)).unwrap_or(rest);
    if !head.contains("PRIVATE KEY") {
        return None;
    }
    let body = start + PRIVATE_KEY.len();
    let end = text[body..].find("-----END").map(|at| body + at);
    let cut = || text[body..].find(['<', '"']).map_or(text.len(), |at| body + at);
    Some((body, end.unwrap_or_else(cut)))
}

const QUOTES: [&str; 7] = ["\\\"", "&#34;", "&quot;", "&#39;", "\"", "'", "`"];

/// The value behind a name: `"awsSecretKey": "…"`, `password = …`, `--token=…`.
fn assigned(text: &str, end: usize) -> Option<(usize, usize)> {
    let mut at = end;
    let skip = |at: usize, fits: fn(char) -> bool| {
        let rest = &text[at..];
        at + rest.find(|c: char| !fits(c)).unwrap_or(rest.len())
    };
    at = skip(at, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if text[end..at].ends_with("Error") {
        // `MissingApiTokenError: …` says that there is none.
        return None;
    }
    at += quote(&text[at..]).map_or(0, str::len);
    at = skip(at, |c| c == ' ' || c == '\t');
    let separator = at;
    at = skip(at, |c| matches!(c, ':' | '=' | '>'));
    if at == separator || text[separator..].starts_with("::") {
        return None;
    }
    at = skip(at, |c| c == ' ' || c == '\t');
    let rest = &text[at..];
    if let Some(quote) = quote(rest) {
        let from = at + quote.len();
        let len = text[from..].find(quote).unwrap_or(text.len() - from);
        let value = &text[from..from + len];
        let named = value.starts_with(['$', '{']) || value.contains("://");
        return (len >= 4 && !named).then_some((from, from + len));
    }
    let stop = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | '}' | ']' | '"' | '<');
    let len = rest.find(stop).unwrap_or(rest.len());
    let value = &rest[..len];
    let secret = len >= 8
        && !value.starts_with(['$', '{', '('])
        && value.bytes().any(|b| b.is_ascii_digit())
        && !value.contains("://");
    secret.then_some((at, at + len))
}

fn quote(text: &str) -> Option<&'static str> {
    QUOTES.into_iter().find(|quote| text.starts_with(quote))
}

/// As [`conceal`], for lines of source: what looks drawn by lot is masked there too.
pub(super) fn conceal_code(text: &str) -> Cow<'_, str> {
    let concealed = conceal(text);
    let mut spans = Vec::new();
    let mut start = None;
    let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    for (at, c) in concealed.char_indices().chain([(concealed.len(), ' ')]) {
        match start {
            None if token(c) => start = Some(at),
            Some(from) if !token(c) => {
                if drawn_by_lot(&concealed[from..at]) {
                    spans.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    if spans.is_empty() {
        return concealed;
    }
    let mut out = String::with_capacity(concealed.len());
    let mut kept = 0;
    for span in spans {
        out.push_str(&concealed[kept..span.start]);
        out.push_str(MASK);
        kept = span.end;
    }
    out.push_str(&concealed[kept..]);
    Cow::Owned(out)
}

/// Whether a word of at least 20 characters mixes letters and digits too evenly for a name.
fn drawn_by_lot(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if word.len() < 20 || digits < 2 || digits == word.len() || word.matches('/').count() > 2 {
        return false;
    }
    let mut counts = [0_u32; 128];
    word.bytes().for_each(|byte| counts[usize::from(byte & 127)] += 1);
    #[expect(clippy::cast_precision_loss, reason = "a word is far shorter than 2^52")]
    let whole = word.len() as f64;
    let bits = |count: u32| {
        let share = f64::from(count) / whole;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(|count| bits(*count)).sum::<f64>() >= 3.2
}

/// Fields that hold a secret and nothing else.
const WHOLE: [&str; 7] =
    ["Secret", "secret", "Raw", "RawV2", "offender", "raw_secret", "matchText"];
/// Fields that quote source.
const QUOTING: [&str; 14] = [
    "Match",
    "Line",
    "line",
    "lines",
    "Content",
    "Highlighted",
    "snippet",
    "code",
    "abstract_content",
    "Message",
    "evidence",
    "codeContent",
    "content",
    "fixed_lines",
];

/// A report with the secrets masked that it quotes, whatever its format, whole or damaged. What
/// a tool gives as the secret itself is replaced by its identity, so that a report which is read
/// again from its masked copy says the same. The copy is UTF-8, in which alone secrets are found.
pub fn conceal_report(raw: &[u8], key: Option<&Key>) -> Vec<u8> {
    let mut raw = utf8(raw);
    if raw.contains(&0) {
        // No text holds it. What is left of a still wider encoding would hide a secret behind it.
        raw.to_mut().retain(|byte| *byte != 0);
    }
    let raw = &*raw;
    let Ok(text) = std::str::from_utf8(raw) else {
        return conceal(&String::from_utf8_lossy(raw)).into_owned().into_bytes();
    };
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']) {
        return conceal(text).into_owned().into_bytes();
    }
    // Gitleaks' SARIF quotes the bare secret as a snippet.
    let gitleaks = text.contains("\"gitleaks\"");
    let strings = strings(text);
    let mut values = BTreeSet::new();
    for string in &strings {
        if string.holds_secret(gitleaks) {
            let value = decode(&text[string.from..string.to]);
            if !struck_out(&value) && value.len() >= 4 {
                values.insert(value.into_owned());
            }
        }
    }
    let known = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values).ok();
    let known = known.filter(|_| !values.is_empty());
    let marks: Vec<String> = values.iter().map(|value| mark(value, key)).collect();
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for string in &strings {
        let inner = &text[string.from..string.to];
        let value = decode(inner);
        let mut masked = match &known {
            Some(known) if known.is_match(value.as_ref()) => {
                Cow::Owned(known.replace_all(&value, &marks))
            }
            _ => value.clone(),
        };
        if !string.is_key && !string.holds_secret(gitleaks) {
            let quotes = QUOTING.contains(&string.key);
            let named = !quotes && named_secret(string.key) && !masked.contains(MASK);
            let concealed = match masked.as_ref() {
                text if named && text.len() >= 4 && !text.contains(' ') => mark(text, key),
                text if quotes => conceal_code(text).into_owned(),
                text => conceal(text).into_owned(),
            };
            masked = Cow::Owned(concealed);
        }
        if masked != value {
            out.push_str(&text[kept..string.from]);
            // Without its quotes, which stay where they are.
            let quoted = serde_json::Value::from(masked.into_owned()).to_string();
            out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or(MASK));
            kept = string.to;
        }
    }
    out.push_str(&text[kept..]);
    out.into_bytes()
}

/// Whether a field's name says that it holds a secret.
fn named_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "token", "apikey", "api_key", "privatekey", "private_key"]
        .iter()
        .any(|name| key.ends_with(name))
}

/// A JSON string, without its quotes.
struct Quoted<'a> {
    from: usize,
    to: usize,
    is_key: bool,
    /// The key that it stands at, and the key above that.
    key: &'a str,
    above: &'a str,
}

impl Quoted<'_> {
    fn holds_secret(&self, gitleaks: bool) -> bool {
        let snippet = self.key == "text" && self.above == "snippet";
        !self.is_key && (WHOLE.contains(&self.key) || (gitleaks && snippet))
    }
}

/// All strings of a JSON text, found without parsing it: it may be damaged.
fn strings(text: &str) -> Vec<Quoted<'_>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Quoted<'_>> = Vec::new();
    let (mut key, mut above) = ("", "");
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'"', &bytes[at..]) {
        let from = at + open + 1;
        let mut to = from;
        while let Some(next) = memchr::memchr2(b'"', b'\\', &bytes[to..]) {
            to += next;
            if bytes[to] == b'"' {
                break;
            }
            to = (to + 2).min(bytes.len());
        }
        if bytes.get(to) != Some(&b'"') {
            to = bytes.len();
        }
        at = (to + 1).min(bytes.len());
        let next = bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace());
        let is_key = next == Some(&b':');
        if is_key {
            (above, key) = (key, text.get(from..to).unwrap_or(""));
        }
        found.push(Quoted { from, to, is_key, key, above });
    }
    found
}

fn decode(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let decoded = serde_json::from_str::<String>(&format!("\"{inner}\""));
    decoded.map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_sha256() {
        // RFC 4231, test case 1, whose key of 20 bytes is padded with zeros as any is.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let identity = Key::new(key).identify("Hi There").expect("a secret");
        let expected = "sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(identity.as_str(), expected);
        assert_eq!(Key::new(key).identify("REDACTED"), None);
        let mark = mark("Hi There", Some(&Key::new(key)));
        assert_eq!(Key::new(key).identify(&mark), Some(identity));
    }

    #[test]
    fn t16_known_shapes_are_masked() {
        let table = [
            ("key AKIAIOSFODNN7EXAMPLE end", "key ••• end"),
            ("x=ghp_0123456789abcdefABCDEF0123456789abcd", "x=•••"),
            ("postgres://shop:s3cr3t@db/shop", "postgres://shop:•••@db/shop"),
            ("  awsSecretAccessKey: \"not-a-real\",", "  awsSecretAccessKey: \"•••\","),
            ("{\"password\":\"hunter22\"}", "{\"password\":\"•••\"}"),
            ("PASSWORD=hunter2222 next", "PASSWORD=••• next"),
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA",
                "a -----BEGIN •••-----END RSA",
            ),
            ("&#34;Secret&#34;: &#34;hunter22&#34;,", "&#34;Secret&#34;: &#34;•••&#34;,"),
            ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer •••"),
            ("Cookie: sid=a1b2c3d4; lang=en\r\nHost: x", "Cookie: •••\r\nHost: x"),
            ("MissingApiTokenError: `snyk` needs one", "MissingApiTokenError: `snyk` needs one"),
        ];
        for (text, expected) in table {
            assert_eq!(conceal(text), expected, "{text}");
        }
        for text in [
            "generic-api-key:4",
            "Ensure that no secrets are in code",
            "secret: ${{ secrets.TOKEN }}",
            "password: \"$PASSWORD\"",
            "token: REDACTED-00",
            "pkg:npm/lodash@4.17.15",
        ] {
            assert_eq!(conceal(text), text);
        }
        assert_eq!(conceal_code("let k = \"Zk3J9x0aQ7mW2pL8vR5t\";"), "let k = \"•••\";");
        let path = "src/backend/routes/api/v2/orders-2024-final.js";
        assert_eq!(conceal_code(path), path);
    }

    #[test]
    fn t16_a_stored_report_holds_no_secret_and_stays_json() {
        let key = Key::new([7; 32]);
        let raw = r#"[{"Match":"k: \"s3cr3t\\one\"","Secret":"s3cr3t\\one","Message":"s3cr3t\\one
            in","File":"a"}]"#
            .replace("\n            ", " ");
        let masked = String::from_utf8(conceal_report(raw.as_bytes(), Some(&key))).expect("utf-8");
        assert!(!masked.contains("s3cr3t"), "{masked}");
        let value: serde_json::Value = serde_json::from_str(&masked).expect("still JSON");
        assert_eq!(
            key.identify(value[0]["Secret"].as_str().expect("text")),
            key.identify("s3cr3t\\one")
        );
        // Cut in the middle of a secret, it is masked all the same.
        let cut = &raw[..raw.find("one\",\"Mess").expect("there")];
        assert!(
            !String::from_utf8_lossy(&conceal_report(cut.as_bytes(), Some(&key)))
                .contains("s3cr3t")
        );
    }
}
