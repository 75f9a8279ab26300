//! Error correction (`REED-SOLOMON-CRC32`): sealed bytes are cut into shards with checksums, with some parity shards before
//! them, from which a few damaged shards can be computed again.

mod reed_solomon;

use reed_solomon::ReedSolomon;

use crate::{Error, Result};

pub(crate) const ALGORITHM: &str = "REED-SOLOMON-CRC32";
const CRC: usize = 4;
/// The length before the protected bytes.
const LENGTH: usize = 4;
const SMALL_DATA: usize = 6;
const SMALL_PARITY: usize = 2;

/// The geometry that belongs to an overhead in percent, and its codes.
#[derive(Debug)]
pub(crate) struct ErrorCorrection {
    data: usize,
    parity: usize,
    shard: usize,
    large: ReedSolomon,
    small: ReedSolomon,
}

/// How one stored piece is laid out.
struct Layout<'a> {
    code: &'a ReedSolomon,
    data: usize,
    parity: usize,
    shard: usize,
    blocks: usize,
    /// Whether the zeros that fill the last block are stored.
    padded: bool,
}

impl ErrorCorrection {
    /// `overhead` is `eccOverheadPercent` of the format.
    pub(crate) fn new(algorithm: &str, overhead: u32) -> Result<Self> {
        let unsupported = || Error::Unsupported(format!("error correction {algorithm:?} of {overhead} %"));
        if algorithm != ALGORITHM || !(1..=100).contains(&overhead) {
            return Err(unsupported());
        }
        let (data, parity, shard) = geometry(overhead);
        let code = |data, parity| ReedSolomon::new(data, parity).ok_or_else(unsupported);
        Ok(Self { data, parity, shard, large: code(data, parity)?, small: code(SMALL_DATA, SMALL_PARITY)? })
    }

    /// The largest protected length, with its own length before it, that is one block of few shards.
    fn small_limit(&self) -> usize {
        2 * CRC * (self.data + self.parity)
    }

    fn small(&self, shard: usize) -> Layout<'_> {
        let (code, data, parity) = (&self.small, SMALL_DATA, SMALL_PARITY);
        Layout { code, data, parity, shard, blocks: 1, padded: true }
    }

    fn large(&self, shard: usize, blocks: usize, padded: bool) -> Layout<'_> {
        Layout { code: &self.large, data: self.data, parity: self.parity, shard, blocks, padded }
    }

    /// The layout of `length` bytes, with their length among them.
    fn of_plain(&self, length: usize) -> Layout<'_> {
        if length <= self.small_limit() {
            self.small(length.div_ceil(SMALL_DATA))
        } else if length <= self.data * self.shard {
            self.large(length.div_ceil(self.data), 1, true)
        } else {
            self.large(self.shard, length.div_ceil(self.data * self.shard), false)
        }
    }

    fn of_stored(&self, stored: usize) -> Layout<'_> {
        let small_shards = SMALL_DATA + SMALL_PARITY;
        let shard = |shards: usize| stored.div_ceil(shards).max(CRC + 1) - CRC;
        let block = (self.data + self.parity) * (CRC + self.shard);
        if stored <= small_shards * (CRC + self.small_limit().div_ceil(SMALL_DATA)) {
            self.small(shard(small_shards))
        } else if stored <= block {
            self.large(shard(self.data + self.parity), 1, true)
        } else {
            self.large(self.shard, stored.div_ceil(block), false)
        }
    }

    /// Appends the protected form of `plain` to `out`.
    pub(crate) fn protect(&self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let length = u32::try_from(plain.len())
            .map_err(|_| Error::Unsupported("more than 4 GiB with error correction".into()))?;
        let used = LENGTH + plain.len();
        let layout = self.of_plain(used);
        let mut data = Vec::with_capacity(layout.data_bytes());
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(plain);
        data.resize(layout.data_bytes(), 0);
        for block in data.chunks_exact(layout.data * layout.shard) {
            for shard in layout.code.parity(block, layout.shard).chunks_exact(layout.shard) {
                out.extend_from_slice(&crc32fast::hash(shard).to_be_bytes());
                out.extend_from_slice(shard);
            }
        }
        let end = if layout.padded { data.len() } else { used };
        for (number, shard) in data.chunks_exact(layout.shard).take(end.div_ceil(layout.shard)).enumerate() {
            out.extend_from_slice(&crc32fast::hash(shard).to_be_bytes());
            out.extend_from_slice(&shard[..layout.shard.min(end - number * layout.shard)]);
        }
        Ok(())
    }

    /// The bytes that were protected, mended where few enough shards are damaged, or `None`.
    pub(crate) fn recover(&self, stored: &[u8]) -> Option<Vec<u8>> {
        let layout = self.of_stored(stored.len());
        let unit = CRC + layout.shard;
        let (parity, shards) = stored.split_at_checked(layout.parity * unit * layout.blocks)?;
        let mut plain = vec![0; layout.data_bytes()];
        let mut damaged = vec![Vec::new(); layout.blocks];
        let stored_shards = shards.chunks(unit).take(layout.data * layout.blocks);
        for (number, (piece, out)) in stored_shards.zip(plain.chunks_exact_mut(layout.shard)).enumerate() {
            let (crc, bytes) = piece.split_first_chunk::<CRC>().unwrap_or((&[0; CRC], &[]));
            // Padding at the end is part of the checksum but not always stored.
            out[..bytes.len()].copy_from_slice(bytes);
            if crc32fast::hash(out) != u32::from_be_bytes(*crc) {
                damaged[number / layout.data].push(number % layout.data);
            }
        }
        let blocks = plain.chunks_exact_mut(layout.data * layout.shard);
        for ((block, missing), parity) in blocks.zip(damaged).zip(parity.chunks_exact(layout.parity * unit)) {
            let whole: Vec<_> = parity.chunks_exact(unit).map(checked).collect();
            if !missing.is_empty() && !layout.code.repair(block, layout.shard, &missing, &whole) {
                return None;
            }
        }
        let length = u32::from_be_bytes(*plain.first_chunk::<LENGTH>()?) as usize;
        let present = shards.len().div_ceil(unit) * layout.shard;
        plain.truncate(LENGTH.checked_add(length).filter(|end| *end <= present.min(plain.len()))?);
        plain.drain(..LENGTH);
        Some(plain)
    }
}

impl Layout<'_> {
    fn data_bytes(&self) -> usize {
        self.data * self.shard * self.blocks
    }
}

/// The bytes of a shard whose checksum is right.
fn checked(piece: &[u8]) -> Option<&[u8]> {
    let (crc, bytes) = piece.split_first_chunk::<CRC>()?;
    (crc32fast::hash(bytes) == u32::from_be_bytes(*crc)).then_some(bytes)
}

/// Data shards, parity shards and their size. The rounding is that of 32-bit floats.
fn geometry(overhead: u32) -> (usize, usize, usize) {
    let shard: u16 = match overhead {
        1 => 1024,
        2 => 512,
        3 => 256,
        4..=6 => 128,
        _ => 64,
    };
    let free = (overhead as f32 - 100.0 * CRC as f32 / f32::from(shard)).max(0.01);
    let percent = |count: u8, part: f32| (f64::from(count) * f64::from(part)).floor() as usize;
    let parity = percent(128, free / 100.0).clamp(1, 128);
    if parity == 1 {
        return (percent(2, 100.0 / free).clamp(128, 254), 2, shard.into());
    }
    (128, parity, shard.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::splitmix64;

    #[test]
    fn geometry_follows_the_overhead() {
        for (overhead, data, parity) in [(1, 254, 2), (2, 164, 2), (3, 139, 2), (5, 128, 2), (10, 128, 4)] {
            assert_eq!(geometry(overhead), (data, parity, geometry(overhead).2), "{overhead} %");
        }
        assert!(ErrorCorrection::new("XOR", 2).is_err() && ErrorCorrection::new(ALGORITHM, 101).is_err());
    }

    #[test]
    fn protected_bytes_survive_damage_up_to_the_parity() {
        for overhead in [1, 2, 10] {
            let ecc = ErrorCorrection::new(ALGORITHM, overhead).unwrap();
            for length in [0, 1, 5, 300, 1300, 1400, 5000, 20_000, 200_000] {
                let plain = splitmix64(length as u64, length);
                let mut stored = Vec::new();
                ecc.protect(&plain, &mut stored).unwrap();
                assert_eq!(ecc.recover(&stored).unwrap(), plain, "{length} whole");
                for at in (0..stored.len()).step_by(stored.len() / 9 + 1) {
                    let mut damaged = stored.clone();
                    damaged[at] ^= 0x10;
                    assert_eq!(ecc.recover(&damaged).unwrap(), plain, "{length} damaged at {at}");
                }
                let ruined: Vec<u8> = stored.iter().map(|byte| byte ^ 1).collect();
                assert_ne!(ecc.recover(&ruined).as_ref(), Some(&plain), "{length}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic() {
        let ecc = ErrorCorrection::new(ALGORITHM, 2).unwrap();
        for length in (0..200).chain([5_000, 80_000, 100_000, 200_000]) {
            assert!(ecc.recover(&vec![1; length]).is_none(), "{length}");
        }
    }
}
