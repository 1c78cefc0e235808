//! Finds the files, and what no file leads to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::rules::Finding;
use super::source::Source;

/// The top of the repository.
pub(super) fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder`, from the top of the repository, in order; build output, version
/// control and hidden working files left out.
pub(super) fn files(folder: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![top().join(folder)];
    while let Some(next) = todo.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            if matches!(name.as_deref(), Some("target" | ".git" | "node_modules")) {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                todo.push(path);
            } else {
                out.push(relative(&path));
            }
        }
    }
    out.sort();
    out
}

fn relative(path: &Path) -> String {
    path.strip_prefix(top()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Every Rust file below `folder`, with the files marked that only tests compile.
pub(super) fn sources(folder: &str) -> BTreeMap<String, Source> {
    let mut out = BTreeMap::new();
    for path in files(folder) {
        if Path::new(&path).extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(top().join(&path)).expect("a UTF-8 source file");
            out.insert(path.clone(), Source::new(&path, &text));
        }
    }
    out
}

/// Where `mod name;` in `path` leads: the file, whether it is a crate root or not.
fn leads_to(path: &str, name: &str) -> String {
    let root = matches!(path, "src/lib.rs" | "src/main.rs" | "tests/main.rs");
    let folder = match (root, path.rsplit_once('/')) {
        (true, Some((folder, _))) => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    format!("{folder}/{name}.rs")
}

/// Marks what is declared under `#[cfg(test)]`, and reports files that no `mod` leads to and
/// declarations that lead nowhere.
pub(super) fn reach(sources: &mut BTreeMap<String, Source>, roots: &[&str]) -> Vec<Finding> {
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    let mut todo: Vec<(String, bool)> = roots.iter().map(|r| ((*r).to_owned(), false)).collect();
    while let Some((path, test)) = todo.pop() {
        let Some(source) = sources.get(&path) else { continue };
        if found.insert(path.clone(), test).is_some() {
            continue;
        }
        for declared in source.declared() {
            todo.push((leads_to(&path, &declared.name), test || declared.test));
        }
    }
    let mut out = Vec::new();
    for (path, source) in sources.iter_mut() {
        match found.get(path) {
            Some(test) => source.test_only = *test,
            None => out.push(Finding {
                path: path.clone(),
                line: 1,
                rule: "no mod leads to this file, so nothing in it is compiled".to_owned(),
                remedy: "declare it in its door (tests: in tests/main.rs), or delete it",
            }),
        }
    }
    out
}

/// Words that belong to a workplace, not to a repository. They are put together here so that this
/// file does not hold them itself.
fn workplace_words() -> Vec<String> {
    [
        ["/wo", "rk/"],
        ["/tmp", "/wt"],
        ["/tmp", "/bin/"],
        ["/fa", "rm/"],
        ["sub", "agent"],
        ["sub-", "agent"],
        ["anth", "ropic"],
        ["cla", "ude"],
        ["chat", "gpt"],
        ["brief", ".md"],
        ["/root", "/.cargo"],
        ["codebases", ".md"],
        ["reliability", ".md"],
        ["DESIGN", ".md"],
    ]
    .iter()
    .map(|halves| halves.concat().to_lowercase())
    .collect()
}

/// Words of a workplace in one text.
pub(super) fn workplace(path: &str, text: &str) -> Vec<Finding> {
    let words = workplace_words();
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in words.iter().filter(|word| lower.contains(word.as_str())) {
            out.push(Finding {
                path: path.to_owned(),
                line: at + 1,
                rule: format!("the word {word:?} of somebody's workplace"),
                remedy: "say what a reader elsewhere can follow",
            });
        }
    }
    out
}

/// Packages in `Cargo.lock` that do not come from crates.io.
pub(super) fn foreign_packages(path: &str, text: &str) -> Vec<Finding> {
    let home = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("source = ") && line != home {
            out.push(Finding {
                path: path.to_owned(),
                line: at + 1,
                rule: "a package from elsewhere than crates.io".to_owned(),
                remedy: "depend on a published version",
            });
        }
    }
    out
}
