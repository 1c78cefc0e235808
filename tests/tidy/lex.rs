//! Just enough of a Rust lexer to read our own source: words and signs with their lines, so that
//! what stands in a comment or a string is never taken for code.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: keyword or identifier.
    Word,
    /// A sign: `::`, `=>` and `->` as one, any other character alone.
    Sign,
    /// A string, character, number or lifetime.
    Other,
}

/// One token and the line it starts on, from 1.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Other && self.text == text
    }
}

/// The tokens of `text`.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, out: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == '\n' {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.out.push(Token { kind, text, line });
    }

    fn step(&mut self) {
        let c = self.peek(0);
        match c {
            '/' if self.peek(1) == '/' => self.line_comment(),
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            c if c.is_alphabetic() || c == '_' => self.word(),
            c if c.is_ascii_digit() => self.number(),
            c if c.is_whitespace() => self.skip(1),
            _ => self.sign(),
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.skip(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            if self.peek(0) == '/' && self.peek(1) == '*' {
                depth += 1;
                self.skip(2);
            } else if self.peek(0) == '*' && self.peek(1) == '/' {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(1);
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        self.skip(1);
        while self.at < self.chars.len() && self.peek(0) != '"' {
            self.skip(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.skip(1);
        self.push(Kind::Other, "\"\"".to_owned(), line);
    }

    /// A raw string whose opening `r`, `br` or `cr` is read already.
    fn raw_string(&mut self) {
        let line = self.line;
        let mut hashes = 0;
        while self.peek(0) == '#' {
            hashes += 1;
            self.skip(1);
        }
        self.skip(1);
        while self.at < self.chars.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|n| self.peek(n) == '#');
            self.skip(1);
            if closes {
                self.skip(hashes);
                break;
            }
        }
        self.push(Kind::Other, "\"\"".to_owned(), line);
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        let line = self.line;
        if self.peek(1) == '\\' {
            self.skip(3);
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.skip(1);
            }
            self.skip(1);
        } else if self.peek(2) == '\'' {
            self.skip(3);
        } else {
            self.skip(2);
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                self.skip(1);
            }
        }
        self.push(Kind::Other, "''".to_owned(), line);
    }

    fn word(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            text.push(self.peek(0));
            self.skip(1);
        }
        let raw = matches!(text.as_str(), "r" | "br" | "cr");
        let opens_raw = raw && (self.peek(0) == '"' || self.hashes_then_quote());
        match (opens_raw, self.peek(0)) {
            (true, _) => self.raw_string(),
            (false, '"') if matches!(text.as_str(), "b" | "c") => self.string(),
            (false, '\'') if text == "b" => self.quote(),
            _ => self.push(Kind::Word, text, line),
        }
    }

    fn hashes_then_quote(&self) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or(&[]);
        let hashes = rest.iter().take_while(|c| **c == '#').count();
        hashes > 0 && self.peek(hashes) == '"'
    }

    fn number(&mut self) {
        let line = self.line;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.skip(1);
        }
        self.push(Kind::Other, "0".to_owned(), line);
    }

    fn sign(&mut self) {
        let line = self.line;
        let pair: String = [self.peek(0), self.peek(1)].iter().collect();
        let text =
            if ["::", "=>", "->"].contains(&pair.as_str()) { pair } else { self.peek(0).into() };
        self.skip(text.chars().count());
        self.push(Kind::Sign, text, line);
    }
}

/// The index of the sign that closes the bracket at `open`; the last index where none does.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("{") || token.is("(") || token.is("[") {
            depth += 1;
        } else if token.is("}") || token.is(")") || token.is("]") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len().saturating_sub(1)
}

/// A path that the source names, group by group: `use a::{b, c::d}` names `a::b` and `a::c::d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// Where its first word stands among the tokens.
    pub(super) at: usize,
}

/// Every path of two segments or more in `tokens`.
pub(super) fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let starts = token.kind == Kind::Word
            && tokens.get(at + 1).is_some_and(|next| next.is("::"))
            && !(at > 0 && tokens[at - 1].is("::"));
        if starts {
            at = tree(tokens, at, &[], at, &mut out).max(at + 1);
        } else {
            at += 1;
        }
    }
    out
}

/// Reads one branch of a path tree from `at`; answers where it ends.
fn tree(
    tokens: &[Token],
    mut at: usize,
    trunk: &[String],
    start: usize,
    out: &mut Vec<Named>,
) -> usize {
    let mut path = trunk.to_vec();
    let line = tokens[at].line;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            let end = closing(tokens, at);
            let mut branch = at + 1;
            while branch < end {
                branch = tree(tokens, branch, &path, start, out);
                while branch < end && !tokens[branch].is(",") {
                    branch += 1;
                }
                branch += 1;
            }
            return end + 1;
        }
        if token.kind != Kind::Word && !token.is("*") {
            break;
        }
        path.push(token.text.clone());
        at += 1;
        if !tokens.get(at).is_some_and(|next| next.is("::")) {
            break;
        }
        at += 1;
    }
    out.push(Named { path, line, at: start });
    at
}
