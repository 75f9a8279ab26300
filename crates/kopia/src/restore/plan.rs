//! Turns what files need into few large reads: sorted by pack and place, neighbours together.

use std::ops::Range;
use std::sync::Arc;

use super::target::Restoring;
use crate::index::IndexEntry;
use crate::object::Piece;

/// Bytes between two contents that are read along rather than skipped by a request of its own.
const GAP: u64 = 256 << 10;
/// The longest read.
const MAX_READ: u64 = 8 << 20;
/// Pieces collected before they are sorted.
const MAX_PIECES: usize = 8192;
/// Bytes collected before they are sorted.
const MAX_BYTES: u64 = 256 << 20;

/// A piece of a file, and where it is stored.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) file: Arc<Restoring>,
    pub(super) piece: Piece,
    pub(super) entry: IndexEntry,
}

/// One read, and everything that it serves, in order of the place in the pack.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) pack: Arc<str>,
    pub(super) range: Range<u64>,
    pub(super) wanted: Vec<Wanted>,
}

/// Collects pieces until it is worth sorting them.
#[derive(Debug, Default)]
pub(super) struct Collector {
    wanted: Vec<Wanted>,
    bytes: u64,
}

impl Collector {
    /// Adds a piece; answers reads when enough came together.
    pub(super) fn add(&mut self, wanted: Wanted) -> Vec<Read> {
        self.bytes += u64::from(wanted.entry.packed_length);
        self.wanted.push(wanted);
        if self.wanted.len() >= MAX_PIECES || self.bytes >= MAX_BYTES { self.take() } else { Vec::new() }
    }

    /// The reads for all that was collected.
    pub(super) fn take(&mut self) -> Vec<Read> {
        self.bytes = 0;
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort_by(|a, b| (&a.entry.pack, a.entry.offset).cmp(&(&b.entry.pack, b.entry.offset)));
        let mut reads: Vec<Read> = Vec::new();
        for wanted in wanted {
            let range = wanted.entry.range();
            match reads.last_mut().filter(|read| read.takes(&wanted.entry.pack, &range)) {
                Some(read) => {
                    read.range.end = read.range.end.max(range.end);
                    read.wanted.push(wanted);
                }
                None => reads.push(Read { pack: wanted.entry.pack.clone(), range, wanted: vec![wanted] }),
            }
        }
        reads
    }
}

impl Read {
    fn takes(&self, pack: &Arc<str>, range: &Range<u64>) -> bool {
        let end = self.range.end.max(range.end);
        self.pack == *pack && range.start <= self.range.end + GAP && end - self.range.start <= MAX_READ
    }
}
