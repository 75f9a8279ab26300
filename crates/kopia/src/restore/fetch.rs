//! Carries out reads, and writes what they bring.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tracing::debug;

use super::plan::{Read, Wanted};
use super::target::{Restoring, Target, write_at};
use crate::content::{ContentStore, blocking};
use crate::content_id::ContentId;
use crate::error::BlobContext;
use crate::object::Piece;
use crate::{Error, Result, compression};

/// Reads one range and writes all files, or parts of files, in it.
pub(super) async fn carry_out(contents: &Arc<ContentStore>, target: &Arc<Target>, read: Read) -> Result<()> {
    if target.options.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    match contents.store().get(&read.pack, Some(read.range.clone())).await.blob("read", &read.pack) {
        Ok(bytes) => {
            let (contents, target) = (contents.clone(), target.clone());
            blocking(move || {
                write_all(&contents, &target, &bytes, &read);
                Ok(())
            })
            .await
        }
        Err(error) if error.is_retryable() => Err(error),
        Err(error) => {
            debug!(pack = &*read.pack, error = %error, "read contents one by one");
            one_by_one(contents, target, read.items).await
        }
    }
}

fn write_all(contents: &ContentStore, target: &Target, bytes: &Bytes, read: &Read) {
    // Neighbours are often the same content, for files that are equal.
    let mut last: Option<(ContentId, Vec<u8>)> = None;
    for want in &read.items {
        if last.as_ref().is_none_or(|(id, _)| *id != want.entry.id) {
            let stored = bytes[read.slice(&want.entry)].to_vec();
            let data = contents.decode(&want.entry, stored).and_then(|data| uncompressed(&want.piece, data));
            last = data
                .map_err(|error| target.piece_failed(&want.file, &error))
                .ok()
                .map(|data| (want.entry.id, data));
        }
        match &last {
            Some((_, data)) => write_piece(target, want, data),
            None => target.piece_done(&want.file, Ok(None)),
        }
    }
}

/// The pack is gone or cut short: each content is looked for again, on its own.
async fn one_by_one(contents: &Arc<ContentStore>, target: &Arc<Target>, wanted: Vec<Wanted>) -> Result<()> {
    for want in wanted {
        let data = match contents.read(&want.entry.id).await {
            Err(error) if error.is_retryable() => return Err(error),
            other => other.and_then(|data| uncompressed(&want.piece, data.into())),
        };
        let target = target.clone();
        blocking(move || {
            match data {
                Ok(data) => write_piece(&target, &want, &data),
                Err(error) => {
                    target.piece_failed(&want.file, &error);
                    target.piece_done(&want.file, Ok(None));
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The bytes of a piece, which may be compressed as an object.
fn uncompressed(piece: &Piece, data: Vec<u8>) -> Result<Vec<u8>> {
    let what = || format!("content {}", piece.content());
    let data =
        if piece.is_plain() { data } else { compression::decompress(&what(), &data, piece.length as usize)? };
    if data.len() as u64 != piece.length {
        return Err(Error::damaged(what(), "it does not have the length that its object says"));
    }
    Ok(data)
}

fn write_piece(target: &Target, want: &Wanted, data: &[u8]) {
    let written = open(target, &want.file).and_then(|file| match file {
        None => {
            target.skip(&want.file);
            Ok(None)
        }
        Some(file) => {
            write_at(&file, want.piece.start, data, target.options.sparse && want.file.prepared)?;
            target.counters.bytes.fetch_add(data.len() as u64, std::sync::atomic::Ordering::Relaxed);
            target.options.observer.on_bytes(data.len() as u64);
            Ok(Some(file))
        }
    });
    target.piece_done(&want.file, written);
}

fn open(target: &Target, file: &Restoring) -> io::Result<Option<File>> {
    if file.prepared { target.open_file(&file.path).map(Some) } else { target.make_file(&file.path) }
}
