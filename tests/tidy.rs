//! The house rules, checked by reading the source: corridors between rooms, libraries with one
//! home, sizes, doors, forgotten files, words that do not belong here.
//!
//! A failure lists `file:line: what; what to do`.

mod lex;
mod rules;
mod source;
mod walk;

use std::fs;

use rules::Finding;
use source::Source;

fn assert_none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} breaches:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_rules_of_the_house_hold_in_src() {
    let mut sources = walk::sources("src");
    let mut findings = walk::reach(&mut sources, &["src/lib.rs", "src/main.rs"]);
    for source in sources.values() {
        findings.extend(rules::all(source));
    }
    assert!(!sources.is_empty(), "no source was read");
    assert_none(&findings);
}

#[test]
fn tests_are_all_compiled_and_readable() {
    let mut sources = walk::sources("tests");
    let mut findings = walk::reach(&mut sources, &["tests/main.rs"]);
    for source in sources.values() {
        findings.extend(rules::sizes(source));
    }
    assert_none(&findings);
}

#[test]
fn no_file_speaks_of_a_workplace() {
    let mut findings = Vec::new();
    for path in walk::files("") {
        // Bytes that are not text are nobody's words.
        if let Ok(text) = fs::read_to_string(walk::top().join(&path)) {
            findings.extend(walk::workplace(&path, &text));
        }
    }
    assert_none(&findings);
}

#[test]
fn every_package_comes_from_crates_io() {
    let text = fs::read_to_string(walk::top().join("Cargo.lock")).expect("Cargo.lock");
    assert_none(&walk::foreign_packages("Cargo.lock", &text));
}

/// The findings of all rules in `text`, were it the file `path`.
fn findings(path: &str, text: &str) -> Vec<String> {
    rules::all(&Source::new(path, text)).iter().map(Finding::to_string).collect()
}

/// Expects exactly one finding, on `line`, whose text holds `words`.
#[track_caller]
fn one(path: &str, text: &str, line: usize, words: &str) {
    let all = findings(path, text);
    let place = format!("{path}:{line}: ");
    let fits = all.len() == 1 && all[0].starts_with(&place) && all[0].contains(words);
    assert!(fits, "expected {place}…{words}…, got {all:#?}");
}

#[track_caller]
fn none(path: &str, text: &str) {
    assert_eq!(findings(path, text), Vec::<String>::new());
}

#[test]
fn a_locked_corridor_is_found() {
    let handle = "use crate::engine::handle::Handle;\n";
    none("src/tui/run.rs", handle);
    one("src/world/a.rs", handle, 1, "world may not use engine::handle::Handle");
    let run = "use crate::{\n    release::Seq,\n    engine::{handle::Handle, run},\n};\n";
    one("src/tui/run.rs", run, 3, "tui may not use engine::run");
    one("src/engine/a.rs", "fn f() { crate::sim::world() }\n", 1, "engine may not use sim::world");
    one("src/world/a.rs", "use crate::journal::Journal;\n", 1, "may not use journal::Journal");
    none("src/world/a.rs", "use crate::journal::shelf::Shelf;\n");
    one("src/release/a.rs", "use super::super::world::Clock;\n", 1, "may not use world::Clock");
    let deep = "#[cfg(test)]\nmod tests {\n    use super::super::super::cli::run;\n}\n";
    one("src/config/a.rs", deep, 3, "config may not use cli::run");
    one("src/main.rs", "use gonogo::lib::x;\n", 1, "main may not use lib::x");
    none("src/main.rs", "use gonogo::cli;\nfn main() { gonogo::error::exit() }\n");
    none("src/world/a.rs", "//! crate::cli::x\nconst A: &str = \"crate::cli::x\";\n");
}

#[test]
fn a_library_outside_its_home_is_found() {
    one("src/report/a.rs", "use ratatui::text::Line;\n", 1, "ratatui is not for report");
    one("src/engine/a.rs", "fn f(c: kube::Client) {}\n", 1, "kube is not for engine");
    one("src/tui/a.rs", "use std::{fmt, fs};\n", 1, "std::fs is not for tui");
    none("src/journal/a.rs", "use std::fs;\nuse std::fs::File;\n");
    none("src/config/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs::write;\n}\n");
    one("src/world/a.rs", "fn f() -> color_eyre::Result<()> {}\n", 1, "color_eyre is not for");
    one("src/world/a.rs", "use tokio::net::UnixStream;\n", 1, "`UnixStream` here");
    none("src/engine/handle/socket.rs", "use tokio::net::UnixListener;\n");
    one("src/release/a.rs", "use std::time::Instant;\n", 1, "std::time::Instant");
    one("src/release/a.rs", "pub async fn f() {}\n", 1, "`async` here");
    one("src/tui/a.rs", "fn f() { cell.set_symbol(s) }\n", 1, "`set_symbol` here");
}

#[test]
fn a_wildcard_in_the_core_is_found() {
    let text = "fn f() {\n    match x {\n        A => 1,\n        _ => 2,\n    }\n}\n";
    one("src/release/decide.rs", text, 4, "a wildcard arm");
    one("src/release/state/fold.rs", text, 4, "a wildcard arm");
    none("src/release/text.rs", text);
    let said = text.replace("_ => 2,", "_ => 2, // tidy: matches text");
    none("src/release/decide.rs", &said);
}

#[test]
fn what_is_too_long_is_found() {
    one("src/cli/a.rs", &format!("// {}\n", "é".repeat(98)), 1, "101 columns");
    none("src/cli/a.rs", &format!("// {}\n", "é".repeat(97)));
    let body = |lines| format!("fn long(a: [u8; 2]) {{\n{}}}\n", "    f();\n".repeat(lines));
    none("src/cli/a.rs", &body(70));
    one("src/cli/a.rs", &body(71), 1, "fn long has 71 lines");
    let braces =
        format!("fn long() {{\n    f(\"}}\", '}}', r#\"}}\"#);\n{}}}\n", "f();\n".repeat(70));
    one("src/cli/a.rs", &braces, 1, "fn long has 71 lines");
    none("src/cli/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", body(71)));
    one("src/cli/a.rs", &"// x\n".repeat(601), 601, "601 lines without tests");
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(300));
    none("src/cli/a.rs", &format!("{}{tests}", "// x\n".repeat(600)));
    one("src/main.rs", &"// x\n".repeat(80), 80, "79 are the most");
}

#[test]
fn a_door_that_is_more_than_a_door_is_found() {
    none(
        "src/world.rs",
        "//! Doc.\n#![x(y)]\n\nmod a;\n#[cfg(test)]\nmod t;\npub use a::{B, C};\n",
    );
    one("src/world.rs", "//! Doc.\nmod a;\npub fn f() {}\n", 3, "`fn` in a door");
    one("src/world.rs", "//! Doc.\nmod a {\n}\n", 2, "`mod` in a door");
    one("src/world.rs", "mod a;\n", 1, "without the room's doc");
    one("src/world.rs", &format!("//! Doc.\n{}", "mod a;\n".repeat(61)), 1, "61 lines");
    one("src/world/mod.rs", "mod a;\n", 1, "a mod.rs");
    none("src/world/tools.rs", "mod a;\npub fn f() {}\n");
}

#[test]
fn a_forgotten_file_is_found() {
    let file = |path: &str, text: &str| (path.to_owned(), Source::new(path, text));
    let mut sources = [
        file("src/lib.rs", "pub mod world;\n"),
        file("src/world.rs", "mod clock;\n#[cfg(test)]\nmod tests;\n"),
        file("src/world/clock.rs", ""),
        file("src/world/tests.rs", ""),
        file("src/world/lost.rs", ""),
    ]
    .into();
    let findings = walk::reach(&mut sources, &["src/lib.rs", "src/main.rs"]);
    let paths: Vec<&str> = findings.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["src/world/lost.rs"]);
    assert!(sources["src/world/tests.rs"].test_only);
    assert!(!sources["src/world/clock.rs"].test_only);
}

#[test]
fn a_word_of_a_workplace_is_found() {
    let path = concat!("see /wo", "rk/main for more");
    assert_eq!(walk::workplace("README.md", path).len(), 1);
    assert_eq!(walk::workplace("README.md", "this works; homework/main").len(), 0);
    let lock = "source = \"git+https://example.invalid/x\"\n";
    assert_eq!(walk::foreign_packages("Cargo.lock", lock).len(), 1);
}
