//! Text of others on a terminal. A log, an annotation or an error of another program may hold control characters, which could move
//! the cursor, rename the window or type for the user; they are shown instead, as `\x1b`.

use std::borrow::Cow;
use std::io::{self, Write};

/// First byte of the UTF-8 form of the control characters from U+0080 to U+009F.
const C1: u8 = 0xc2;

/// A text without control characters but tabs, newlines and colours.
pub(crate) fn visible(text: &[u8]) -> Cow<'_, [u8]> {
    let hidden = |at: usize| is_control(text[at]) || (text[at] == C1 && is_c1(text.get(at + 1)));
    if !(0..text.len()).any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = Vec::with_capacity(text.len() + 16);
    let mut at = 0;
    while at < text.len() {
        let colour = colour(&text[at..]);
        if colour > 0 {
            shown.extend_from_slice(&text[at..at + colour]);
            at += colour;
        } else if text[at] == C1 && is_c1(text.get(at + 1)) {
            show(&mut shown, text[at + 1]);
            at += 2;
        } else {
            if is_control(text[at]) {
                show(&mut shown, text[at]);
            } else {
                shown.push(text[at]);
            }
            at += 1;
        }
    }
    Cow::Owned(shown)
}

/// The length of a change of colour or weight at the beginning of a text, such as `\x1b[31m`; else 0. It can do no harm.
fn colour(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b"\x1b[") else { return 0 };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    if rest.get(digits) == Some(&b'm') { "\x1b[m".len() + digits } else { 0 }
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')
}

fn is_c1(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| (0x80..=0x9f).contains(byte))
}

fn show(shown: &mut Vec<u8>, byte: u8) {
    match byte {
        b'\r' => shown.extend_from_slice(b"\\r"),
        byte => shown.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
    }
}

/// Makes what is written through it [`visible`], in pieces of any size.
pub(crate) struct Visible<W> {
    out: W,
    /// What can't be judged before the next piece is there.
    rest: Vec<u8>,
}

impl<W: Write> Visible<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, rest: Vec::new() }
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&visible(&self.rest))?;
        self.out.flush()
    }
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        /// No change of colour is longer.
        const LONGEST: usize = 16;
        self.rest.extend_from_slice(piece);
        let last = self.rest.len().saturating_sub(LONGEST);
        let open = self.rest[last..].iter().rposition(|byte| matches!(byte, b'\x1b' | &C1));
        let end = open.map_or(self.rest.len(), |at| last + at);
        let ready: Vec<u8> = self.rest.drain(..end).collect();
        self.out.write_all(&visible(&ready))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Visible, visible};

    /// What arrives, and what is shown of it.
    const CASES: [(&str, &str); 8] = [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m"),
        ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\x1b[2J\\x1b]0;title\\x07"),
        ("over\rwritten\r\n", "over\\rwritten\\r\n"),
        ("\u{9b}2J", "\\x9b2J"),
        ("é Ā ° 漢字 \u{a0}", "é Ā ° 漢字 \u{a0}"),
        ("\u{0}\u{8}\u{7f}", "\\x00\\x08\\x7f"),
        ("end \u{1b}", "end \\x1b"),
    ];

    #[test]
    fn control_characters_are_shown_instead_of_obeyed() {
        for (text, shown) in CASES {
            assert_eq!(String::from_utf8_lossy(&visible(text.as_bytes())), shown, "{text:?}");
        }
    }

    #[test]
    fn pieces_of_any_size_are_shown_as_the_whole() {
        for (text, shown) in CASES {
            for size in 1..5 {
                let mut out = Vec::new();
                let mut filter = Visible::new(&mut out);
                text.as_bytes().chunks(size).for_each(|piece| filter.write_all(piece).unwrap());
                filter.finish().unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), shown, "{text:?} in pieces of {size}");
            }
        }
    }
}
