//! tar headers as Go's `archive/tar` writes them: USTAR, and PAX records for names that don't fit.

use std::io::Write;

use super::TAR_BLOCK;

const NAME: usize = 100;
const PREFIX: usize = 155;

/// Appends the header of a regular file.
pub(super) fn write(out: &mut Vec<u8>, path: &str, size: usize, mtime: u64) {
    if let Some((prefix, name)) = split(path) {
        ustar(out, prefix.as_bytes(), name.as_bytes(), b'0', size, mtime);
        return;
    }
    let record = record("path", path);
    let (directory, base) = path.rsplit_once('/').unwrap_or(("", path));
    let pax_name = format!("{directory}/PaxHeaders.0/{base}");
    ustar(out, b"", cut(&pax_name), b'x', record.len(), 0);
    out.extend_from_slice(record.as_bytes());
    pad(out);
    ustar(out, b"", cut(path), b'0', size, mtime);
}

/// Fills the last block of a file's content with zeros.
pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(TAR_BLOCK), 0);
}

/// Splits a path at the last `/` that leaves at most 155 bytes before it; `None` when the path does not fit into the two fields.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some(("", path));
    }
    let at = path[..path.len().min(PREFIX + 1)].rfind('/').filter(|at| *at > 0)?;
    let (prefix, name) = (&path[..at], &path[at + 1..]);
    (!name.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// A PAX record: its own length in decimal, a space, `key=value`, a newline.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn cut(path: &str) -> &[u8] {
    &path.as_bytes()[..path.floor_char_boundary(NAME)]
}

fn ustar(out: &mut Vec<u8>, prefix: &[u8], name: &[u8], kind: u8, size: usize, mtime: u64) {
    let mut header = [0u8; TAR_BLOCK];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(if kind == b'0' { b"0000755\0" } else { b"0000000\0" });
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    octal(&mut header[124..136], size as u64);
    octal(&mut header[136..148], mtime);
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[329..337].copy_from_slice(b"0000000\0");
    header[337..345].copy_from_slice(b"0000000\0");
    header[345..345 + prefix.len()].copy_from_slice(prefix);
    // The checksum counts its own field as spaces.
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
    octal(&mut header[148..155], sum);
    header[155] = b' ';
    out.extend_from_slice(&header);
}

/// Writes octal digits with leading zeros and a NUL behind. Numbers that don't fit are cut; sizes above 8 GiB can't occur here.
fn octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let largest = (1u64 << (3 * digits)) - 1;
    let mut rest = field;
    write!(rest, "{:0digits$o}\0", number.min(largest)).expect("the field has room for its digits");
}
