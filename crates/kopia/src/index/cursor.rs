//! Sequential reading of indexes, and the merge of several into one ordered stream.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{IndexEntry, IndexFile};
use crate::Result;
use crate::content_id::ContentId;

/// Entries read at a time.
const BATCH: u32 = 512;

/// Reads one index in order.
struct Cursor {
    file: Arc<IndexFile>,
    next: u32,
    batch: Vec<u8>,
    at: usize,
}

impl Cursor {
    fn next(&mut self) -> Result<Option<IndexEntry>> {
        if self.at >= self.batch.len() {
            let count = BATCH.min(self.file.len() - self.next);
            if count == 0 {
                return Ok(None);
            }
            self.batch.clear();
            self.batch.extend_from_slice(&self.file.read(self.next, count)?);
            self.next += count;
            self.at = 0;
        }
        let end = self.at + self.file.stride();
        let entry = self.file.decode(&self.batch[self.at..end])?;
        self.at = end;
        Ok(Some(entry))
    }
}

struct Head {
    entry: IndexEntry,
    cursor: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.entry.id == other.entry.id
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.entry.id.cmp(&other.entry.id)
    }
}

/// The winning entry of every content of several indexes, ordered by content.
pub(crate) struct Merge {
    cursors: Vec<Cursor>,
    heads: BinaryHeap<Reverse<Head>>,
    failed: bool,
}

impl Merge {
    /// Starts at the first entry not less than `from`.
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = &'a Arc<IndexFile>>, from: &[u8]) -> Result<Self> {
        let mut merge = Self { cursors: Vec::new(), heads: BinaryHeap::new(), failed: false };
        for file in files {
            let next = file.lower_bound(from)?;
            merge.cursors.push(Cursor { file: file.clone(), next, batch: Vec::new(), at: 0 });
            merge.advance(merge.cursors.len() - 1)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, cursor: usize) -> Result<()> {
        if let Some(entry) = self.cursors[cursor].next()? {
            self.heads.push(Reverse(Head { entry, cursor }));
        }
        Ok(())
    }

    fn winner(&mut self) -> Result<Option<IndexEntry>> {
        let Some(Reverse(Head { entry: mut best, cursor })) = self.heads.pop() else { return Ok(None) };
        self.advance(cursor)?;
        while self.peek() == Some(best.id) {
            let Some(Reverse(head)) = self.heads.pop() else { break };
            self.advance(head.cursor)?;
            if head.entry.beats(&best) {
                best = head.entry;
            }
        }
        Ok(Some(best))
    }

    fn peek(&self) -> Option<ContentId> {
        self.heads.peek().map(|Reverse(head)| head.entry.id)
    }
}

impl Iterator for Merge {
    type Item = Result<IndexEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.winner().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
