//! Indexes: which pack holds a content, and where.
//!
//! An index is a sorted table. It stays in its stored form, in memory or (when large) in an unlinked temporary file, and is
//! searched there; a sparse list of its keys leads to the page to look at. Nothing decodes a whole index into a map.

mod cursor;
pub(crate) mod epoch;
mod fences;
mod file;
mod filter;
pub(crate) mod legacy;
mod names;
mod set;
mod writer;
mod writer_v1;

use std::sync::Arc;

use crate::compression::CompressionId;
use crate::content_id::ContentId;

pub(crate) use cursor::Merge;
pub(crate) use file::IndexFile;
pub(crate) use names::PackNames;
pub use set::IndexSet;
pub(crate) use writer::build;

/// Where a content is stored, or was before it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The content.
    pub id: ContentId,
    /// When this entry was made, in seconds since 1970; the latest entry of a content counts.
    pub timestamp: u64,
    /// Whether the content is deleted. Its bytes stay readable until maintenance drops them.
    pub deleted: bool,
    /// The pack blob.
    pub pack: Arc<str>,
    /// Where the encrypted content starts in the pack.
    pub offset: u32,
    /// Its length there.
    pub packed_length: u32,
    /// The length of the content itself.
    pub original_length: u32,
    /// How the plaintext is compressed.
    pub compression: CompressionId,
    /// The repository version of the writer.
    pub format_version: u8,
}

impl IndexEntry {
    /// Whether this entry counts rather than `other`, both of the same content.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        let rank = |entry: &Self| (entry.timestamp, !entry.deleted);
        (rank(self), &*self.pack) > (rank(other), &*other.pack)
    }

    /// Whether the deletion watermark hides this entry.
    pub(crate) fn is_dropped(&self, watermark: Option<u64>) -> bool {
        self.deleted && watermark.is_some_and(|watermark| self.timestamp <= watermark)
    }

    /// The byte range in the pack.
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        let start = u64::from(self.offset);
        start..start + u64::from(self.packed_length)
    }
}

#[cfg(test)]
mod tests;
