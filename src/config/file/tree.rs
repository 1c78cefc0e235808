//! A YAML tree that knows where each part of it was written, and how two of them merge.

use std::fmt;

use crate::release::Clean;

/// A place in a layer: lines and columns count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Which layer.
    pub(super) source: usize,
    pub(super) line: usize,
    pub(super) column: usize,
    /// Characters to mark, at least 1.
    pub(super) width: usize,
}

impl At {
    /// The start of a layer.
    pub(super) fn start(source: usize) -> Self {
        Self { source, line: 1, column: 1, width: 1 }
    }
}

/// One value of a file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    /// Text, and whether it stood plain, without quotes: only then may it be a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: At,
}

/// Where an effective value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The key path: `monitor.window_s`.
    pub key: String,
    /// The file, or the flag.
    pub file: String,
    /// The line, from 1; none for a flag.
    pub line: Option<usize>,
    /// The value, in short.
    pub value: Clean,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({}", self.key, self.value, self.file)?;
        match self.line {
            Some(line) => write!(f, ":{line})"),
            None => f.write_str(")"),
        }
    }
}

impl Node {
    /// A map without entries.
    pub(super) fn empty(at: At) -> Self {
        Self { at, value: Value::Map(Vec::new()) }
    }

    /// The value under `key`, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The key `name`, if this is a map that has it.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        match &self.value {
            Value::Map(entries) => entries.iter().map(|(key, _)| key).find(|key| key.text == name),
            _ => None,
        }
    }

    /// One line about the value, for people.
    pub(super) fn summary(&self) -> Clean {
        let text = match &self.value {
            Value::Null => "null".to_owned(),
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => match items.len() {
                0 => "[]".to_owned(),
                1 => "a list of 1".to_owned(),
                n => format!("a list of {n}"),
            },
            Value::Map(_) => "a map".to_owned(),
        };
        Clean::new(&text).cut(80)
    }

    /// Calls `visit` for everything below that is neither a map nor a list with entries.
    pub(super) fn leaves(&self, path: &Path, visit: &mut impl FnMut(&Path, &Node)) {
        match &self.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    node.leaves(&path.with(Segment::Key(key.text.clone())), visit);
                }
            }
            Value::List(items) if !items.is_empty() => {
                for (i, node) in items.iter().enumerate() {
                    node.leaves(&path.with(Segment::Index(i)), visit);
                }
            }
            Value::Null | Value::Scalar { .. } | Value::List(_) => visit(path, self),
        }
    }
}

/// `upper` over `lower`. Maps merge; `null` takes a key back to `shipped`, or away.
pub(super) fn merge(lower: Node, upper: &Node, shipped: Option<&Node>) -> Node {
    let (Value::Map(below), Value::Map(above)) = (lower.value, &upper.value) else {
        return upper.clone();
    };
    let mut entries = below;
    for (key, node) in above {
        let first = shipped.and_then(|node| node.get(&key.text));
        let place = entries.iter().position(|(k, _)| k.text == key.text);
        let merged = match (&node.value, place) {
            (Value::Null, _) => first.cloned(),
            (Value::Map(_), Some(i)) => Some(merge(entries[i].1.clone(), node, first)),
            (Value::Map(_), None) => Some(merge(Node::empty(node.at), node, first)),
            (Value::Scalar { .. } | Value::List(_), _) => Some(node.clone()),
        };
        match (merged, place) {
            (Some(node), Some(i)) => entries[i] = (key.clone(), node),
            (Some(node), None) => entries.push((key.clone(), node)),
            (None, Some(i)) => drop(entries.remove(i)),
            (None, None) => {}
        }
    }
    Node { at: upper.at, value: Value::Map(entries) }
}

/// The way from the top of a tree to one of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// A path from its segments, innermost first.
    pub(super) fn from_inside(mut segments: Vec<Segment>) -> Self {
        segments.reverse();
        Self(segments)
    }

    /// A path from its segments, outermost first.
    pub(super) fn from_outside(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    /// Reads `stages[1].steps["a.b"].title`. What does not follow the form is one key.
    pub(super) fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((inside, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
                let quoted = inside.strip_prefix('"').and_then(|i| i.strip_suffix('"'));
                segments.push(match (quoted, inside.parse()) {
                    (Some(key), _) => Segment::Key(key.to_owned()),
                    (None, Ok(index)) => Segment::Index(index),
                    (None, Err(_)) => Segment::Key(inside.to_owned()),
                });
                rest = after.strip_prefix('.').unwrap_or(after);
                continue;
            }
            // A lone '[' at the start would not advance; it is then part of the key.
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let end = rest[first..].find(['.', '[']).map_or(rest.len(), |end| end + first);
            segments.push(Segment::Key(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
        Self(segments)
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The way to the key `name` of the map that it leads to.
    pub(super) fn with_key(&self, name: &str) -> Self {
        self.with(Segment::Key(name.to_owned()))
    }

    /// The last key, for examples in help texts.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
    }

    /// The node it leads to.
    pub(super) fn find<'a>(&self, top: &'a Node) -> Option<&'a Node> {
        self.0.iter().try_fold(top, |node, segment| step(node, segment))
    }

    /// The place of the node it leads to, or of the last one on the way there.
    pub(super) fn nearest(&self, top: &Node) -> At {
        let mut node = top;
        for segment in &self.0 {
            let Some(next) = step(node, segment) else { break };
            node = next;
        }
        node.at
    }

    /// `leaf`, wrapped in one map for each segment.
    pub(super) fn wrap(&self, leaf: Node, at: At) -> Node {
        self.0.iter().rev().fold(leaf, |inner, segment| {
            let text = match segment {
                Segment::Key(key) => key.clone(),
                Segment::Index(index) => index.to_string(),
            };
            Node { at, value: Value::Map(vec![(Key { text, at }, inner)]) }
        })
    }
}

fn step<'a>(node: &'a Node, segment: &Segment) -> Option<&'a Node> {
    match (segment, &node.value) {
        (Segment::Key(key), Value::Map(_)) => node.get(key),
        (Segment::Index(index), Value::List(items)) => items.get(*index),
        _ => None,
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.contains(['.', '[', ']', ' ', '"']) || key.is_empty() => {
                    write!(f, "[\"{key}\"]")?;
                }
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}
