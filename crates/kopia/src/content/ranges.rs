//! Turns many contents into few large reads: sorted by pack and place, neighbours together.

use std::ops::Range;
use std::sync::Arc;

use crate::index::IndexEntry;

/// Bytes between two contents that are read along rather than skipped by a request of its own.
const GAP: u64 = 256 << 10;
/// The longest read, unless a single content is longer.
const MAX_READ: u64 = 8 << 20;

/// Something that is stored as a content.
pub(crate) trait Located {
    fn entry(&self) -> &IndexEntry;
}

impl Located for IndexEntry {
    fn entry(&self) -> &IndexEntry {
        self
    }
}

/// One read, and everything that it serves, in order of the place in the pack.
#[derive(Debug)]
pub(crate) struct RangeRead<T> {
    pub(crate) pack: Arc<str>,
    pub(crate) range: Range<u64>,
    pub(crate) items: Vec<T>,
}

/// The reads that bring all of `items`.
pub(crate) fn coalesce<T: Located>(mut items: Vec<T>) -> Vec<RangeRead<T>> {
    items.sort_by(|a, b| {
        let place = |item: &T| item.entry().offset;
        a.entry().pack.cmp(&b.entry().pack).then(place(a).cmp(&place(b)))
    });
    let mut reads: Vec<RangeRead<T>> = Vec::new();
    for item in items {
        let range = item.entry().range();
        match reads.last_mut().filter(|read| read.takes(&item.entry().pack, &range)) {
            Some(read) => {
                read.range.end = read.range.end.max(range.end);
                read.items.push(item);
            }
            None => reads.push(RangeRead { pack: item.entry().pack.clone(), range, items: vec![item] }),
        }
    }
    reads
}

impl<T> RangeRead<T> {
    fn takes(&self, pack: &Arc<str>, range: &Range<u64>) -> bool {
        let end = self.range.end.max(range.end);
        self.pack == *pack && range.start <= self.range.end + GAP && end - self.range.start <= MAX_READ
    }

    /// The place of an item's bytes in what the read brings.
    pub(crate) fn slice(&self, entry: &IndexEntry) -> Range<usize> {
        let range = entry.range();
        (range.start - self.range.start) as usize..(range.end - self.range.start) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::CompressionId;

    #[test]
    fn neighbours_are_read_together_and_distant_contents_apart() {
        let entry = |pack: &str, offset: u32, length: u32| IndexEntry {
            id: "00".parse().unwrap(),
            timestamp: 0,
            deleted: false,
            pack: pack.into(),
            offset,
            packed_length: length,
            original_length: 0,
            compression: CompressionId::NONE,
            format_version: 3,
        };
        let far = (GAP + 200) as u32;
        let items = vec![
            entry("b", 0, 9),
            entry("a", 50, 50),
            entry("a", 0, 50),
            entry("a", far, 1),
            entry("a", 0, 50),
        ];
        let reads = coalesce(items);
        let shapes: Vec<_> =
            reads.iter().map(|read| (&*read.pack, read.range.clone(), read.items.len())).collect();
        assert_eq!(shapes, [("a", 0..100, 3), ("a", u64::from(far)..u64::from(far) + 1, 1), ("b", 0..9, 1)]);
        assert_eq!(reads[0].slice(&reads[0].items[2]), 50..100);
    }
}
