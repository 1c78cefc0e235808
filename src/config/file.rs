//! Layered YAML files.
//!
//! Every layer is parsed into a tree whose nodes know where they were written; the trees are
//! merged; the result is deserialised into the wanted type. So an error in an effective value
//! can always point at the file and line that set it, and [`Layers::explain`] can tell where any
//! value comes from.
//!
//! Maps merge key by key. Lists and everything else replace what a lower layer said. `key: null`
//! takes `key` back to the first layer, the shipped default.

mod error;
mod help;
mod parse;
mod read;
mod tree;

use serde::de::DeserializeOwned;

pub use error::{Details, FileError};
pub use tree::Origin;

use error::Source;
use tree::{At, Node, Path};

/// A file larger than this is not a configuration.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Files, and flags after them, from the lowest to the highest.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    sources: Vec<Source>,
    trees: Vec<Node>,
}

impl Layers {
    /// The shipped defaults of a file, which are complete.
    pub fn shipped(name: &str, text: &str) -> Result<Self, FileError> {
        let mut layers = Self::default();
        layers.add(name, text.as_bytes())?;
        Ok(layers)
    }

    /// Puts a file on top. `name` is how errors call it, usually its path.
    ///
    /// A file that holds nothing but comments sets nothing; one without a single byte is refused,
    /// because that is what an interrupted write leaves.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let index = self.sources.len();
        let (text, tree) = parse::parse(name, index, bytes)?;
        self.sources.push(Source::file(name, text));
        self.trees.push(tree);
        Ok(())
    }

    /// Puts one value on top: `flag` is how errors call it (`--jobs`), `key` the path it sets
    /// (`limits.jobs`), `value` a YAML value on one line.
    pub fn set(&mut self, flag: &str, key: &str, value: &str) -> Result<(), FileError> {
        let index = self.sources.len();
        let (text, tree) = parse::parse(flag, index, value.as_bytes())
            .map_err(|error| error.of_flag(flag, key))?;
        self.sources.push(Source::flag(flag, text));
        self.trees.push(Path::parse(key).wrap(tree, At::start(index)));
        Ok(())
    }

    /// The effective value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FileError> {
        let merged = self.merged();
        read::read(&merged).map_err(|fault| fault.locate(&self.sources))
    }

    /// An error at a key of the effective value, for rules that a type cannot express.
    ///
    /// Where the key was never written, it points at the nearest one above it.
    pub fn fault(&self, key: &str, message: &str) -> FileError {
        let merged = self.merged();
        let at = Path::parse(key).nearest(&merged);
        FileError::new(&self.sources, at, key, message, None)
    }

    /// An error at a key that a map of the effective value has and nothing answers to, with the
    /// nearest of the `known`; none where the first layer, the shipped default, wrote it.
    pub fn unknown_key(
        &self,
        map: &str,
        name: &str,
        message: &str,
        known: &[&str],
        remedy: &str,
    ) -> Option<FileError> {
        let merged = self.merged();
        let path = Path::parse(map);
        let at = path.find(&merged)?.key(name)?.at;
        let key = path.with_key(name).to_string();
        let help = format!("{}{remedy}", help::names_help(name, known));
        (at.source > 0).then(|| FileError::new(&self.sources, at, &key, message, Some(help)))
    }

    /// Where the effective value of `key` (`monitor.window_s`, `stages[1].title`) was written.
    pub fn explain(&self, key: &str) -> Option<Origin> {
        let merged = self.merged();
        let node = Path::parse(key).find(&merged)?;
        Some(self.origin(key.to_owned(), node))
    }

    /// Every effective value that is no map, in order, with where it was written.
    pub fn origins(&self) -> Vec<Origin> {
        let mut out = Vec::new();
        self.merged().leaves(&Path::default(), &mut |path, node| {
            out.push(self.origin(path.to_string(), node));
        });
        out
    }

    fn origin(&self, key: String, node: &Node) -> Origin {
        let source = self.sources.get(node.at.source);
        let file = source.map(|source| source.name.clone()).unwrap_or_default();
        let line = source.filter(|source| !source.flag).map(|_| node.at.line);
        Origin { key, file, line, value: node.summary() }
    }

    fn merged(&self) -> Node {
        let Some((first, rest)) = self.trees.split_first() else {
            return Node::empty(At::start(0));
        };
        rest.iter().fold(first.clone(), |lower, upper| tree::merge(lower, upper, Some(first)))
    }
}

#[cfg(test)]
mod tests;
