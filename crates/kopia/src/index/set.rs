//! All indexes of a repository at one point in time, searched as one.

use std::sync::Arc;

use super::{IndexEntry, IndexFile, Merge};
use crate::Result;
use crate::content_id::{ContentId, Prefix};

/// The committed index of a repository as of its last refresh.
#[derive(Debug, Default)]
pub struct IndexSet {
    files: Vec<(String, Arc<IndexFile>)>,
    watermark: Option<u64>,
}

impl IndexSet {
    pub(crate) fn new(files: Vec<(String, Arc<IndexFile>)>, watermark: Option<u64>) -> Self {
        Self { files, watermark }
    }

    /// This set and one more index.
    pub(crate) fn with(&self, name: String, file: Arc<IndexFile>) -> Self {
        let mut files = self.files.clone();
        files.push((name, file));
        Self { files, watermark: self.watermark }
    }

    pub(crate) fn file(&self, name: &str) -> Option<&Arc<IndexFile>> {
        self.files.iter().find(|(known, _)| known == name).map(|(_, file)| file)
    }

    /// The blobs that the set was read from.
    pub fn blobs(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Entries in all indexes, counting a content once for each index that has it.
    pub fn entries(&self) -> u64 {
        self.files.iter().map(|(_, file)| u64::from(file.len())).sum()
    }

    /// Bytes of memory that the indexes take.
    pub fn memory(&self) -> usize {
        self.files.iter().map(|(_, file)| file.memory()).sum()
    }

    /// The winning entry of a content, which may be a deleted one. Entries below the deletion watermark do not exist.
    pub fn find(&self, id: &ContentId) -> Result<Option<IndexEntry>> {
        let mut best: Option<IndexEntry> = None;
        for (_, file) in &self.files {
            if let Some(entry) = file.find(id)?
                && best.as_ref().is_none_or(|best| entry.beats(best))
            {
                best = Some(entry);
            }
        }
        Ok(best.filter(|entry| !entry.is_dropped(self.watermark)))
    }

    /// All contents in order, deleted ones too, each once.
    pub fn scan(&self) -> Result<impl Iterator<Item = Result<IndexEntry>> + Send + use<>> {
        self.scan_key(&[])
    }

    /// As [`IndexSet::scan`], from a content on.
    pub(crate) fn scan_from(
        &self,
        first: &ContentId,
    ) -> Result<impl Iterator<Item = Result<IndexEntry>> + Send + use<>> {
        self.scan_key(first.key())
    }

    fn scan_key(&self, key: &[u8]) -> Result<impl Iterator<Item = Result<IndexEntry>> + Send + use<>> {
        let watermark = self.watermark;
        let merge = Merge::new(self.files.iter().map(|(_, file)| file), key)?;
        Ok(merge.filter(move |entry| !entry.as_ref().is_ok_and(|entry| entry.is_dropped(watermark))))
    }

    /// The contents with a prefix letter, in order.
    pub fn scan_prefix(
        &self,
        prefix: Prefix,
    ) -> Result<impl Iterator<Item = Result<IndexEntry>> + Send + use<>> {
        let of_prefix = move |entry: &Result<IndexEntry>| {
            entry.as_ref().map_or(true, |entry| entry.id.prefix() == Some(prefix))
        };
        Ok(self.scan_key(&[prefix.letter()])?.take_while(of_prefix))
    }
}
