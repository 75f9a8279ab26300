//! JSON as Go's `encoding/json` writes it: `<`, `>`, `&` and the line separators U+2028 and U+2029 are escaped.
//!
//! Readers don't care, but names of objects are hashes of their bytes: a directory that Kopia stored is found again only
//! when ours is the same to the byte.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;

/// The compact form of `value`.
pub(crate) fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    to_writer(&mut out, value)?;
    Ok(out)
}

/// Appends the compact form of `value` to `out`.
pub(crate) fn to_writer(out: &mut impl Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, GoFormatter))
}

/// The compact form of `value`, to be put into another document.
pub(crate) fn to_raw(value: &impl Serialize) -> serde_json::Result<Box<RawValue>> {
    let text = String::from_utf8(to_vec(value)?).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(text)
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, escape)) = first_escape(rest) {
            writer.write_all(&rest.as_bytes()[..at])?;
            writer.write_all(escape.as_bytes())?;
            let length = rest[at..].chars().next().map_or(1, char::len_utf8);
            rest = &rest[at + length..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// The first character that must be escaped, and how.
fn first_escape(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, byte)| {
        let escape = match byte {
            b'<' => "\\u003c",
            b'>' => "\\u003e",
            b'&' => "\\u0026",
            0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => "\\u2028",
            0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => "\\u2029",
            _ => return None,
        };
        Some((at, escape))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        for (text, expected) in [
            ("plain", "\"plain\""),
            ("a<b>&c", "\"a\\u003cb\\u003e\\u0026c\""),
            ("u\u{2028}sep\u{2029}", "\"u\\u2028sep\\u2029\""),
            ("\u{2027}\u{202a}é\u{fffd}", "\"\u{2027}\u{202a}é\u{fffd}\""),
            ("\u{7f}\u{8}\u{c}\u{1}\t\n\r\"\\/", "\"\u{7f}\\b\\f\\u0001\\t\\n\\r\\\"\\\\/\""),
        ] {
            assert_eq!(String::from_utf8(to_vec(&text).unwrap()).unwrap(), expected);
            assert_eq!(serde_json::from_str::<String>(expected).unwrap(), text);
            assert_eq!(to_raw(&text).unwrap().get(), expected);
        }
    }
}
