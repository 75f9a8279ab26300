//! Carries out reads, and hands on what they bring, piece by piece.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::RestoreOptions;
use super::plan::{Read, Wanted};
use crate::budget::Budget;
use crate::buffers::Buffer;
use crate::content::{ContentStore, blocking};
use crate::error::BlobContext;
use crate::object::Piece;
use crate::{Error, Result, compression};

/// Bytes that are decrypted at the same time. More would help only stores faster than any memory.
const DECRYPTING: usize = 16 << 20;

/// Takes the pieces of files, from several blocking threads at once.
pub(super) trait Receiver<F>: Send + Sync + 'static {
    /// The whole piece, or why it cannot be had. An error ends the restore.
    fn receive(&self, wanted: &Wanted<F>, data: Result<Cow<'_, [u8]>>) -> Result<()>;
}

/// Reads ranges, and decrypts what they bring, within bounds.
#[derive(Debug)]
pub(super) struct Fetcher<R> {
    contents: Arc<ContentStore>,
    receiver: Arc<R>,
    cancel: CancellationToken,
    reading: Budget,
    decrypting: Budget,
}

impl<R> Fetcher<R> {
    pub(super) fn new(contents: Arc<ContentStore>, receiver: Arc<R>, options: &RestoreOptions) -> Self {
        Self {
            contents,
            receiver,
            cancel: options.cancel.clone(),
            reading: Budget::new(options.read_memory),
            decrypting: Budget::new(DECRYPTING),
        }
    }

    /// Reads one range, and hands over all pieces in it.
    pub(super) async fn fetch<F>(&self, read: Read<F>) -> Result<()>
    where
        F: Send + 'static,
        R: Receiver<F>,
    {
        let _room = self.reading.take(read.range.end - read.range.start).await?;
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        match self.contents.store().get(&read.pack, Some(read.range.clone())).await.blob("read", &read.pack) {
            Ok(bytes) => {
                let largest = read.items.iter().map(|item| item.entry.packed_length).max();
                let _room = self.decrypting.take(largest.unwrap_or_default().into()).await?;
                let (contents, receiver) = (self.contents.clone(), self.receiver.clone());
                blocking(move || hand_over(&contents, &*receiver, &bytes, &read)).await
            }
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                debug!(pack = &*read.pack, error = %error, "read contents one by one");
                self.one_by_one(read.items).await
            }
        }
    }

    /// The pack is gone or cut short: each content is looked for again, on its own.
    async fn one_by_one<F>(&self, items: Vec<Wanted<F>>) -> Result<()>
    where
        F: Send + 'static,
        R: Receiver<F>,
    {
        for wanted in items {
            let data = match self.contents.read(&wanted.entry.id).await {
                Err(error) if error.is_retryable() => return Err(error),
                other => other,
            };
            let receiver = self.receiver.clone();
            blocking(move || {
                let data = data.and_then(|data| uncompressed(&wanted.piece, Vec::from(data).into()));
                receiver.receive(&wanted, data)
            })
            .await?;
        }
        Ok(())
    }
}

fn hand_over<F, R: Receiver<F>>(
    contents: &ContentStore,
    receiver: &R,
    bytes: &Bytes,
    read: &Read<F>,
) -> Result<()> {
    let mut buffer = contents.buffer();
    // Neighbours are often the same content, for files that are equal.
    for same in read.items.chunk_by(|a, b| a.entry.id == b.entry.id) {
        let Some(first) = same.first() else { continue };
        let stored = &bytes[read.slice(&first.entry)];
        if let Ok(data) = decode(contents, first, stored, &mut buffer) {
            for wanted in same {
                receiver.receive(wanted, uncompressed(&wanted.piece, Cow::Borrowed(&data)))?;
            }
        } else {
            // Each of them is told the reason.
            same.iter().try_for_each(|wanted| {
                receiver.receive(wanted, decode(contents, wanted, stored, &mut buffer))
            })?;
        }
    }
    Ok(())
}

fn decode<'b, F>(
    contents: &ContentStore,
    wanted: &Wanted<F>,
    stored: &[u8],
    buffer: &'b mut Buffer,
) -> Result<Cow<'b, [u8]>> {
    contents.decode_into(&wanted.entry, stored, (buffer, wanted.piece.start))
}

/// The bytes of a piece, which may be compressed as an object.
fn uncompressed<'d>(piece: &Piece, data: Cow<'d, [u8]>) -> Result<Cow<'d, [u8]>> {
    let what = || format!("content {}", piece.content());
    let data = if piece.is_plain() {
        data
    } else {
        compression::decompress(&what(), &data, piece.length as usize)?.into()
    };
    if data.len() as u64 != piece.length {
        return Err(Error::damaged(what(), "it does not have the length that its object says"));
    }
    Ok(data)
}
