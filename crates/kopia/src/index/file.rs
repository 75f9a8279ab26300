//! One index in its stored form, versions 1 and 2.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::IndexEntry;
use super::fences::{Fences, PAGE, partition_near};
use super::filter::Filter;
use super::names::PackNames;
use crate::compression::CompressionId;
use crate::content_id::ContentId;
use crate::crypto::ENCRYPTION_OVERHEAD;
use crate::{Error, Result};

const DELETED: u32 = 1 << 31;

/// A searchable index.
#[derive(Debug)]
pub(crate) struct IndexFile {
    source: Source,
    name: String,
    layout: Layout,
    packs: Packs,
    formats: Vec<(CompressionId, u8)>,
    fences: Fences,
    filter: Filter,
}

/// A page, and the place in it where a key is or would be.
struct Found<'a> {
    /// The number of its first entry.
    start: u32,
    page: Cow<'a, [u8]>,
    inside: usize,
}

#[derive(Debug)]
enum Source {
    Memory(Vec<u8>),
    File(File),
}

#[derive(Debug, Clone, Copy)]
struct Layout {
    version: u8,
    header: usize,
    key: usize,
    entry: usize,
    count: u32,
    base_timestamp: u32,
}

#[derive(Debug)]
enum Packs {
    /// Version 2: by number.
    Table(Vec<Arc<str>>),
    /// Version 1: by place of the name.
    ByOffset(HashMap<(u32, u8), Arc<str>>),
}

impl IndexFile {
    /// Takes an index (random bytes may follow it). With `spill` it is kept in a temporary file instead of memory.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming `name` when the bytes are not an index.
    pub(crate) fn new(name: &str, data: Vec<u8>, spill: bool) -> Result<Self> {
        Self::sharing(&PackNames::default(), name, data, spill)
    }

    /// As [`IndexFile::new`], with names of packs that other indexes have too.
    pub(crate) fn sharing(names: &PackNames, name: &str, data: Vec<u8>, spill: bool) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(format!("index {name}"), reason);
        let layout = Layout::parse(&data).ok_or_else(|| damaged("the header makes no sense"))?;
        let table_end =
            layout.table_end().filter(|end| *end <= data.len()).ok_or_else(|| damaged("it is cut short"))?;
        let tables = || parse_tables(&data, layout, table_end, names);
        let (packs, formats) = tables().ok_or_else(|| damaged("a pack or format table is damaged"))?;
        let (fences, filter) =
            parse_keys(&data, layout).ok_or_else(|| damaged("the entries are not sorted"))?;
        let source = if spill {
            let io =
                |source: io::Error| Error::File { action: "write", path: "temporary index".into(), source };
            let mut file = tempfile::tempfile().map_err(io)?;
            file.write_all(&data[..table_end]).map_err(io)?;
            Source::File(file)
        } else {
            Source::Memory(data)
        };
        Ok(Self { source, name: name.to_owned(), layout, packs, formats, fences, filter })
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> u32 {
        self.layout.count
    }

    /// Bytes held in memory.
    pub(crate) fn memory(&self) -> usize {
        let data = match &self.source {
            Source::Memory(data) => data.len(),
            Source::File(_) => 0,
        };
        data + self.fences.memory() + self.filter.memory()
    }

    /// The entry of a content.
    pub(crate) fn find(&self, id: &ContentId) -> Result<Option<IndexEntry>> {
        if !self.filter.may_have(id.key()) {
            return Ok(None);
        }
        let Some(found) = self.locate(id.key())? else { return Ok(None) };
        let stride = self.layout.stride();
        let stored = found.page.get(found.inside * stride..(found.inside + 1) * stride);
        let stored = stored.filter(|stored| &stored[..self.layout.key] == id.key());
        stored.map(|stored| self.decode(stored)).transpose()
    }

    /// The position of the first entry whose key is not less than `key`.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> Result<u32> {
        Ok(self.locate(key)?.map_or(0, |found| found.start + found.inside as u32))
    }

    /// The page that has `key` if any does. `None` for a key before all others.
    fn locate(&self, key: &[u8]) -> Result<Option<Found<'_>>> {
        let Some((page, guess)) = self.fences.page(key) else { return Ok(None) };
        let start = page * PAGE;
        let count = PAGE.min(self.len() - start);
        let page = self.read(start, count)?;
        let (stride, width) = (self.layout.stride(), self.layout.key);
        let less = |index: usize| &page[index * stride..index * stride + width] < key;
        let inside = partition_near(count as usize, guess, less);
        Ok(Some(Found { start, page, inside }))
    }

    /// The entries from `start` on, `count` of them, in their stored form.
    pub(super) fn read(&self, start: u32, count: u32) -> Result<Cow<'_, [u8]>> {
        let stride = self.layout.stride();
        let offset = self.layout.header + start as usize * stride;
        let length = count as usize * stride;
        match &self.source {
            Source::Memory(data) => Ok(Cow::Borrowed(&data[offset..offset + length])),
            Source::File(file) => {
                let mut page = vec![0; length];
                file.read_exact_at(&mut page, offset as u64).map_err(|source| Error::File {
                    action: "read",
                    path: "temporary index".into(),
                    source,
                })?;
                Ok(Cow::Owned(page))
            }
        }
    }

    /// Bytes of one stored entry.
    pub(super) fn stride(&self) -> usize {
        self.layout.stride()
    }

    /// Decodes one stored entry.
    pub(super) fn decode(&self, stored: &[u8]) -> Result<IndexEntry> {
        let decoded = if self.layout.version == 1 { self.decode_v1(stored) } else { self.decode_v2(stored) };
        decoded.ok_or_else(|| Error::damaged(format!("index {}", self.name), "an entry makes no sense"))
    }

    fn decode_v1(&self, stored: &[u8]) -> Option<IndexEntry> {
        let (key, entry) = stored.split_at_checked(self.layout.key)?;
        let offset = be32(entry, 12)?;
        let packed_length = be32(entry, 16)?;
        let Packs::ByOffset(packs) = &self.packs else { return None };
        Some(IndexEntry {
            id: ContentId::from_key(key)?,
            timestamp: be(entry, 0, 6)?,
            deleted: offset & DELETED != 0,
            pack: packs.get(&(be32(entry, 8)?, entry[7]))?.clone(),
            offset: offset & !DELETED,
            packed_length,
            original_length: packed_length.checked_sub(ENCRYPTION_OVERHEAD as u32)?,
            compression: CompressionId::NONE,
            format_version: entry[6],
        })
    }

    fn decode_v2(&self, stored: &[u8]) -> Option<IndexEntry> {
        let (key, entry) = stored.split_at_checked(self.layout.key)?;
        let optional = |index: usize| u32::from(entry.get(index).copied().unwrap_or(0));
        let offset = be32(entry, 4)?;
        let high = optional(18);
        let pack = be(entry, 14, 2)? as u32 | optional(17) << 16;
        let Packs::Table(packs) = &self.packs else { return None };
        let (compression, format_version) = *self.formats.get(optional(16) as usize)?;
        Some(IndexEntry {
            id: ContentId::from_key(key)?,
            timestamp: u64::from(self.layout.base_timestamp) + be(entry, 0, 4)?,
            deleted: offset & DELETED != 0,
            pack: packs.get(pack as usize)?.clone(),
            offset: offset & !DELETED,
            packed_length: be(entry, 11, 3)? as u32 | (high & 0xf) << 24,
            original_length: be(entry, 8, 3)? as u32 | (high >> 4) << 24,
            compression,
            format_version,
        })
    }
}

impl Layout {
    fn parse(data: &[u8]) -> Option<Self> {
        let version = *data.first()?;
        let key = usize::from(*data.get(1)?);
        let entry = be(data, 2, 2)? as usize;
        let count = be32(data, 4)?;
        let (header, base_timestamp, sane) = match version {
            1 => (8, 0, entry == 20),
            2 => (17, be32(data, 13)?, (16..=19).contains(&entry)),
            _ => return None,
        };
        let key_sane = (2..=33).contains(&key) || count == 0;
        (sane && key_sane).then_some(Self { version, header, key, entry, count, base_timestamp })
    }

    fn stride(&self) -> usize {
        self.key + self.entry
    }

    fn table_end(&self) -> Option<usize> {
        (self.count as usize).checked_mul(self.stride())?.checked_add(self.header)
    }
}

type Tables = (Packs, Vec<(CompressionId, u8)>);

fn parse_tables(data: &[u8], layout: Layout, table_end: usize, names: &PackNames) -> Option<Tables> {
    let name = |length: u8, offset: u32| -> Option<Arc<str>> {
        let bytes = data.get(offset as usize..)?.get(..usize::from(length))?;
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.is_empty() && text.is_ascii()).then(|| names.share(text))
    };
    if layout.version == 1 {
        let mut packs = HashMap::new();
        for stored in data[layout.header..table_end].chunks_exact(layout.stride()) {
            let entry = &stored[layout.key..];
            let place = (be32(entry, 8)?, entry[7]);
            if let Entry::Vacant(vacant) = packs.entry(place) {
                vacant.insert(name(place.1, place.0)?);
            }
        }
        return Some((Packs::ByOffset(packs), Vec::new()));
    }
    let (pack_count, format_count) = (be32(data, 8)? as usize, usize::from(data[12]));
    let rest = &data[table_end..];
    let (pack_table, rest) = rest.split_at_checked(pack_count.checked_mul(5)?)?;
    let packs = pack_table.chunks_exact(5).map(|row| name(row[0], be32(row, 1)?)).collect::<Option<_>>()?;
    let formats = rest.get(..format_count * 6)?.chunks_exact(6);
    let formats = formats.map(|row| Some((CompressionId(be32(row, 0)?), row[4]))).collect::<Option<_>>()?;
    Some((Packs::Table(packs), formats))
}

/// Collects what look-ups need of the keys, and refuses entries out of order, which could not be found.
fn parse_keys(data: &[u8], layout: Layout) -> Option<(Fences, Filter)> {
    let entries = &data[layout.header..layout.table_end()?];
    let (mut fences, mut filter) = (Fences::new(layout.key, layout.count), Filter::new(layout.count));
    let mut previous: &[u8] = &[];
    for (index, stored) in entries.chunks_exact(layout.stride().max(1)).enumerate() {
        let key = &stored[..layout.key];
        if key <= previous {
            return None;
        }
        if index % PAGE as usize == 0 {
            fences.push(key);
        }
        filter.add(key);
        previous = key;
    }
    Some((fences, filter))
}

fn be(data: &[u8], start: usize, width: usize) -> Option<u64> {
    Some(data.get(start..start + width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn be32(data: &[u8], start: usize) -> Option<u32> {
    be(data, start, 4).map(|value| value as u32)
}
