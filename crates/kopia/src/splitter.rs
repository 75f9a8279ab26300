//! Where to cut a stream of bytes into chunks, so that equal data gives equal chunks.
//!
//! `DYNAMIC-*-BUZHASH` and `DYNAMIC-*-RABINKARP` cut by a rolling hash of the last 64 bytes, `FIXED-*` by length. Reading needs
//! no splitter: any cuts make a valid object, but only Kopia's own find what Kopia stored.

mod rabin_karp;
mod table;

use crate::{Error, Result};
use table::TABLE;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const WINDOW: usize = 64;

/// How chunks are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// By the rolling hash, with this average length (a power of two).
    Buzhash {
        /// Bytes.
        average: usize,
    },
    /// By the older rolling hash, slower than the other, with this average length (a power of two).
    RabinKarp {
        /// Bytes.
        average: usize,
    },
    /// After this many bytes.
    Fixed {
        /// Bytes.
        size: usize,
    },
}

impl Default for Splitter {
    /// `DYNAMIC-4M-BUZHASH`.
    fn default() -> Self {
        Self::Buzhash { average: 4 * MIB }
    }
}

impl Splitter {
    /// Finds a splitter by its name in the format blob.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a name that Kopia does not know either.
    pub fn from_name(name: &str) -> Result<Self> {
        let unknown = || Error::Unsupported(format!("splitter {name:?}"));
        let parts: Vec<&str> = name.split('-').collect();
        match parts[..] {
            ["" | "FIXED"] => Ok(Self::Fixed { size: 4 * MIB }),
            ["DYNAMIC"] => Ok(Self::default()),
            ["FIXED", size] => Ok(Self::Fixed { size: parse_size(size).ok_or_else(unknown)? }),
            ["DYNAMIC", size, "BUZHASH"] => {
                Ok(Self::Buzhash { average: parse_size(size).ok_or_else(unknown)? })
            }
            ["DYNAMIC", size, "RABINKARP"] => {
                Ok(Self::RabinKarp { average: parse_size(size).ok_or_else(unknown)? })
            }
            _ => Err(unknown()),
        }
    }

    /// The longest chunk.
    pub fn max_chunk(&self) -> usize {
        match self {
            Self::Buzhash { average } | Self::RabinKarp { average } => average * 2,
            Self::Fixed { size } => *size,
        }
    }

    /// The length of the first chunk of `data`, or `None` when more data is needed to know.
    ///
    /// The cut depends on the bytes of the chunk alone, so each chunk is searched in the buffer that begins with it.
    pub fn next_cut(&self, data: &[u8]) -> Option<usize> {
        match self {
            Self::Fixed { size } => (data.len() >= *size).then_some(*size),
            Self::Buzhash { average } => buzhash_cut(data, *average),
            Self::RabinKarp { average } => rabin_karp::cut(data, *average),
        }
    }
}

fn parse_size(text: &str) -> Option<usize> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: usize = digits.parse().ok()?;
    let size = match unit {
        "K" if [128, 256, 512].contains(&number) => number * KIB,
        "M" if [1, 2, 4, 8].contains(&number) => number * MIB,
        _ => return None,
    };
    Some(size)
}

/// The hash is a function of the last 64 bytes only, so the minimum length is skipped.
fn buzhash_cut(data: &[u8], average: usize) -> Option<usize> {
    let (min, max, mask) = (average / 2, average * 2, average as u32 - 1);
    if data.len() < min {
        return None;
    }
    let end = data.len().min(max);
    let mut sum = data[min - WINDOW..min].iter().fold(0u32, |sum, byte| sum.rotate_left(1) ^ word(*byte));
    if sum & mask == 0 {
        return Some(min);
    }
    let incoming = &data[min..end];
    let outgoing = &data[min - WINDOW..end - WINDOW];
    for (index, (new, old)) in incoming.iter().zip(outgoing).enumerate() {
        sum = sum.rotate_left(1) ^ word(*old) ^ word(*new);
        if sum & mask == 0 {
            return Some(min + index + 1);
        }
    }
    (end == max).then_some(max)
}

#[inline]
fn word(byte: u8) -> u32 {
    TABLE[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::splitmix64;

    fn chunks(splitter: Splitter, mut data: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(length) = splitter.next_cut(data) {
            lengths.push(length);
            data = &data[length..];
        }
        lengths.extend((!data.is_empty()).then_some(data.len()));
        lengths
    }

    #[test]
    fn cuts_equal_the_published_ones() {
        let four = Splitter::default();
        let data = splitmix64(0, 33_554_432);
        assert_eq!(
            chunks(four, &data),
            [
                5_152_927, 4_359_466, 2_469_203, 2_105_758, 2_276_623, 8_388_608, 3_568_337, 3_433_974,
                1_799_536
            ]
        );
        let small = chunks(Splitter::from_name("DYNAMIC-1M-BUZHASH").unwrap(), &data);
        assert_eq!((small.len(), &small[..4]), (26, &[1_093_890, 2_029_394, 1_563_055, 788_472][..]));
        assert_eq!(
            chunks(Splitter::from_name("DYNAMIC-4M-RABINKARP").unwrap(), &data),
            [8_031_443, 6_562_320, 6_176_986, 3_030_739, 8_388_608, 1_364_336]
        );
        let other = splitmix64(1, 20_000_000);
        assert_eq!(chunks(four, &other), [4_897_374, 2_923_555, 3_532_741, 5_104_798, 3_541_532]);
        assert_eq!(chunks(four, &vec![0; 5 * MIB]), [2 * MIB, 2 * MIB, MIB]);
        assert_eq!(chunks(Splitter::Fixed { size: MIB }, &vec![0; 2 * MIB + 1]), [MIB, MIB, 1]);
    }

    #[test]
    fn names_are_those_of_kopia() {
        for name in ["", "FIXED", "FIXED-8M", "DYNAMIC", "DYNAMIC-128K-BUZHASH", "DYNAMIC-4M-RABINKARP"] {
            assert!(Splitter::from_name(name).is_ok(), "{name}");
        }
        for name in ["FIXED-3M", "DYNAMIC-4M", "DYNAMIC-M-BUZHASH", "fixed", "DYNAMIC-4M-BUZHASH-X"] {
            assert!(Splitter::from_name(name).is_err(), "{name}");
        }
    }
}
