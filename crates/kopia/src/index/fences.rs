//! A sparse list of the keys of an index, which tells the page that a key is on.
//!
//! Keys are hashes behind a letter, so the place of one can be told nearly from its value: the search begins there, and
//! touches little memory. Keys that are not spread evenly only take longer.

/// Entries between two keys of the list.
pub(super) const PAGE: u32 = 64;

/// The key of every `PAGE`th entry.
#[derive(Debug)]
pub(super) struct Fences {
    width: usize,
    keys: Vec<u8>,
    /// Each letter of keys, and the first fence with it.
    letters: Vec<(u8, usize)>,
}

impl Fences {
    /// For `count` entries with keys of `width` bytes.
    pub(super) fn new(width: usize, count: u32) -> Self {
        let keys = Vec::with_capacity((count.div_ceil(PAGE)) as usize * width);
        Self { width, keys, letters: Vec::new() }
    }

    /// Adds the first key of the next page.
    pub(super) fn push(&mut self, key: &[u8]) {
        let letter = key.first().copied().unwrap_or(0);
        if self.letters.last().is_none_or(|(last, _)| *last != letter) {
            self.letters.push((letter, self.len()));
        }
        self.keys.extend_from_slice(key);
    }

    /// Bytes in memory.
    pub(super) fn memory(&self) -> usize {
        self.keys.len()
    }

    /// The page that has `key` if any does, and about where in it. `None` for a key before all others.
    pub(super) fn page(&self, key: &[u8]) -> Option<(u32, usize)> {
        let after = partition_near(self.len(), self.guess(key), |index| self.key(index) <= key);
        let page = after.checked_sub(1)?;
        let (first, next) = (self.key(page), (after < self.len()).then(|| self.key(after)));
        let start = fraction(first);
        let end = next.filter(|next| next[0] == first[0]).map_or(u64::MAX, fraction);
        let inside = fraction(key).saturating_sub(start);
        let guess = u128::from(inside) * u128::from(PAGE) / u128::from(end.saturating_sub(start)).max(1);
        Some((page as u32, guess.min(u128::from(PAGE)) as usize))
    }

    fn len(&self) -> usize {
        self.keys.len() / self.width.max(1)
    }

    fn key(&self, index: usize) -> &[u8] {
        &self.keys[index * self.width..(index + 1) * self.width]
    }

    /// About where the fences pass `key`.
    fn guess(&self, key: &[u8]) -> usize {
        let letter = key.first().copied().unwrap_or(0);
        let after = self.letters.partition_point(|(known, _)| *known <= letter);
        let Some((known, start)) = after.checked_sub(1).map(|index| self.letters[index]) else { return 0 };
        let end = self.letters.get(after).map_or(self.len(), |(_, start)| *start);
        if known < letter {
            return end;
        }
        start + ((u128::from(fraction(key)) * (end - start) as u128) >> 64) as usize
    }
}

/// The place of a key among those with its letter, as a fraction of 2^64.
pub(super) fn fraction(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let hash = &key[key.len().min(1)..];
    let length = hash.len().min(8);
    bytes[..length].copy_from_slice(&hash[..length]);
    u64::from_be_bytes(bytes)
}

/// The first of `count` places that is not `less`, of which those before it all are. It is looked for near `guess` first.
pub(super) fn partition_near(count: usize, guess: usize, less: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (guess.min(count), guess.min(count));
    let mut step = 1;
    while low > 0 && !less(low - 1) {
        high = low - 1;
        low = high.saturating_sub(step);
        step *= 2;
    }
    while high < count && less(high) {
        low = high + 1;
        high = (low + step).min(count);
        step *= 2;
    }
    while low < high {
        let middle = low.midpoint(high);
        if less(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_found_from_every_guess() {
        for count in 0..20 {
            for border in 0..=count {
                for guess in 0..25 {
                    assert_eq!(partition_near(count, guess, |index| index < border), border);
                }
            }
        }
    }

    #[test]
    fn keys_that_are_not_spread_evenly_have_a_page_too() {
        let mut keys: Vec<Vec<u8>> = (0..200u8).map(|low| vec![0, 0, 0, 0, low]).collect();
        keys.extend((0..200u8).map(|high| vec![b'k', 0xff, high]).map(|key| [key, vec![0, 0]].concat()));
        let mut fences = Fences::new(5, (keys.len() as u32) * PAGE);
        for key in &keys {
            fences.push(key);
        }
        assert_eq!(fences.page(&[0, 0, 0]), None);
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(fences.page(key).unwrap().0, index as u32);
            let above = [key.as_slice(), &[0]].concat();
            assert_eq!(fences.page(&above).unwrap().0, index as u32);
        }
        assert_eq!(fences.page(&[b'm', 0]).unwrap().0, 399);
        assert_eq!(fences.page(&[b'g', 0]).unwrap().0, 199);
    }
}
