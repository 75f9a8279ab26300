//! Objects: byte streams of any length, made of one content or, indirectly, of a list of them.

mod id;
mod reader;
mod writer;

pub use id::ObjectId;
pub use reader::{ObjectReader, Piece};

pub(crate) use reader::{IndirectStream, parts};
#[cfg(test)]
pub(crate) use writer::write_bytes;
pub(crate) use writer::{BUFFER_CHUNKS, ChunkSink, Document, Inline, chunks, write_stream};
