//! The rules of the house for one file. Each finding says where, what and what to do instead.

use std::fmt;

use super::lex::{Kind, Token};
use super::source::Source;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) rule: String,
    pub(super) remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.rule, self.remedy)
    }
}

fn finding(source: &Source, line: usize, rule: String, remedy: &'static str) -> Finding {
    Finding { path: source.path.clone(), line, rule, remedy }
}

pub(super) const LINE_COLUMNS_MAX: usize = 100;
pub(super) const FUNCTION_LINES_MAX: usize = 70;
pub(super) const FILE_LINES_MAX: usize = 600;
pub(super) const DOOR_LINES_MAX: usize = 60;
pub(super) const MAIN_LINES_MAX: usize = 79;

/// The rooms, left to right. `error` is one table beside the doors: it may look at every room
/// whose errors it gives an exit code, and only `main` and `cli` look at it.
pub(super) const ROOMS: [&str; 12] = [
    "main", "cli", "error", "config", "tui", "report", "engine", "sim", "world", "journal",
    "release", "lib",
];

/// Who may use what. An entry `room::door` opens that one door only.
const CORRIDORS: [(&str, &[&str]); 11] = [
    (
        "main",
        &[
            "cli", "error", "config", "tui", "report", "engine", "sim", "world", "journal",
            "release",
        ],
    ),
    ("cli", &["error", "config", "tui", "report", "engine", "sim", "world", "journal", "release"]),
    ("error", &["config", "tui", "report", "engine", "sim", "world", "journal", "release"]),
    ("config", &["tui", "report", "engine", "sim", "world", "journal", "release"]),
    ("tui", &["engine::handle", "report::words", "release"]),
    ("report", &["engine::handle", "release"]),
    ("engine", &["journal", "world", "release"]),
    ("sim", &["world", "release"]),
    ("world", &["release", "journal::shelf"]),
    ("journal", &["release"]),
    ("release", &[]),
];

/// Corridors: every path into another room of this crate, tests included.
pub(super) fn corridors(source: &Source) -> Vec<Finding> {
    let room = source.room();
    let Some((_, open)) = CORRIDORS.iter().find(|(from, _)| *from == room) else {
        return Vec::new();
    };
    let remedy = "see the corridors in src/lib.rs: hand the value in, or move the code";
    let mut out = Vec::new();
    for named in &source.named {
        let Some(path) = source.resolved(named) else { continue };
        let Some(to) = path.first() else { continue };
        if to == room || !ROOMS.contains(&to.as_str()) {
            continue;
        }
        let door = path.get(1).map(|second| format!("{to}::{second}"));
        if open.contains(&to.as_str()) || door.is_some_and(|door| open.contains(&door.as_str())) {
            continue;
        }
        let rule = format!("{room} may not use {}", path.join("::"));
        out.push(finding(source, named.line, rule, remedy));
    }
    out
}

/// A path that only some rooms may name.
struct Ban {
    path: &'static [&'static str],
    /// Rooms, or files without `.rs`, that may.
    only: &'static [&'static str],
    /// Whether tests may.
    tests: bool,
    remedy: &'static str,
}

const FILES: &str = "files are read and written in world and journal; take text or a shelf instead";
const WIRE: &str = "clients of clusters, services and databases live in world; sim fakes the wire";
const SCREEN: &str = "only tui draws; hand it plain data";
const EYRE: &str = "rooms have thiserror enums of their own; eyre stands at the doors";
const PURE: &str = "release never waits: no async, clock, randomness or I/O; hand the value in";

const BANS: [Ban; 24] = [
    ban(&["ratatui"], &["tui"], false, SCREEN),
    ban(&["crossterm"], &["tui"], false, SCREEN),
    ban(&["kube"], &["world", "sim"], false, WIRE),
    ban(&["k8s_openapi"], &["world", "sim"], false, WIRE),
    ban(&["reqwest"], &["world", "sim"], false, WIRE),
    ban(&["json_patch"], &["world", "sim"], false, WIRE),
    ban(&["tokio_postgres"], &["world", "sim"], false, WIRE),
    ban(&["std", "fs"], &["world", "journal"], true, FILES),
    ban(&["std", "os", "unix", "fs"], &["world", "journal"], true, FILES),
    ban(&["tokio", "fs"], &["world", "journal"], true, FILES),
    ban(&["rustix", "fs"], &["world", "journal"], true, FILES),
    ban(&["color_eyre"], &["main", "cli", "config", "error"], false, EYRE),
    ban(&["tokio"], NOT_RELEASE, false, PURE),
    ban(&["futures"], NOT_RELEASE, false, PURE),
    ban(&["rand"], NOT_RELEASE, false, PURE),
    ban(&["fastrand"], NOT_RELEASE, false, PURE),
    ban(&["rustix"], NOT_RELEASE, false, PURE),
    ban(&["std", "env"], NOT_RELEASE, false, PURE),
    ban(&["std", "io"], NOT_RELEASE, false, PURE),
    ban(&["std", "net"], NOT_RELEASE, false, PURE),
    ban(&["std", "process"], NOT_RELEASE, false, PURE),
    ban(&["std", "thread"], NOT_RELEASE, false, PURE),
    ban(&["std", "time", "Instant"], NOT_RELEASE, false, PURE),
    ban(&["std", "time", "SystemTime"], NOT_RELEASE, false, PURE),
];

const NOT_RELEASE: &[&str] = &[
    "main", "lib", "cli", "error", "config", "tui", "report", "engine", "sim", "world", "journal",
];

const fn ban(
    path: &'static [&'static str],
    only: &'static [&'static str],
    tests: bool,
    remedy: &'static str,
) -> Ban {
    Ban { path, only, tests, remedy }
}

/// Bans: libraries and doors of the system that have one home.
pub(super) fn bans(source: &Source) -> Vec<Finding> {
    let room = source.room();
    let mut out = Vec::new();
    for named in &source.named {
        for ban in &BANS {
            let hit = named.path.len() >= ban.path.len()
                && ban.path.iter().zip(&named.path).all(|(a, b)| a == b);
            let free = ban.only.contains(&room) || (ban.tests && source.in_tests(named.at));
            if hit && !free {
                let rule = format!("{} is not for {room}", ban.path.join("::"));
                out.push(finding(source, named.line, rule, ban.remedy));
            }
        }
    }
    out.extend(banned_words(source));
    out
}

/// Single words with one home, whatever path leads to them.
fn banned_words(source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    let handle =
        source.path == "src/engine/handle.rs" || source.path.starts_with("src/engine/handle/");
    for token in &source.tokens {
        if token.kind != Kind::Word {
            continue;
        }
        let (banned, remedy) = match token.text.as_str() {
            "UnixStream" | "UnixListener" => {
                (!handle, "the socket lives in engine::handle, and nowhere else")
            }
            "set_symbol" => {
                (true, "it lets foreign text into a cell; use Clean and the strokes of `drawing`")
            }
            "async" | "await" => (source.room() == "release", PURE),
            _ => (false, ""),
        };
        if banned {
            out.push(finding(source, token.line, format!("`{}` here", token.text), remedy));
        }
    }
    out
}

/// Files in which a new variant must be a compile error until somebody has thought about it.
const EXHAUSTIVE: [&str; 6] = [
    "src/release/decide",
    "src/release/state",
    "src/release/owed",
    "src/release/due",
    "src/release/effect",
    "src/report/words",
];

/// Wildcard arms where each case has to be spelled. A match over text or numbers says why on the
/// same line: `_ => … // tidy: matches text`.
pub(super) fn wildcards(source: &Source) -> Vec<Finding> {
    if !EXHAUSTIVE.iter().any(|prefix| source.path.starts_with(prefix)) {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let mut out = Vec::new();
    for (at, pair) in source.tokens.windows(2).enumerate() {
        let arm = pair[0].is("_") && pair[1].is("=>");
        let said = lines.get(pair[0].line - 1).is_some_and(|line| line.contains("// tidy: "));
        if arm && !said && !source.in_tests(at) {
            let rule = "a wildcard arm".to_owned();
            let remedy = "name each case, so that a new one does not compile until it is placed";
            out.push(finding(source, pair[0].line, rule, remedy));
        }
    }
    out
}

/// Lengths of lines, functions, files and doors.
pub(super) fn sizes(source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let rule = format!("{columns} columns, {LINE_COLUMNS_MAX} are the most");
            out.push(finding(source, at + 1, rule, "break the line"));
        }
    }
    for function in source.functions() {
        if function.lines > FUNCTION_LINES_MAX && !source.in_tests(function.at) {
            let rule = format!(
                "fn {} has {} lines, {FUNCTION_LINES_MAX} are the most",
                function.name, function.lines
            );
            out.push(finding(source, function.line, rule, "split it where its parts have names"));
        }
    }
    let (lines, most) = match source.path.as_str() {
        "src/main.rs" => (source.text.lines().count(), MAIN_LINES_MAX),
        _ if source.path.starts_with("src/") => (source.lines_without_tests(), FILE_LINES_MAX),
        _ => (0, FILE_LINES_MAX),
    };
    if lines > most {
        let rule = format!("{lines} lines without tests, {most} are the most");
        out.push(finding(source, most + 1, rule, "split the file by what its parts are for"));
    }
    out
}

/// Doors hold the room's doc, `mod` and `pub use`, and nothing else.
pub(super) fn doors(source: &Source) -> Vec<Finding> {
    let rooms = &ROOMS[..ROOMS.len() - 1];
    let is_door = source.path == format!("src/{}.rs", source.room())
        && rooms.contains(&source.room())
        && !matches!(source.room(), "main" | "error");
    let mut out = Vec::new();
    if source.path.ends_with("/mod.rs") {
        let rule = "a mod.rs".to_owned();
        out.push(finding(source, 1, rule, "a door is room.rs beside room/"));
    }
    if !is_door {
        return out;
    }
    let says = |line: &&str| !line.is_empty() && !line.starts_with("//");
    let lines = source.text.lines().filter(says).count();
    if lines > DOOR_LINES_MAX {
        let rule =
            format!("a door of {lines} lines besides its doc, {DOOR_LINES_MAX} are the most");
        out.push(finding(source, 1, rule, "export fewer names, or from doors"));
    }
    if !source.text.starts_with("//!") {
        let rule = "a door without the room's doc".to_owned();
        out.push(finding(source, 1, rule, "say what the room is for in //! lines"));
    }
    for token in foreign_items(&source.tokens) {
        let rule = format!("`{}` in a door", token.text);
        out.push(finding(source, token.line, rule, "a door holds only its doc, mod and pub use"));
    }
    out
}

/// The first words of items other than `mod name;` and `use …;`.
fn foreign_items(tokens: &[Token]) -> Vec<&Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("#") {
            let open = if tokens.get(at + 1).is_some_and(|t| t.is("!")) { at + 2 } else { at + 1 };
            at = super::lex::closing(tokens, open) + 1;
        } else if token.is("pub") {
            let scoped = tokens.get(at + 1).is_some_and(|t| t.is("("));
            at = if scoped { super::lex::closing(tokens, at + 1) + 1 } else { at + 1 };
        } else {
            let end = (at..tokens.len()).find(|i| tokens[*i].is(";")).unwrap_or(tokens.len());
            let inline = token.is("mod") && tokens.get(at + 2).is_some_and(|t| t.is("{"));
            if inline || !(token.is("mod") || token.is("use")) {
                out.push(token);
                return out;
            }
            at = end + 1;
        }
    }
    out
}

/// Every rule that looks at one file of `src`.
pub(super) fn all(source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    for rule in [corridors, bans, wildcards, sizes, doors] {
        out.extend(rule(source));
    }
    out
}
