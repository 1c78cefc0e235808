//! A source file as the rules see it: its tokens, its place in the house, where its tests are.

use std::ops::Range;

use super::lex::{self, Kind, Named, Token};

/// One Rust file.
pub(super) struct Source {
    /// From the top of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    pub(super) named: Vec<Named>,
    /// Token ranges of items under `#[cfg(test)]`.
    pub(super) tests: Vec<Range<usize>>,
    /// Whether the whole file is declared under `#[cfg(test)]`.
    pub(super) test_only: bool,
}

/// A function: its name, the line of `fn`, the lines between its braces.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
    pub(super) at: usize,
}

/// A `mod name;`.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) test: bool,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let tokens = lex::tokens(text);
        let named = lex::paths(&tokens);
        let tests = test_ranges(&tokens);
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text, tokens, named, tests, test_only: false }
    }

    /// The room: `world` for `src/world.rs` and all below `src/world/`.
    pub(super) fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = inside.split('/').next().unwrap_or(inside);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The module path below the crate: `[world, clock]`; empty for `lib.rs` and `main.rs`.
    pub(super) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inside = inside.strip_suffix(".rs").unwrap_or(inside);
        if matches!(inside, "lib" | "main") {
            return Vec::new();
        }
        inside.split('/').map(str::to_owned).collect()
    }

    pub(super) fn in_tests(&self, at: usize) -> bool {
        self.test_only || self.tests.iter().any(|range| range.contains(&at))
    }

    /// Lines outside `#[cfg(test)]`.
    pub(super) fn lines_without_tests(&self) -> usize {
        let all = self.text.lines().count();
        let tests: usize = self
            .tests
            .iter()
            .map(|range| 1 + self.tokens[range.end - 1].line - self.tokens[range.start].line)
            .sum();
        if self.test_only { 0 } else { all.saturating_sub(tests) }
    }

    /// The path of `named` below the crate, with `crate`, `self` and `super` resolved; none where
    /// it does not lead into this crate.
    pub(super) fn resolved(&self, named: &Named) -> Option<Vec<String>> {
        let is_lib_name = self.path == "src/main.rs" || self.path.starts_with("tests/");
        match named.path[0].as_str() {
            "crate" => Some(named.path[1..].to_vec()),
            "gonogo" if is_lib_name => Some(named.path[1..].to_vec()),
            "self" | "super" => {
                let mut base = self.module();
                base.extend(self.inline_modules(named.at));
                let mut rest = &named.path[..];
                while let Some((first, tail)) = rest.split_first() {
                    match first.as_str() {
                        "super" => drop(base.pop()),
                        "self" => {}
                        _ => break,
                    }
                    rest = tail;
                }
                base.extend(rest.iter().cloned());
                Some(base)
            }
            _ => None,
        }
    }

    /// The `mod name { … }` around the token at `at`, outermost first.
    fn inline_modules(&self, at: usize) -> Vec<String> {
        let opens = |i: usize| {
            self.tokens[i].is("mod") && self.tokens.get(i + 2).is_some_and(|t| t.is("{"))
        };
        (0..at.min(self.tokens.len()))
            .filter(|i| opens(*i) && lex::closing(&self.tokens, i + 2) > at)
            .map(|i| self.tokens[i + 1].text.clone())
            .collect()
    }

    pub(super) fn functions(&self) -> Vec<Function> {
        let mut out = Vec::new();
        for (at, pair) in self.tokens.windows(2).enumerate() {
            // `fn(` is a type, not a function.
            if !pair[0].is("fn") || pair[1].kind != Kind::Word {
                continue;
            }
            let Some(open) = body(&self.tokens, at) else { continue };
            let close = lex::closing(&self.tokens, open);
            let inside = self.tokens[close].line.saturating_sub(self.tokens[open].line + 1);
            let (name, line) = (pair[1].text.clone(), pair[0].line);
            out.push(Function { name, line, lines: inside, at });
        }
        out
    }

    pub(super) fn declared(&self) -> Vec<Declared> {
        let mut out = Vec::new();
        for (at, three) in self.tokens.windows(3).enumerate() {
            if three[0].is("mod") && three[1].kind == Kind::Word && three[2].is(";") {
                let name = three[1].text.clone();
                out.push(Declared { name, test: self.in_tests(at) });
            }
        }
        out
    }
}

/// The brace that opens the body of the function at `at`; none for a mere declaration.
fn body(tokens: &[Token], at: usize) -> Option<usize> {
    let mut i = at + 1;
    while let Some(token) = tokens.get(i) {
        if token.is(";") {
            return None;
        }
        if token.is("{") {
            return Some(i);
        }
        i = if token.is("(") || token.is("[") { lex::closing(tokens, i) + 1 } else { i + 1 };
    }
    None
}

/// The items under `#[cfg(test)]`, attribute included.
fn test_ranges(tokens: &[Token]) -> Vec<Range<usize>> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at + attribute.len() <= tokens.len() {
        if !attribute.iter().enumerate().all(|(i, text)| tokens[at + i].is(text)) {
            at += 1;
            continue;
        }
        let mut end = at + attribute.len();
        while end < tokens.len() && !tokens[end].is("{") && !tokens[end].is(";") {
            end += 1;
        }
        if end < tokens.len() && tokens[end].is("{") {
            end = lex::closing(tokens, end);
        }
        let end = (end + 1).min(tokens.len());
        out.push(at..end);
        at = end;
    }
    out
}
