//! Writes objects: cuts a stream into chunks, stores them, and lists them when there is more than one.

use std::io::{Read, Write};

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
    /// Stores the chunks of `buffer` that end at `ends` (ascending), now or later, and hands back a buffer with the bytes that
    /// follow the last of them. `out` gets what was stored, in the order of the chunks, the latest perhaps only with a later
    /// call.
    fn store(&mut self, buffer: Vec<u8>, ends: &[usize], out: &mut Vec<(ObjectId, u64)>) -> Result<Vec<u8>>;

    /// Waits until all is stored, and adds what is missing to `out`.
    fn finish(&mut self, _out: &mut Vec<(ObjectId, u64)>) -> Result<()> {
        Ok(())
    }
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
            return Ok(rest(buffer, ends));
        }
        let parts: Vec<&[u8]> = chunks(&buffer, ends).collect();
        let ids = self.writer.write_many(self.prefix, &parts)?;
        out.extend(ids.into_iter().zip(parts).map(|(id, part)| (ObjectId::direct(id), part.len() as u64)));
        Ok(rest(buffer, ends))
    }
}

/// What follows the last chunk, at the start of the buffer.
fn rest(mut buffer: Vec<u8>, ends: &[usize]) -> Vec<u8> {
    let used = ends.last().copied().unwrap_or(0);
    buffer.copy_within(used.., 0);
    buffer.truncate(buffer.len() - used);
    buffer
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
    let (mut pieces, mut first) = (Vec::new(), true);
    buffer.clear();
    loop {
        let wanted = capacity - buffer.len();
        let at_end = match expected {
            Some(expected) if expected < SMALL && first && buffer.is_empty() => {
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
        let ends = cuts(buffer, splitter, at_end, first);
        first &= ends.is_empty();
        *buffer = sink.store(std::mem::take(buffer), &ends, &mut pieces)?;
        if at_end {
            break;
        }
    }
    sink.finish(&mut pieces)?;
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
    let mut document = Document::new(writer, prefix, compress, data.len())?;
    let written = document.write_all(data);
    document.finish(written.map_err(|_| Error::Worker))
}

/// A document that is stored while it is written: no more of it is in memory than the longest chunk.
pub(crate) struct Document<'a> {
    writer: &'a ContentWriter,
    prefix: Prefix,
    compress: bool,
    splitter: Splitter,
    buffer: Vec<u8>,
    pieces: Vec<(ObjectId, u64)>,
    failed: Option<Error>,
}

impl<'a> Document<'a> {
    /// A document of about so many bytes.
    pub(crate) fn new(
        writer: &'a ContentWriter,
        prefix: Prefix,
        compress: bool,
        expected: usize,
    ) -> Result<Self> {
        let splitter = Splitter::from_name(&writer.contents().format().parameters().splitter)?;
        let buffer = Vec::with_capacity(expected.min(splitter.max_chunk()));
        Ok(Self { writer, prefix, compress, splitter, buffer, pieces: Vec::new(), failed: None })
    }

    /// The object. `written` is what became of the writing.
    pub(crate) fn finish(mut self, written: Result<()>) -> Result<ObjectId> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        written?;
        self.store(true)?;
        combine(self.writer, self.pieces, Some(self.prefix))
    }

    /// Stores the chunks that are certain.
    fn store(&mut self, at_end: bool) -> Result<()> {
        let ends = cuts(&self.buffer, self.splitter, at_end, self.pieces.is_empty());
        for chunk in chunks(&self.buffer, &ends) {
            let id = self.writer.write(Some(self.prefix), chunk, self.compress)?;
            self.pieces.push((ObjectId::direct(id), chunk.len() as u64));
        }
        self.buffer.drain(..ends.last().copied().unwrap_or(0));
        Ok(())
    }
}

impl Write for Document<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.splitter.max_chunk()
            && let Err(error) = self.store(false)
        {
            self.failed = Some(error);
            return Err(std::io::Error::other("the document could not be stored"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
