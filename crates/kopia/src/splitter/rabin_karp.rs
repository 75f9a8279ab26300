//! The rolling hash of `DYNAMIC-*-RABINKARP`: the last 64 bytes as a polynomial over GF(2), modulo an irreducible one.

use std::sync::LazyLock;

use super::WINDOW;

const POLYNOMIAL: u64 = 0x2e_3e3e_4a30_5605;
const DEGREE: u32 = 53;

struct Tables {
    /// What a byte that leaves the window stands for.
    outgoing: [u64; 256],
    /// What takes away the bits above the degree after a byte came in.
    overflow: [u64; 256],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables { outgoing: [0; 256], overflow: [0; 256] };
    for byte in 0..256 {
        let high = (byte as u64) << DEGREE;
        tables.overflow[byte] = reduced(high) | high;
        tables.outgoing[byte] = (1..WINDOW).fold(byte as u64, |value, _| reduced(value << 8));
    }
    tables
});

/// `value` modulo the polynomial.
fn reduced(mut value: u64) -> u64 {
    for bit in (DEGREE..u64::BITS).rev() {
        if value >> bit & 1 == 1 {
            value ^= POLYNOMIAL << (bit - DEGREE);
        }
    }
    value
}

impl Tables {
    fn roll(&self, value: u64, old: u8, new: u8) -> u64 {
        let value = value ^ self.outgoing[usize::from(old)];
        (value << 8 | u64::from(new)) ^ self.overflow[(value >> (DEGREE - 8)) as usize & 0xff]
    }
}

/// The length of the first chunk; the hash is a function of the window only, so the minimum length is skipped.
pub(super) fn cut(data: &[u8], average: usize) -> Option<usize> {
    let (min, max, mask) = (average / 2, average * 2, average as u64 - 1);
    if data.len() < min {
        return None;
    }
    let tables = &*TABLES;
    let end = data.len().min(max);
    let mut value = data[min - WINDOW..min].iter().fold(0, |value, byte| tables.roll(value, 0, *byte));
    if value & mask == 0 {
        return Some(min);
    }
    for (index, (new, old)) in data[min..end].iter().zip(&data[min - WINDOW..]).enumerate() {
        value = tables.roll(value, *old, *new);
        if value & mask == 0 {
            return Some(min + index + 1);
        }
    }
    (end == max).then_some(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_equals_the_published_one() {
        let window: Vec<u8> = (36..100).collect();
        let value = window.iter().fold(0, |value, byte| TABLES.roll(value, 0, *byte));
        assert_eq!(value, 0x11_a6a2_a7bb_cd31);
    }
}
