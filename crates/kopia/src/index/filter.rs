//! A quick answer to whether an index can have a key: a session of millions of contents has many indexes, and a content is in
//! one of them at most.

use super::fences::fraction;

/// Entries to a word of the filter, so that it takes a byte an entry, and one of twenty other keys passes.
const ENTRIES: u32 = 8;

/// Two bits of one word for each key.
#[derive(Debug)]
pub(super) struct Filter(Vec<u64>);

impl Filter {
    /// For `count` keys.
    pub(super) fn new(count: u32) -> Self {
        Self(vec![0; count.div_ceil(ENTRIES).max(1) as usize])
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: &[u8]) {
        let (word, bits) = self.place(key);
        self.0[word] |= bits;
    }

    /// Whether the key may have been added; `false` is certain.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        let (word, bits) = self.place(key);
        self.0[word] & bits == bits
    }

    /// Bytes in memory.
    pub(super) fn memory(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }

    /// The beginning of the hash chooses the word, its end the bits.
    fn place(&self, key: &[u8]) -> (usize, u64) {
        let word = (u128::from(fraction(key)) * self.0.len() as u128) >> 64;
        let bits = key.iter().rev().take(2).fold(0, |bits, byte| bits | 1 << (byte & 63));
        (word as usize, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::splitmix64;

    #[test]
    fn what_was_added_passes_and_little_else() {
        let keys = splitmix64(1, 17 * 10_000);
        let others = splitmix64(2, 17 * 10_000);
        let mut filter = Filter::new(10_000);
        for key in keys.chunks(17) {
            filter.add(key);
        }
        assert!(keys.chunks(17).all(|key| filter.may_have(key)));
        let passed = others.chunks(17).filter(|key| filter.may_have(key)).count();
        assert!(passed < 1000, "{passed}");
        assert!(!Filter::new(0).may_have(b"key"));
    }
}
