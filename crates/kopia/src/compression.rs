//! Compression headers: a four-byte number before a compressed stream says how to read it.
//!
//! Everything that Kopia ever wrote is read; only zstd is written.

use std::io::{Read, Write};

use flate2::read::{DeflateDecoder, MultiGzDecoder};

use crate::{Error, Result};

/// The number of a compression method, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompressionId(pub u32);

impl CompressionId {
    /// Stored as it is.
    pub const NONE: Self = Self(0);
    /// `zstd-fastest`, what Velero's repositories use for indirect indexes.
    pub const ZSTD_FASTEST: Self = Self(0x1101);
}

/// Bytes of a header.
const HEADER: usize = 4;

/// Header and zstd stream of `data`, or `None` when that is not smaller.
pub(crate) fn compress(data: &[u8], level: i32) -> Result<Option<Vec<u8>>> {
    let failed = |source: std::io::Error| Error::Unsupported(format!("compression failed: {source}"));
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    out.extend_from_slice(&CompressionId::ZSTD_FASTEST.0.to_be_bytes());
    let mut encoder = zstd::Encoder::new(&mut out, level).map_err(failed)?;
    encoder.write_all(data).and_then(|()| encoder.finish().map(|_| ())).map_err(failed)?;
    Ok((out.len() < data.len()).then_some(out))
}

/// The header of `data`, when there is one.
pub(crate) fn header(data: &[u8]) -> Option<CompressionId> {
    data.first_chunk::<HEADER>().map(|bytes| CompressionId(u32::from_be_bytes(*bytes)))
}

/// Reads header and stream; what names the data in errors, `limit` is the most that may come out.
pub(crate) fn decompress(what: &str, data: &[u8], limit: usize) -> Result<Vec<u8>> {
    let id = header(data).ok_or_else(|| Error::damaged(what, "no compression header"))?;
    let stream = &data[HEADER..];
    match id.0 >> 4 {
        0x100 | 0x130 => read_all(what, MultiGzDecoder::new(stream), limit),
        0x110 => {
            let decoder = zstd::Decoder::with_buffer(stream)
                .map_err(|source| Error::damaged(what, format!("zstd stream: {source}")))?;
            read_all(what, decoder, limit)
        }
        0x120 => read_all(what, minlz::Reader::new(stream), limit),
        0x140 => read_all(what, lz4_flex::frame::FrameDecoder::new(stream), limit),
        0x150 => read_all(what, DeflateDecoder::new(stream), limit),
        _ => Err(Error::Unsupported(format!("compression {:#x} of {what}", id.0))),
    }
}

/// Everything a decoder yields, if that is at most `limit` bytes.
pub(crate) fn read_all(what: &str, decoder: impl Read, limit: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|source| Error::damaged(what, format!("compressed stream: {source}")))?;
    if out.len() > limit {
        return Err(Error::damaged(what, format!("more than {limit} bytes after decompression")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u32) -> Vec<u8> {
        let text = b"hello hello hello hello hello hello hello hello".repeat(10);
        let body = match id >> 4 {
            0x100 | 0x130 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&text).unwrap();
                encoder.finish().unwrap()
            }
            0x110 => return compress(&text, 1).unwrap().unwrap(),
            0x120 => {
                let mut stream = Vec::new();
                let mut writer = minlz::Writer::new(&mut stream);
                writer.write_all(&text).unwrap();
                writer.flush().unwrap();
                drop(writer);
                stream
            }
            0x140 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(&text).unwrap();
                encoder.finish().unwrap()
            }
            _ => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&text).unwrap();
                encoder.finish().unwrap()
            }
        };
        [&id.to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn every_family_is_read_within_its_limit() {
        for id in [0x1000, 0x1101, 0x1200, 0x1300, 0x1400, 0x1500] {
            let data = sample(id);
            assert_eq!(decompress("sample", &data, 470).unwrap().len(), 470, "{id:#x}");
            assert!(decompress("sample", &data, 469).is_err(), "{id:#x} over the limit");
            let cut = decompress("sample", &data[..data.len() / 2], 470);
            assert!(cut.is_err() || cut.unwrap().len() < 470, "{id:#x} cut short");
        }
    }

    #[test]
    fn unknown_headers_and_incompressible_data_are_told() {
        assert!(matches!(decompress("x", &0x9999_u32.to_be_bytes(), 1), Err(Error::Unsupported(_))));
        assert!(decompress("x", b"abc", 1).unwrap_err().is_damage());
        assert_eq!(compress(b"short", 1).unwrap(), None);
    }
}
