//! Reads XML from a stream. There is no document type and no entity but the five of XML and
//! character references; nesting and the size of one piece are bounded.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::report::{ReadError, damaged_at};
use crate::release::Clean;

/// Real reports nest four deep.
const DEPTH_MAX: usize = 64;
/// The largest tag or text, in bytes.
const PIECE_BYTES_MAX: u64 = 16 << 20;

/// What is met on the way.
pub(super) enum Piece<'p> {
    Open(Tag<'p>),
    Text(&'p str),
    Close,
}

/// The start of an element.
pub(super) struct Tag<'p> {
    name: String,
    start: &'p BytesStart<'p>,
    place: Place<'p>,
}

/// Where the stream is.
#[derive(Clone, Copy)]
struct Place<'p> {
    tool: &'p Clean,
    byte: u64,
    line: u64,
    column: u64,
}

impl Place<'_> {
    fn damaged(&self, what: &str) -> ReadError {
        damaged_at(self.tool, self.byte, self.line, self.column, what)
    }
}

impl Tag<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// One attribute with its entities resolved, empty where there is none; duplicates are
    /// refused.
    pub(super) fn attribute(&self, wanted: &str) -> Result<String, ReadError> {
        let mut found = String::new();
        for attribute in self.start.attributes() {
            let attribute = attribute.map_err(|error| self.damaged(&error.to_string()))?;
            let key: &str = attribute.key.as_ref();
            if key == wanted {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                found = value.map_err(|error| self.damaged(&error.to_string()))?.into_owned();
            }
        }
        Ok(found)
    }

    /// A number; what is none counts as 0.
    pub(super) fn number(&self, wanted: &str) -> Result<u64, ReadError> {
        Ok(self.attribute(wanted)?.trim().parse().unwrap_or(0))
    }

    pub(super) fn damaged(&self, what: &str) -> ReadError {
        self.place.damaged(what)
    }
}

/// Walks a whole document; `each` is called with every piece, and with whether the document's
/// root is the element itself.
pub(super) fn walk(
    tool: &Clean,
    from: &mut dyn BufRead,
    roots: &[&str],
    mut each: impl FnMut(Piece<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let watched = Watched { from, taken: 0, lines: 0, line_start: 0, piece: 0 };
    let mut reader = Reader::from_reader(watched);
    let (mut depth, mut rooted) = (0_usize, false);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().piece = 0;
        let event = reader.read_event_into(&mut buffer);
        let watched = reader.get_ref();
        let (byte, line) = (watched.taken, watched.lines + 1);
        let place = Place { tool, byte, line, column: byte - watched.line_start + 1 };
        let event = match event {
            Ok(event) => event,
            Err(quick_xml::Error::Io(source)) => {
                let source = io::Error::new(source.kind(), source.to_string());
                if source.kind() == io::ErrorKind::InvalidData {
                    return Err(place.damaged("it is not UTF-8"));
                }
                return Err(ReadError::Io { tool: tool.clone(), source });
            }
            Err(error) => return Err(place.damaged(&not_well_formed(&error))),
        };
        match event {
            Event::Start(start) => {
                rooted = open(&start, place, depth, rooted, roots, &mut each)?;
                depth += 1;
            }
            Event::Empty(start) => {
                rooted = open(&start, place, depth, rooted, roots, &mut each)?;
                each(Piece::Close)?;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                each(Piece::Close)?;
            }
            Event::Text(text) => say(&text.xml10_content(), place, depth, &mut each)?,
            Event::CData(text) => say(&text.xml10_content(), place, depth, &mut each)?,
            Event::GeneralRef(name) => {
                let resolved = match name.resolve_char_ref() {
                    Ok(Some(c)) => Cow::Owned(c.to_string()),
                    Ok(None) => predefined(&name.xml10_content()).map_or_else(
                        || Err(place.damaged("it refers to an entity that XML does not have")),
                        |text| Ok(Cow::Borrowed(text)),
                    )?,
                    Err(error) => return Err(place.damaged(&error.to_string())),
                };
                say(&resolved, place, depth, &mut each)?;
            }
            // Cobertura's own is an address, which is never asked.
            Event::DocType(kind) if kind.contains('[') => {
                return Err(place.damaged("it declares a document type, which is refused"));
            }
            Event::Eof if depth > 0 => return Err(place.damaged("it ends in the middle")),
            Event::Eof if !rooted => return Err(ReadError::Empty { tool: tool.clone() }),
            Event::Eof => return Ok(()),
            Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn not_well_formed(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Encoding(_) => "it is not UTF-8".to_owned(),
        error => format!("it is not well-formed XML: {error}"),
    }
}

fn open(
    start: &BytesStart<'_>,
    place: Place<'_>,
    depth: usize,
    rooted: bool,
    roots: &[&str],
    each: &mut impl FnMut(Piece<'_>) -> Result<(), ReadError>,
) -> Result<bool, ReadError> {
    if depth >= DEPTH_MAX {
        return Err(place.damaged(&format!("its elements are nested deeper than {DEPTH_MAX}")));
    }
    let name = start.local_name();
    let name: &str = name.as_ref();
    let tag = Tag { name: name.to_owned(), start, place };
    if depth == 0 {
        if rooted {
            return Err(place.damaged("a second document follows the first"));
        }
        if !roots.contains(&name) {
            let known = roots.first().unwrap_or(&"");
            return Err(place.damaged(&format!("<{name}> is not the root, <{known}> is")));
        }
    }
    each(Piece::Open(tag))?;
    Ok(true)
}

fn say(
    text: &str,
    place: Place<'_>,
    depth: usize,
    each: &mut impl FnMut(Piece<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    if depth > 0 {
        return each(Piece::Text(text));
    }
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(());
    }
    Err(place.damaged("there is text outside of the document"))
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return None,
    })
}

/// Counts bytes and lines as they are taken, and refuses a piece without an end.
struct Watched<'r> {
    from: &'r mut dyn BufRead,
    taken: u64,
    lines: u64,
    line_start: u64,
    piece: u64,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let len = chunk.len().min(into.len());
        into[..len].copy_from_slice(&chunk[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece > PIECE_BYTES_MAX {
            let what = format!("one piece is larger than {PIECE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        self.from.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        if let Ok(chunk) = self.from.fill_buf() {
            let read = &chunk[..len.min(chunk.len())];
            if let Some(last) = memchr::memrchr(b'\n', read) {
                self.lines += memchr::memchr_iter(b'\n', read).count() as u64;
                self.line_start = self.taken + last as u64 + 1;
            }
        }
        self.taken += len as u64;
        self.piece += len as u64;
        self.from.consume(len);
    }
}
