//! Builds indexes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use super::{IndexEntry, writer_v1};
use crate::compression::CompressionId;
use crate::{Error, Result};

const HEADER: usize = 17;
const DELETED: u32 = 1 << 31;
const MAX_OFFSET: u32 = 1 << 30;
const MAX_LENGTH: u32 = 1 << 28;
const MAX_PACKS: usize = 1 << 24;
const MAX_FORMATS: usize = 255;

/// The tables of an index, numbered in order of first use.
#[derive(Default)]
struct Tables {
    count: u32,
    key: usize,
    long: bool,
    packs: Vec<Arc<str>>,
    pack_numbers: HashMap<Arc<str>, u32>,
    formats: Vec<(CompressionId, u8)>,
}

/// The index of the entries that `entries` yields, in order of their contents. It is called twice and must yield the same.
/// `version` is the repository's `indexVersion`.
///
/// # Errors
/// Those of the entries; [`Error::Unsupported`] beyond the limits of the format.
pub(crate) fn build<I, E>(version: u8, entries: impl Fn() -> Result<I>) -> Result<Vec<u8>>
where
    I: Iterator<Item = Result<E>>,
    E: Borrow<IndexEntry>,
{
    if version < 2 { writer_v1::build(entries) } else { build_v2(entries) }
}

fn build_v2<I, E>(entries: impl Fn() -> Result<I>) -> Result<Vec<u8>>
where
    I: Iterator<Item = Result<E>>,
    E: Borrow<IndexEntry>,
{
    let mut tables = Tables::default();
    for entry in entries()? {
        tables.add(entry?.borrow())?;
    }
    let width = tables.entry_width();
    let names: usize = tables.packs.iter().map(|pack| pack.len()).sum();
    let names_at = HEADER
        + tables.count as usize * (tables.key + width)
        + 5 * tables.packs.len()
        + 6 * tables.formats.len();
    let mut out = Vec::with_capacity(names_at + names);
    out.extend_from_slice(&[2, tables.key as u8]);
    out.extend_from_slice(&(width as u16).to_be_bytes());
    out.extend_from_slice(&tables.count.to_be_bytes());
    out.extend_from_slice(&(tables.packs.len() as u32).to_be_bytes());
    out.push(tables.formats.len() as u8);
    out.extend_from_slice(&0u32.to_be_bytes());
    for entry in entries()? {
        tables.write(entry?.borrow(), width, &mut out)?;
    }
    let mut name_at = names_at as u32;
    for pack in &tables.packs {
        out.push(pack.len() as u8);
        out.extend_from_slice(&name_at.to_be_bytes());
        name_at += pack.len() as u32;
    }
    for (compression, version) in &tables.formats {
        out.extend_from_slice(&compression.0.to_be_bytes());
        out.extend_from_slice(&[*version, 0]);
    }
    for pack in &tables.packs {
        out.extend_from_slice(pack.as_bytes());
    }
    Ok(out)
}

impl Tables {
    fn add(&mut self, entry: &IndexEntry) -> Result<()> {
        let fits = entry.offset < MAX_OFFSET
            && entry.packed_length < MAX_LENGTH
            && entry.original_length < MAX_LENGTH
            && u32::try_from(entry.timestamp).is_ok()
            && entry.pack.len() <= 255;
        if !fits {
            return Err(Error::Unsupported(format!("index entry of {} exceeds the format", entry.id)));
        }
        self.count += 1;
        self.key = entry.id.key().len();
        self.long |= entry.packed_length.max(entry.original_length) >= 1 << 24;
        if !self.pack_numbers.contains_key(&entry.pack) {
            self.pack_numbers.insert(entry.pack.clone(), self.packs.len() as u32);
            self.packs.push(entry.pack.clone());
        }
        let format = (entry.compression, entry.format_version);
        if !self.formats.contains(&format) {
            self.formats.push(format);
        }
        if self.packs.len() > MAX_PACKS || self.formats.len() > MAX_FORMATS {
            return Err(Error::Unsupported("an index of too many packs or formats".into()));
        }
        Ok(())
    }

    fn entry_width(&self) -> usize {
        match () {
            () if self.long => 19,
            () if self.packs.len() > 1 << 16 => 18,
            () if self.formats.len() > 1 => 17,
            () => 16,
        }
    }

    fn write(&self, entry: &IndexEntry, width: usize, out: &mut Vec<u8>) -> Result<()> {
        let changed = || Error::Unsupported("the index entries changed while they were written".into());
        let pack = *self.pack_numbers.get(&entry.pack).ok_or_else(changed)?;
        let format = (entry.compression, entry.format_version);
        let format = self.formats.iter().position(|known| *known == format).ok_or_else(changed)?;
        let offset = entry.offset | if entry.deleted { DELETED } else { 0 };
        out.extend_from_slice(entry.id.key());
        let start = out.len();
        out.extend_from_slice(&(entry.timestamp as u32).to_be_bytes());
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&entry.original_length.to_be_bytes()[1..]);
        out.extend_from_slice(&entry.packed_length.to_be_bytes()[1..]);
        out.extend_from_slice(&(pack as u16).to_be_bytes());
        out.extend_from_slice(&[format as u8, (pack >> 16) as u8]);
        out.push(((entry.original_length >> 24) << 4 | entry.packed_length >> 24) as u8);
        out.truncate(start + width);
        Ok(())
    }
}
