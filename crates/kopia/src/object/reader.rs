//! Reads objects: the list of their pieces first, then whatever part is wanted.

use std::future::Future;
use std::io::{self, Read};
use std::ops::Range;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::ObjectId;
use crate::content::ContentStore;
use crate::{Error, Result, compression};

const STREAM: &str = "kopia:indirect";
/// A content is shorter than this, by the format.
const MAX_CONTENT: usize = 1 << 28;
/// Lists longer than this (of some ten million pieces) are refused.
const MAX_LIST: u64 = 1 << 30;

/// The JSON of an indirect object.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndirectStream {
    stream: String,
    entries: Vec<IndirectEntry>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct IndirectEntry {
    #[serde(rename = "s", default, skip_serializing_if = "is_zero")]
    start: u64,
    #[serde(rename = "l", default, skip_serializing_if = "is_zero")]
    length: u64,
    #[serde(rename = "o")]
    object: ObjectId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl IndirectStream {
    /// The list of pieces one after the other, each with its length.
    pub(crate) fn new(pieces: impl IntoIterator<Item = (ObjectId, u64)>) -> Self {
        let mut start = 0;
        let entries = pieces.into_iter().map(|(object, length)| {
            let entry = IndirectEntry { start, length, object };
            start += length;
            entry
        });
        Self { stream: STREAM.into(), entries: entries.collect() }
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let invalid =
            |source| Error::InvalidArgument(format!("an indirect object cannot be written: {source}"));
        let mut json = serde_json::to_vec(self).map_err(invalid)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The objects that a list of pieces names.
    pub(crate) fn objects(id: ObjectId, json: &[u8]) -> Result<Vec<ObjectId>> {
        Ok(Self::from_json(id, json)?.entries.into_iter().map(|entry| entry.object).collect())
    }

    fn from_json(id: ObjectId, json: &[u8]) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(format!("object {id}"), reason);
        let list: Self =
            serde_json::from_slice(json).map_err(|source| damaged(format!("invalid JSON: {source}")))?;
        let mut end = 0u64;
        for entry in &list.entries {
            let next = end.checked_add(entry.length).filter(|_| entry.start == end);
            end = next.ok_or_else(|| damaged("its pieces do not follow each other".into()))?;
        }
        if list.stream != STREAM {
            return Err(damaged(format!("it is a stream of kind {:?}", list.stream)));
        }
        Ok(list)
    }
}

/// A part of an object that is one content.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Where it starts in the object.
    pub start: u64,
    /// Its length.
    pub length: u64,
    object: ObjectId,
}

impl Piece {
    /// The content that holds it.
    pub fn content(&self) -> crate::ContentId {
        self.object.content()
    }

    /// Whether the content is the piece as it is, not compressed on the object level.
    pub(crate) fn is_plain(&self) -> bool {
        !self.object.is_compressed()
    }

    /// The bytes of the piece; `whole` is the object that it is a part of.
    pub(crate) async fn read(&self, contents: &ContentStore, whole: ObjectId) -> Result<Bytes> {
        let data = read_direct(contents, self.object).await?;
        if data.len() as u64 != self.length {
            return Err(Error::damaged(
                format!("object {whole}"),
                "a piece does not have the length it should",
            ));
        }
        Ok(data)
    }
}

/// The pieces with the bytes from `start` on, at most `length` of them, and which part of each that is.
pub(crate) fn parts(
    pieces: &[Piece],
    start: u64,
    length: usize,
) -> impl Iterator<Item = (&Piece, Range<usize>)> {
    let end = start.saturating_add(length as u64);
    let first = pieces.partition_point(|piece| piece.start + piece.length <= start);
    pieces[first..].iter().take_while(move |piece| piece.start < end).map(move |piece| {
        let from = start.saturating_sub(piece.start) as usize;
        (piece, from..(end - piece.start).min(piece.length) as usize)
    })
}

/// An object that is open for reading.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    contents: &'a ContentStore,
    id: ObjectId,
    pieces: Vec<Piece>,
}

impl<'a> ObjectReader<'a> {
    /// Reads the list of pieces.
    ///
    /// # Errors
    /// Those of [`ContentStore::read`]; [`Error::Damaged`] for a list that makes no sense.
    pub async fn open(contents: &'a ContentStore, id: ObjectId) -> Result<Self> {
        let pieces = if id.list().is_some() {
            let mut pieces = Vec::new();
            collect(contents, id, None, &mut pieces).await?;
            pieces
        } else {
            let length = if id.is_compressed() {
                read_direct(contents, id).await?.len() as u64
            } else {
                u64::from(contents.entry(&id.content())?.original_length)
            };
            vec![Piece { start: 0, length, object: id }]
        };
        Ok(Self { contents, id, pieces })
    }

    /// Bytes of the object.
    pub fn length(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.start + piece.length)
    }

    /// The parts of the object, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The parts of the object, for a reader that keeps them.
    pub(crate) fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// The bytes of one piece.
    pub async fn read_piece(&self, piece: &Piece) -> Result<Bytes> {
        piece.read(self.contents, self.id).await
    }

    /// The bytes from `start` on, at most `length` of them.
    pub async fn read_at(&self, start: u64, length: usize) -> Result<Bytes> {
        let left = self.length().saturating_sub(start).min(length as u64);
        let mut out = BytesMut::with_capacity(left as usize);
        for (piece, part) in parts(&self.pieces, start, length) {
            out.extend_from_slice(&self.read_piece(piece).await?[part]);
        }
        Ok(out.freeze())
    }

    /// The whole object, in order; only for blocking threads.
    pub(crate) fn stream(self, handle: &'a Handle) -> ObjectStream<'a> {
        ObjectStream { reader: self, handle, next: 0, piece: Bytes::new(), failed: None }
    }

    /// The whole object, which is a list of pieces.
    pub(crate) async fn read_list(&self) -> Result<Bytes> {
        self.read_all(MAX_LIST).await
    }

    /// The whole object.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it is longer than `limit` bytes.
    pub async fn read_all(&self, limit: u64) -> Result<Bytes> {
        if self.length() > limit {
            return Err(Error::InvalidArgument(format!("object {} is longer than {limit} bytes", self.id)));
        }
        match &self.pieces[..] {
            [piece] => self.read_piece(piece).await,
            _ => self.read_at(0, self.length() as usize).await,
        }
    }
}

/// The bytes of an object one after the other, a piece at a time in memory.
pub(crate) struct ObjectStream<'a> {
    reader: ObjectReader<'a>,
    handle: &'a Handle,
    next: usize,
    piece: Bytes,
    failed: Option<Error>,
}

impl ObjectStream<'_> {
    /// The error of the repository that ended the reading, if one did.
    pub(crate) fn finish(self) -> Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

impl Read for ObjectStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.reader.pieces.get(self.next) else { return Ok(0) };
            self.next += 1;
            match self.handle.block_on(self.reader.read_piece(piece)) {
                Ok(bytes) => self.piece = bytes,
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("a piece could not be read"));
                }
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

type Collecting<'f> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'f>>;

/// Adds the pieces of an indirect object, whatever its levels; `length` is what its parent says.
fn collect<'f>(
    contents: &'f ContentStore,
    id: ObjectId,
    length: Option<u64>,
    out: &'f mut Vec<Piece>,
) -> Collecting<'f> {
    Box::pin(async move {
        let Some(list) = id.list() else { return Ok(()) };
        let json = ObjectReader::open(contents, list).await?.read_all(MAX_LIST).await?;
        let base = out.last().map_or(0, |piece: &Piece| piece.start + piece.length);
        for entry in IndirectStream::from_json(id, &json)?.entries {
            if entry.object.list().is_some() {
                collect(contents, entry.object, Some(entry.length), out).await?;
            } else {
                out.push(Piece { start: base + entry.start, length: entry.length, object: entry.object });
            }
        }
        let end = out.last().map_or(base, |piece| piece.start + piece.length);
        if length.is_some_and(|length| end - base != length) {
            return Err(Error::damaged(format!("object {id}"), "it does not have the length it should"));
        }
        Ok(())
    })
}

async fn read_direct(contents: &ContentStore, id: ObjectId) -> Result<Bytes> {
    let data = contents.read(&id.content()).await?;
    if !id.is_compressed() {
        return Ok(data);
    }
    compression::decompress(&format!("object {id}"), &data, MAX_CONTENT).map(Bytes::from)
}
