//! Objects: byte streams of any length, made of one content or, indirectly, of a list of them.

mod id;
mod reader;
mod writer;

pub use id::ObjectId;
pub use reader::{ObjectReader, Piece};

pub(crate) use reader::IndirectStream;
pub(crate) use writer::{BUFFER_CHUNKS, ChunkSink, Inline, chunks, write_bytes, write_stream};
