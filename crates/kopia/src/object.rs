//! Objects: byte streams of any length, made of one content or, indirectly, of a list of them.

mod id;
mod reader;

pub use id::ObjectId;
pub use reader::{ObjectReader, Piece};

pub(crate) use reader::IndirectStream;
