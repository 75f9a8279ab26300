//! JSON text as Go's encoder writes it, so that our files can't be told from Velero's.
//!
//! Against `serde_json`: `<`, `>`, `&`, U+2028 and U+2029 are escaped, and floats look different (`1e+21`, `1`).
//! Raw values (`serde_json::value::RawValue`) are given out as they are.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Compact text without a newline: an item of the archive.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    write(&mut text, value)?;
    Ok(text)
}

/// Compact text and a newline: one of the gzipped files of a backup.
pub fn to_line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Text indented by two spaces, without a newline at the end: `velero-backup.json`.
pub fn to_vec_indented<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    let formatter = GoFormatter(PrettyFormatter::new());
    value.serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
    Ok(text)
}

/// Writes compact text without a newline.
pub fn write<W: Write, T: Serialize + ?Sized>(writer: W, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(writer, GoFormatter(CompactFormatter)))
}

/// Go's text for a float: shortest digits, an exponent only below 1e-6 and from 1e21.
pub fn float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        if magnitude >= 1e21 { text.replace('e', "e+") } else { text }
    } else {
        value.to_string()
    }
}

/// Lays text out like the inner formatter and spells strings and floats like Go.
struct GoFormatter<F>(F);

/// Hands the named calls, which only lay out, to the inner formatter.
macro_rules! same_layout {
    ($( $name:ident($($arg:ident: $ty:ty),*) ),+ $(,)?) => {
        $(
            fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $arg: $ty)*) -> io::Result<()> {
                self.0.$name(writer $(, $arg)*)
            }
        )+
    };
}

impl<F: Formatter> Formatter for GoFormatter<F> {
    same_layout!(
        begin_array(),
        end_array(),
        begin_array_value(first: bool),
        end_array_value(),
        begin_object(),
        end_object(),
        begin_object_key(first: bool),
        end_object_key(),
        begin_object_value(),
        end_object_value(),
    );

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, special)) = rest.char_indices().find(|(_, c)| is_special(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }
}

/// Characters that are dangerous inside HTML or JavaScript, which Go therefore escapes.
fn is_special(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    fn text(value: &serde_json::Value) -> String {
        String::from_utf8(super::to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn escapes_what_go_escapes() {
        let cases = [
            ("p<>&s", r#""p\u003c\u003e\u0026s""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("grün €", "\"grün €\""),
            ("\"\\/\n\r\t\u{8}\u{c}\u{1f}\u{7f}", "\"\\\"\\\\/\\n\\r\\t\\b\\f\\u001f\u{7f}\""),
        ];
        for (plain, escaped) in cases {
            assert_eq!(text(&json!(plain)), escaped);
        }
        assert_eq!(text(&json!({ "<": [true, null] })), r#"{"\u003c":[true,null]}"#);
    }

    #[test]
    fn floats_look_like_in_go() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-1.25e-10, "-1.25e-10"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(&json!(value)), expected);
        }
        assert_eq!(text(&json!(9_007_199_254_740_993_i64)), "9007199254740993");
    }

    #[test]
    fn indented_text_keeps_empty_objects_closed() {
        let value = json!({ "a": {}, "b": [1, []] });
        let text = super::to_vec_indented(&value).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "{\n  \"a\": {},\n  \"b\": [\n    1,\n    []\n  ]\n}");
        assert_eq!(super::to_line(&json!([])).unwrap(), b"[]\n");
    }
}
