//! Packs: blobs that hold many encrypted contents, and at their end an index of their own for recovery.
//!
//! ```text
//! 32 random bytes | contents … | random bytes to a multiple of 4096 | sealed index | postamble | its length
//! ```
//! In version 1 a copy of the format blob comes first.

use std::sync::Arc;

use bytes::Bytes;

use crate::buffers::Buffer;
use crate::compression::CompressionId;
use crate::content_id::ContentId;
use crate::crypto::random;
use crate::index::{self, IndexEntry, IndexFile, IndexSet};
use crate::seal::Sealer;
use crate::{Error, Result, varint};

const PREAMBLE: usize = 32;
const ALIGNMENT: usize = 4096;
const SUFFIX: usize = 32;
const POSTAMBLE_VERSION: u64 = 1;
/// Enough for the longest postamble.
const TAIL: usize = 256;

/// Packs of plain contents and of contents with a prefix letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackKind {
    Data,
    Metadata,
}

impl PackKind {
    pub(crate) const ALL: [Self; 2] = [Self::Data, Self::Metadata];

    pub(crate) fn of(id: &ContentId) -> Self {
        if id.prefix().is_some() { Self::Metadata } else { Self::Data }
    }

    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Data => "p",
            Self::Metadata => "q",
        }
    }
}

/// A pack that is being filled.
#[derive(Debug)]
pub(crate) struct PackBuilder {
    id: Arc<str>,
    body: Buffer,
    entries: Vec<Arc<IndexEntry>>,
}

/// A content as it goes into a pack.
pub(crate) struct Sealed {
    pub(crate) id: ContentId,
    pub(crate) original_length: u32,
    pub(crate) compression: CompressionId,
    pub(crate) timestamp: u64,
    pub(crate) deleted: bool,
    pub(crate) format_version: u8,
}

impl PackBuilder {
    /// `head` comes before everything else; `body` is an empty buffer.
    pub(crate) fn new(
        kind: PackKind,
        session: &str,
        head: &[u8],
        mut body: Buffer,
        capacity: usize,
    ) -> Result<Self> {
        let id = format!("{}{}-{session}", kind.letter(), hex::encode(random::<16>()?));
        body.reserve_exact(capacity);
        body.extend_from_slice(head);
        body.extend_from_slice(&random::<PREAMBLE>()?);
        Ok(Self { id: id.into(), body, entries: Vec::new() })
    }

    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    /// Appends a content, whose sealed bytes `write` appends, about so many; answers its index entry.
    ///
    /// # Errors
    /// Those of `write`; the pack is as it was then.
    pub(crate) fn append(
        &mut self,
        content: &Sealed,
        about: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<Arc<IndexEntry>> {
        let start = self.body.len();
        if about > ALIGNMENT {
            // Else the buffer would be doubled for the content that fills it.
            self.body.reserve_exact(about);
        }
        if let Err(error) = write(&mut self.body) {
            self.body.truncate(start);
            return Err(error);
        }
        let entry = Arc::new(IndexEntry {
            id: content.id,
            timestamp: content.timestamp,
            deleted: content.deleted,
            pack: self.id.clone(),
            offset: start as u32,
            packed_length: (self.body.len() - start) as u32,
            original_length: content.original_length,
            compression: content.compression,
            format_version: content.format_version,
        });
        self.entries.push(entry.clone());
        Ok(entry)
    }

    /// Name and bytes of the finished pack.
    pub(crate) fn finish(mut self, sealer: &Sealer, index_version: u8) -> Result<(Arc<str>, Bytes)> {
        // A position that is aligned already still gets a whole block of padding.
        let padding = ALIGNMENT - self.body.len() % ALIGNMENT;
        self.body.extend_from_slice(&random::<ALIGNMENT>()?[..padding]);
        self.entries.sort_unstable_by_key(|entry| entry.id);
        let mut local = index::build(index_version, || Ok(self.entries.iter().map(|entry| Ok(&**entry))))?;
        local.extend_from_slice(&random::<SUFFIX>()?);
        let digest = sealer.hasher().hash(&local);
        let start = self.body.len();
        sealer.seal(digest.as_slice(), &local, &mut self.body)?;
        let length = self.body.len() - start;
        let postamble =
            Postamble { iv: digest.as_slice().to_vec(), offset: start as u64, length: length as u64 };
        self.body.extend_from_slice(&postamble.to_bytes());
        Ok((self.id, Bytes::from_owner(self.body)))
    }
}

/// The contents that a pack says it holds, for the recovery of lost indexes.
///
/// # Errors
/// [`Error::Damaged`] when the tail of the pack is not what was written.
pub(crate) fn read_local_index(sealer: &Sealer, id: &str, pack: &[u8]) -> Result<Vec<IndexEntry>> {
    let damaged = |reason: &str| Error::damaged(format!("pack {id}"), reason);
    let tail = &pack[pack.len().saturating_sub(TAIL)..];
    let postamble = Postamble::parse(tail).ok_or_else(|| damaged("it has no valid postamble"))?;
    let sealed = usize::try_from(postamble.offset)
        .ok()
        .zip(usize::try_from(postamble.length).ok())
        .and_then(|(start, length)| pack.get(start..start.checked_add(length)?))
        .ok_or_else(|| damaged("its index lies outside"))?;
    let local = sealer.open(&format!("index of pack {id}"), &postamble.iv, sealed.to_vec())?;
    let file = IndexFile::new(&format!("of pack {id}"), local, false)?;
    IndexSet::new(vec![(id.to_owned(), Arc::new(file))], None).scan()?.collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Postamble {
    iv: Vec<u8>,
    offset: u64,
    length: u64,
}

impl Postamble {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        varint::put(&mut out, POSTAMBLE_VERSION);
        varint::put(&mut out, self.iv.len() as u64);
        out.extend_from_slice(&self.iv);
        varint::put(&mut out, self.offset);
        varint::put(&mut out, self.length);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.push(out.len() as u8);
        out
    }

    fn parse(tail: &[u8]) -> Option<Self> {
        let (length, rest) = tail.split_last()?;
        let bytes = &rest[rest.len().checked_sub(usize::from(*length))?..];
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
            return None;
        }
        let mut rest = body;
        if varint::take(&mut rest)? != POSTAMBLE_VERSION {
            return None;
        }
        let iv_length = usize::try_from(varint::take(&mut rest)?).ok()?;
        let (iv, mut rest) = rest.split_at_checked(iv_length)?;
        Some(Self { iv: iv.to_vec(), offset: varint::take(&mut rest)?, length: varint::take(&mut rest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_postamble_is_read_and_written_to_the_byte() {
        let bytes = hex::decode("0110c9ad85e4bddc280c4bc6551316a6c9f68020af014af0d2671a").unwrap();
        let parsed = Postamble::parse(&bytes).unwrap();
        assert_eq!((parsed.offset, parsed.length, parsed.iv.len()), (4096, 175, 16));
        assert_eq!(parsed.to_bytes(), bytes);
        for length in 0..bytes.len() {
            assert_eq!(Postamble::parse(&bytes[..length]), None);
            let mut flipped = bytes.clone();
            flipped[length] ^= 4;
            assert_eq!(Postamble::parse(&flipped), None);
        }
    }
}
