//! From bytes to a tree with places, within a budget.
//!
//! The parser is the one inside serde-saphyr; its events are taken directly because a tree that
//! knows its places is what merging needs.

use std::collections::{HashMap, HashSet};

use serde_yaml::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, Tag,
};

use super::FILE_BYTES_MAX;
use super::error::{FileError, Source};
use super::tree::{At, Key, Node, Path, Segment, Value};

/// The most values in one file, those that aliases repeat included.
const NODES_MAX: usize = 20_000;
/// The deepest nesting.
const DEPTH_MAX: usize = 32;

/// The text of a file and its tree.
pub(super) fn parse(name: &str, index: usize, bytes: &[u8]) -> Result<(String, Node), FileError> {
    let text = decode(name, bytes)?;
    let mut builder = Builder {
        name,
        text: &text,
        index,
        nodes: 0,
        anchors: HashMap::new(),
        path: Vec::new(),
        parser: Parser::new_from_str_with_options(&text, options()),
    };
    let tree = builder.document()?;
    Ok((text, tree))
}

fn options() -> Options {
    let mut options = Options::default();
    options.emit_comments = false;
    options.disallow_directives = true;
    options
}

fn decode(name: &str, bytes: &[u8]) -> Result<String, FileError> {
    let plain = |message: &str, help: &str| Err(FileError::bare(name, message, help));
    if bytes.len() > FILE_BYTES_MAX {
        return plain("it is larger than 1 MiB", "a configuration is smaller; is this the file?");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return plain("it is UTF-16", "save it as UTF-8");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            // Editors on Windows put a byte order mark before UTF-8; it says nothing.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            if text.trim().is_empty() {
                return plain(
                    "it is empty",
                    "an interrupted write leaves such a file: restore it, or delete it to use \
                     the defaults",
                );
            }
            Ok(text.to_owned())
        }
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            let source = Source::file(name, String::from_utf8_lossy(bytes).into_owned());
            let at = At { source: 0, line, column, width: 1 };
            let help = Some("save the file as UTF-8".to_owned());
            Err(FileError::new(&[source], at, "", "a byte that is not UTF-8", help))
        }
    }
}

struct Builder<'t> {
    name: &'t str,
    text: &'t str,
    index: usize,
    nodes: usize,
    /// Finished anchored nodes and how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    /// The way to the node being read.
    path: Vec<Segment>,
    parser: Parser<'t, serde_yaml::granit_parser::StrInput<'t>>,
}

impl<'t> Builder<'t> {
    /// The one document of the file; an empty map where there is none.
    fn document(&mut self) -> Result<Node, FileError> {
        let mut tree = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => {
                    let at = At::start(self.index);
                    return Ok(match tree {
                        // A file of comments only, or a lone `---`, sets nothing.
                        None | Some(Node { value: Value::Null, .. }) => Node::empty(at),
                        Some(tree) => tree,
                    });
                }
                Event::DocumentStart(..) if tree.is_some() => {
                    let help = "keep one document a file; remove what follows the `---`";
                    return Err(self.fail(self.at(&span), "a second document", help));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => tree = Some(self.node(event, &span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), FileError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, FileError> {
        let at = self.at(span);
        if depth > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX}");
            return Err(self.fail(at, &message, "no setting lies that deep"));
        }
        self.count(at, 1)?;
        let before = self.nodes;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(at, tag.as_deref())?;
                (scalar(&text, style), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.no_tag(at, tag.as_deref())?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.no_tag(at, tag.as_deref())?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(at, anchor, depth),
            _ => return Err(self.fail(at, "an unexpected part of YAML", "write plain YAML")),
        };
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, FileError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => {
                    self.path.push(Segment::Index(items.len()));
                    items.push(self.node(event, &span, depth + 1)?);
                    self.path.pop();
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, FileError> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            let at = self.at(&span);
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, style, 0, None) => {
                    if text == "<<" && style == ScalarStyle::Plain {
                        let help = "write the fields out, or use an alias for a whole value";
                        return Err(self.fail(at, "merge keys are not read", help));
                    }
                    Key { text: text.into_owned(), at }
                }
                _ => {
                    return Err(self.fail(at, "a key that is not plain text", "name the field"));
                }
            };
            self.path.push(Segment::Key(key.text.clone()));
            if !seen.insert(key.text.clone()) {
                let message = format!("the key `{}` stands here twice", key.text);
                return Err(self.fail(at, &message, "keep one of them"));
            }
            let (event, span) = self.next()?;
            entries.push((key, self.node(event, &span, depth + 1)?));
            self.path.pop();
        }
    }

    /// A copy of an anchored node, counted against the budget (an alias bomb multiplies).
    fn alias(&mut self, at: At, anchor: usize, depth: usize) -> Result<Node, FileError> {
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            let help = "an alias repeats a finished value; this one would hold itself";
            return Err(self.fail(at, "an alias inside its own anchor", help));
        };
        self.count(at, size)?;
        if depth + nesting(&node) > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX}");
            return Err(self.fail(at, &message, "no setting lies that deep"));
        }
        Ok(node)
    }

    fn count(&mut self, at: At, nodes: usize) -> Result<(), FileError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases included");
            return Err(self.fail(at, &message, "no configuration needs as many"));
        }
        Ok(())
    }

    fn no_tag(&self, at: At, tag: Option<&Tag>) -> Result<(), FileError> {
        match tag {
            None => Ok(()),
            Some(_) => {
                Err(self.fail(at, "a YAML tag", "remove the `!…`; quotes make a value a text"))
            }
        }
    }

    fn at(&self, span: &Span) -> At {
        let (start, end) = (span.start, span.end);
        let width =
            if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 0 };
        // A collection's span is empty or its first sign: mark the word that stands there.
        let width = if width > 1 { width } else { self.word(start.byte_offset()) };
        At {
            source: self.index,
            line: start.line().max(1),
            column: start.col() + 1,
            width: width.max(1),
        }
    }

    /// The length of the word at a place.
    fn word(&self, offset: Option<usize>) -> usize {
        let rest = offset.and_then(|offset| self.text.get(offset..)).unwrap_or("");
        let inside = |c: &char| !(c.is_whitespace() || matches!(c, ':' | ',' | ']' | '}'));
        if rest.starts_with(['[', '{']) { 1 } else { rest.chars().take_while(inside).count() }
    }

    fn fail(&self, mut at: At, message: &str, help: &str) -> FileError {
        at.source = 0;
        let source = Source::file(self.name, self.text.to_owned());
        let key = Path::from_outside(self.path.clone()).to_string();
        FileError::new(&[source], at, &key, message, Some(help.to_owned()))
    }

    fn broken(&self, error: &ScanError) -> FileError {
        let mark = error.marker();
        let (line, mut column) = (mark.line().max(1), mark.col() + 1);
        let tab =
            matches!(error.kind(), ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed);
        if tab {
            // The parser stops behind the tab; what is wrong is the tab.
            let text = self.text.lines().nth(line - 1).unwrap_or("");
            column = text.chars().position(|c| c == '\t').map_or(column, |found| found + 1);
        }
        let at = At { source: 0, line, column, width: 1 };
        let message = format!("not YAML: {}", error.kind());
        let help = match error.kind() {
            _ if tab => "indent with spaces; YAML does not take tabs here",
            ErrorKind::UnknownAnchor => "an alias `*name` needs an anchor `&name` above it",
            ErrorKind::DirectiveDisallowed => "remove the line that starts with `%`",
            ErrorKind::BomInsideDocument => "remove the invisible byte order mark (U+FEFF)",
            _ => "look at this line and the one before it: indentation, quotes, colons",
        };
        self.fail(at, &message, help)
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ => Value::Scalar { text: text.to_owned(), plain },
    }
}

fn nesting(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 0,
        Value::List(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|(_, n)| nesting(n)).max().unwrap_or(0),
    }
}
