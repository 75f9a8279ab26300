//! Collects what files need until it is worth sorting.

use crate::content::{Located, RangeRead, coalesce};
use crate::index::IndexEntry;
use crate::object::Piece;

/// Pieces collected before they are sorted.
pub(super) const MAX_PIECES: usize = 8192;
/// Bytes collected before they are sorted.
const MAX_BYTES: u64 = 256 << 20;

/// A piece of a file, and where it is stored.
#[derive(Debug)]
pub(super) struct Wanted<F> {
    pub(super) file: F,
    pub(super) piece: Piece,
    pub(super) entry: IndexEntry,
}

impl<F> Located for Wanted<F> {
    fn entry(&self) -> &IndexEntry {
        &self.entry
    }
}

/// One read and the pieces that it serves.
pub(super) type Read<F> = RangeRead<Wanted<F>>;

/// Collects pieces until it is worth sorting them.
#[derive(Debug)]
pub(super) struct Collector<F> {
    wanted: Vec<Wanted<F>>,
    bytes: u64,
}

impl<F> Default for Collector<F> {
    fn default() -> Self {
        Self { wanted: Vec::new(), bytes: 0 }
    }
}

impl<F> Collector<F> {
    /// Adds a piece; answers reads when enough came together.
    pub(super) fn add(&mut self, wanted: Wanted<F>) -> Vec<Read<F>> {
        self.bytes += u64::from(wanted.entry.packed_length);
        self.wanted.push(wanted);
        if self.wanted.len() >= MAX_PIECES || self.bytes >= MAX_BYTES { self.take() } else { Vec::new() }
    }

    /// The reads for all that was collected.
    pub(super) fn take(&mut self) -> Vec<Read<F>> {
        self.bytes = 0;
        coalesce(std::mem::take(&mut self.wanted))
    }
}
