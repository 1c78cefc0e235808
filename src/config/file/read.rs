//! A tree into a type. The type decides how plain text is read (`version: 1.10` is a text where a
//! text is wanted), and every error remembers the innermost place it concerns.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{FileError, Source};
use super::help::Kind;
use super::tree::{At, Key, Node, Path, Segment, Value};

pub(super) fn read<T: DeserializeOwned>(tree: &Node) -> Result<T, Fault> {
    T::deserialize(De(tree)).map_err(|fault| fault.at_node(tree))
}

/// An error on its way out of the tree.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    at: Option<At>,
    /// Innermost first.
    path: Vec<Segment>,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { kind, at: None, path: Vec::new() }
    }

    /// Places the error at `node`, unless something inside it has been blamed already.
    fn at_node(mut self, node: &Node) -> Self {
        if self.at.is_none() {
            let named = self.kind.field().and_then(|field| find_key(node, field));
            self.at = Some(named.unwrap_or(node.at));
        }
        self
    }

    fn at_key(mut self, key: &Key) -> Self {
        self.at.get_or_insert(key.at);
        self
    }

    fn inside(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    pub(super) fn locate(self, sources: &[Source]) -> FileError {
        let path = Path::from_inside(self.path);
        let help = self.kind.help(path.last_key());
        let at = self.at.unwrap_or(At::start(0));
        FileError::new(sources, at, &path.to_string(), &self.kind.to_string(), help)
    }
}

/// Where the key `field` stands in `node` or below: a tagged enum reads its content from a
/// buffer, which has forgotten its places.
fn find_key(node: &Node, field: &str) -> Option<At> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.text == field)
            .map(|(key, _)| key.at)
            .or_else(|| entries.iter().find_map(|(_, node)| find_key(node, field))),
        Value::List(items) => items.iter().find_map(|node| find_key(node, field)),
        Value::Null | Value::Scalar { .. } => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let number = match found {
            Unexpected::Str(text) => text.parse::<f64>().is_ok(),
            _ => false,
        };
        let (found, expected) = (found.to_string(), expected.to_string());
        Self::new(Kind::Type { found, expected, number })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Variant { found: variant.to_owned(), expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Field { found: field.to_owned(), expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field))
    }
}

/// Reads one node.
struct De<'n>(&'n Node);

/// What a plain scalar means where the type leaves it open (YAML 1.2 core).
enum Meaning<'n> {
    Text(&'n str),
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

fn meaning(text: &str, plain: bool) -> Meaning<'_> {
    if !plain {
        return Meaning::Text(text);
    }
    match text {
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Meaning::Text(text);
    }
    if let Some(hex) = text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
        return Meaning::Unsigned(hex);
    }
    if let Some(octal) = text.strip_prefix("0o").and_then(|o| u64::from_str_radix(o, 8).ok()) {
        return Meaning::Unsigned(octal);
    }
    if let Ok(number) = text.parse::<u64>() {
        return Meaning::Unsigned(number);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Meaning::Signed(number);
    }
    // An overflow such as 1e999 is no number that was meant.
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Meaning::Float(number),
        _ => Meaning::Text(text),
    }
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar { text, plain } => match meaning(text, *plain) {
                Meaning::Text(text) => visitor.visit_str(text),
                Meaning::Bool(yes) => visitor.visit_bool(yes),
                Meaning::Signed(number) => visitor.visit_i64(number),
                Meaning::Unsigned(number) => visitor.visit_u64(number),
                Meaning::Float(number) => visitor.visit_f64(number),
            },
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Scalar { text, .. } => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Scalar { text, .. } => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(Variant(&entries[0])),
            Value::Null => Err(de::Error::invalid_type(Unexpected::Unit, &"a name")),
            Value::Map(_) => Err(de::Error::invalid_type(Unexpected::Map, &"a name")),
            Value::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &"a name")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct
    }
}

struct Items<'n> {
    items: std::slice::Iter<'n, Node>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(De(node))
            .map(Some)
            .map_err(|fault| fault.at_node(node).inside(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'n> {
    rest: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n (Key, Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry);
        let key = &entry.0;
        seed.deserialize(KeyDe(&key.text))
            .map(Some)
            .map_err(|fault| fault.at_key(key).inside(Segment::Key(key.text.clone())))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(De(node)).map_err(|fault| {
            // A value that is not there has no place of its own: blame its key.
            let fault = if matches!(node.value, Value::Null) { fault.at_key(key) } else { fault };
            fault.at_node(node).inside(Segment::Key(key.text.clone()))
        })
    }
}

/// Reads a key: a text, or a number where the type wants one.
struct KeyDe<'n>(&'n str);

impl<'n> KeyDe<'n> {
    fn text(&self) -> StrDeserializer<'n, Fault> {
        self.0.into_deserializer()
    }
}

macro_rules! number_keys {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match meaning(self.0, true) {
                Meaning::Unsigned(number) => visitor.visit_u64(number),
                Meaning::Signed(number) => visitor.visit_i64(number),
                Meaning::Float(_) | Meaning::Bool(_) | Meaning::Text(_) => {
                    self.text().deserialize_any(visitor)
                }
            }
        })*
    };
}

impl<'de> Deserializer<'de> for KeyDe<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.text().deserialize_enum(name, variants, visitor)
    }

    number_keys! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// An enum variant with content: `name: content`.
struct Variant<'n>(&'n (Key, Node));

impl<'de, 'n> de::EnumAccess<'de> for Variant<'n> {
    type Error = Fault;
    type Variant = Content<'n>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Content<'n>), Fault> {
        let key = &self.0.0;
        let variant =
            seed.deserialize(KeyDe(&key.text)).map_err(|fault: Fault| fault.at_key(key))?;
        Ok((variant, Content(self.0)))
    }
}

struct Content<'n>(&'n (Key, Node));

impl Content<'_> {
    fn blame(&self, fault: Fault) -> Fault {
        fault.at_node(&self.0.1).inside(Segment::Key(self.0.0.text.clone()))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.0.1.value {
            Value::Null => Ok(()),
            _ => Err(self.blame(de::Error::custom("this name takes no value"))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(De(&self.0.1)).map_err(|fault| self.blame(fault))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        De(&self.0.1).deserialize_any(visitor).map_err(|fault| self.blame(fault))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        De(&self.0.1).deserialize_any(visitor).map_err(|fault| self.blame(fault))
    }
}
