//! Writes objects: cuts a stream into chunks, stores them, and lists them when there is more than one.

use std::io::Read;

use super::{IndirectStream, ObjectId};
use crate::content::ContentWriter;
use crate::content_id::Prefix;
use crate::splitter::Splitter;
use crate::{Error, Result};

/// Several chunks are cut from one buffer, so that they can be hashed together.
pub(crate) const BUFFER_CHUNKS: usize = 3;
/// Files that are shorter are read at once; no chunk is as short.
const SMALL: u64 = 64 << 10;

/// Stores chunks of file data; the seam where an upload spreads them over threads.
pub(crate) trait ChunkSink {
    /// Stores the chunks of `buffer` that end at `ends` (ascending), and hands the buffer back.
    fn store(&mut self, buffer: Vec<u8>, ends: &[usize], out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>>;
}

/// Stores chunks one after the other on the calling thread.
pub(crate) struct Inline<'a> {
    pub(crate) writer: &'a ContentWriter,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) compress: bool,
}

impl ChunkSink for Inline<'_> {
    fn store(&mut self, buffer: Vec<u8>, ends: &[usize], out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>> {
        if self.compress {
            for chunk in chunks(&buffer, ends) {
                let id = self.writer.write(self.prefix, chunk, true)?;
                out.push((ObjectId::direct(id), chunk.len() as u64));
            }
            return Ok(buffer);
        }
        let parts: Vec<&[u8]> = chunks(&buffer, ends).collect();
        let ids = self.writer.write_many(self.prefix, &parts)?;
        out.extend(ids.into_iter().zip(parts).map(|(id, part)| (ObjectId::direct(id), part.len() as u64)));
        Ok(buffer)
    }
}

/// The chunks of a buffer that end at `ends`.
pub(crate) fn chunks<'a>(buffer: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| &buffer[start..*end])
}

/// Stores everything that `source` yields and answers object and length. `expected` is the length as far as it is known:
/// of a file that has it, no second look for more is taken. `buffer` is scratch space to be used again.
///
/// # Errors
/// Reading errors as they are, in the inner result; those of the writer in the outer one.
pub(crate) fn write_stream(
    source: &mut dyn Read,
    expected: Option<u64>,
    splitter: Splitter,
    sink: &mut dyn ChunkSink,
    writer: &ContentWriter,
    buffer: &mut Vec<u8>,
) -> Result<std::io::Result<(ObjectId, u64)>> {
    let capacity = splitter.max_chunk() * BUFFER_CHUNKS;
    let mut pieces = Vec::new();
    buffer.clear();
    loop {
        let wanted = capacity - buffer.len();
        let at_end = match expected {
            Some(expected) if expected < SMALL && buffer.is_empty() && pieces.is_empty() => {
                fill(source, expected, buffer)
            }
            _ => {
                let remaining = expected.unwrap_or(0).min(wanted as u64);
                buffer.reserve_exact(remaining as usize);
                source.take(wanted as u64).read_to_end(buffer).map(|got| got < wanted)
            }
        };
        let at_end = match at_end {
            Ok(at_end) => at_end,
            Err(error) => return Ok(Err(error)),
        };
        let ends = cuts(buffer, splitter, at_end, pieces.is_empty());
        let used = ends.last().copied().unwrap_or(0);
        *buffer = sink.store(std::mem::take(buffer), &ends, &mut pieces)?;
        buffer.copy_within(used.., 0);
        buffer.truncate(buffer.len() - used);
        if at_end {
            break;
        }
    }
    let length = pieces.iter().map(|(_, length)| length).sum();
    let object = combine(writer, pieces, None)?;
    Ok(Ok((object, length)))
}

/// Reads a file of which `expected` bytes are left; answers whether that was all. As a rule it takes one read.
fn fill(source: &mut dyn Read, expected: u64, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    let wanted = expected as usize;
    loop {
        let start = buffer.len();
        buffer.resize(wanted + 1, 0);
        let got = match source.read(&mut buffer[start..]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
            Ok(0) => {
                buffer.truncate(start);
                return Ok(true);
            }
            Ok(got) => got,
        };
        buffer.truncate(start + got);
        if buffer.len() >= wanted {
            // One byte more than expected: it grew, and may go on.
            return Ok(buffer.len() == wanted);
        }
    }
}

/// Where the chunks in `data` end. Unless `at_end`, what might go on in the next buffer is left over.
fn cuts(data: &[u8], splitter: Splitter, at_end: bool, first: bool) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut start = 0;
    while at_end || data.len() - start >= splitter.max_chunk() {
        match splitter.next_cut(&data[start..]) {
            Some(length) => start += length,
            None if data.len() > start || (first && ends.is_empty()) => start = data.len(),
            None => break,
        }
        ends.push(start);
        if at_end && start == data.len() {
            break;
        }
    }
    ends
}

/// The object made of `pieces`: the piece itself, or an indirect object.
pub(crate) fn combine(
    writer: &ContentWriter,
    pieces: Vec<(ObjectId, u64)>,
    prefix: Option<Prefix>,
) -> Result<ObjectId> {
    match pieces[..] {
        [] => Err(Error::InvalidArgument("an object without pieces".into())),
        [(object, _)] => Ok(object),
        _ => {
            let json = IndirectStream::new(pieces).to_json()?;
            let prefix = prefix.unwrap_or(Prefix::INDIRECT);
            Ok(write_bytes(writer, prefix, &json, true)?.indirect())
        }
    }
}

/// Stores a document with a prefix letter, as an object of as many contents as it takes.
pub(crate) fn write_bytes(
    writer: &ContentWriter,
    prefix: Prefix,
    data: &[u8],
    compress: bool,
) -> Result<ObjectId> {
    let splitter = Splitter::from_name(&writer.contents().format().parameters().splitter)?;
    let ends = cuts(data, splitter, true, true);
    if ends.len() == 1 {
        return writer.write(Some(prefix), data, compress).map(ObjectId::direct);
    }
    let mut pieces = Vec::with_capacity(ends.len());
    for chunk in chunks(data, &ends) {
        pieces.push((ObjectId::direct(writer.write(Some(prefix), chunk, compress)?), chunk.len() as u64));
    }
    combine(writer, pieces, Some(prefix))
}
