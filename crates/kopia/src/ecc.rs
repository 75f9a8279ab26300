//! Reading of repositories with error correction (`REED-SOLOMON-CRC32`): the data shards are taken as they are, after their
//! checksums are verified. Nothing is repaired, and nothing is written with error correction.

use crate::{Error, Result};

pub(crate) const ALGORITHM: &str = "REED-SOLOMON-CRC32";
const CRC: usize = 4;
const SMALL_DATA: usize = 6;
const SMALL_PARITY: usize = 2;

/// The geometry that belongs to an overhead in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorCorrection {
    data: usize,
    parity: usize,
    shard: usize,
}

/// How one stored piece is laid out.
struct Layout {
    data: usize,
    parity: usize,
    shard: usize,
    blocks: usize,
}

impl ErrorCorrection {
    /// `overhead` is `eccOverheadPercent` of the format.
    pub(crate) fn new(algorithm: &str, overhead: u32) -> Result<Self> {
        if algorithm != ALGORITHM || overhead > 100 {
            return Err(Error::Unsupported(format!("error correction {algorithm:?} of {overhead} %")));
        }
        let shard = match overhead {
            1 => 1024,
            2 => 512,
            3 => 256,
            4..=6 => 128,
            _ => 64,
        };
        let free = (f64::from(overhead) - 400.0 / shard as f64).max(0.01);
        let (mut data, mut parity) = (128, ((128.0 * free / 100.0) as usize).clamp(1, 128));
        if parity == 1 {
            parity = 2;
            data = ((200.0 / free) as usize).clamp(128, 254);
        }
        Ok(Self { data, parity, shard })
    }

    fn layout(self, stored: usize) -> Layout {
        let Self { data, parity, shard } = self;
        let small_shards = SMALL_DATA + SMALL_PARITY;
        if stored <= small_shards * (CRC + (small_shards * (data + parity)).div_ceil(SMALL_DATA)) {
            let shard = stored.div_ceil(small_shards).max(CRC + 1) - CRC;
            return Layout { data: SMALL_DATA, parity: SMALL_PARITY, shard, blocks: 1 };
        }
        let block = (data + parity) * (CRC + shard);
        if stored <= block {
            let shard = stored.div_ceil(data + parity).max(CRC + 1) - CRC;
            return Layout { data, parity, shard, blocks: 1 };
        }
        Layout { data, parity, shard, blocks: stored.div_ceil(block) }
    }

    /// The bytes that were protected, or `None` when a shard is damaged or missing.
    pub(crate) fn strip(self, stored: &[u8]) -> Option<Vec<u8>> {
        let Layout { data, parity, shard, blocks } = self.layout(stored.len());
        let shards = stored.get(parity * (CRC + shard) * blocks..)?;
        let mut plain = Vec::with_capacity(shards.len());
        for piece in shards.chunks(CRC + shard).take(data * blocks) {
            let (crc, bytes) = piece.split_first_chunk::<CRC>()?;
            let start = plain.len();
            plain.extend_from_slice(bytes);
            // Padding at the end is part of the checksum but not stored.
            plain.resize(start + shard, 0);
            if crc32fast::hash(&plain[start..]) != u32::from_be_bytes(*crc) {
                return None;
            }
        }
        let length = u32::from_be_bytes(*plain.first_chunk::<4>()?) as usize;
        plain.get(4..4usize.checked_add(length)?).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_follows_the_overhead() {
        for (overhead, data, parity) in [(1, 254, 2), (2, 164, 2), (3, 139, 2), (5, 128, 2), (10, 128, 4)] {
            let found = ErrorCorrection::new(ALGORITHM, overhead).unwrap();
            assert_eq!((found.data, found.parity), (data, parity), "{overhead} %");
        }
        assert!(ErrorCorrection::new("XOR", 2).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic() {
        let ecc = ErrorCorrection::new(ALGORITHM, 2).unwrap();
        for length in (0..200).chain([5_000, 80_000, 100_000, 200_000]) {
            assert!(ecc.strip(&vec![1; length]).is_none(), "{length}");
        }
    }
}
