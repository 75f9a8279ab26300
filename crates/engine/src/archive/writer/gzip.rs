//! One block as a member of a gzip stream (RFC 1952), with the header bytes that Velero's files have.

use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Measured on objects of 1 KiB, each twice in the tar as in every archive: level 6 costs 1.4 times the CPU time of this one and saves
/// 3 % of its size; level 1 takes 0.6 times the time for archives two thirds larger.
const LEVEL: u32 = 3;

/// No name, no time, no extra flags, unknown system: what Go writes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Compresses a block. Its size must fit into 32 bits.
pub(super) fn member(block: &[u8]) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(block.len() / 6 + 1024);
    out.extend_from_slice(&HEADER);
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    loop {
        let rest = block.get(deflate.total_in() as usize..).unwrap_or_default();
        match deflate.compress_vec(rest, &mut out, FlushCompress::Finish).map_err(io::Error::other)? {
            Status::StreamEnd => break,
            // The output was full.
            Status::Ok | Status::BufError => out.reserve(out.capacity()),
        }
    }
    let mut crc = Crc::new();
    crc.update(block);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(Bytes::from(out))
}
