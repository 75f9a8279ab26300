//! Sealed contents go into packs, and full packs to the store.

use std::sync::{Arc, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ContentWriter;
use super::marker::Session;
use super::pending::{OpenPack, State};
use crate::compression::CompressionId;
use crate::content::blocking;
use crate::content_id::ContentId;
use crate::crypto::ENCRYPTION_OVERHEAD;
use crate::error::{BlobContext, chain};
use crate::pack::{PackBuilder, PackKind, Sealed};
use crate::{Error, Result};

/// Room in a pack's buffer beyond its size, for the content that fills it and the index at its end.
const PACK_ROOM: usize = 1 << 20;
/// The longest content that is counted in full. A chunk of a file is shorter.
const LARGEST: usize = 16 << 20;

/// The bytes that the packs of a session may have in memory, from their first content until they are uploaded.
///
/// Packs take it as they are filled, not when they are begun: that of the metadata is nearly empty for long while large files
/// are stored, and would keep an upload from going on.
#[derive(Debug)]
pub(super) struct PackRoom {
    bytes: Arc<Semaphore>,
    largest: usize,
}

impl PackRoom {
    /// For a pack that is filled while so many are uploaded.
    pub(super) fn new(pack_size: usize, uploads: usize) -> Self {
        let largest = LARGEST.min(pack_size.max(1));
        // Of each kind a pack that is nearly full can wait for a content: with less than this it might wait for ever.
        let least = PackKind::ALL.len() * pack_size + largest;
        let total = least.max((1 + uploads) * pack_size).min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(total)), largest }
    }

    /// Waits until a content of this length may be added; only on blocking threads.
    fn take(&self, length: usize, handle: &Handle) -> Result<OwnedSemaphorePermit> {
        let wanted = length.clamp(1, self.largest) as u32;
        if let Ok(permit) = self.bytes.clone().try_acquire_many_owned(wanted) {
            return Ok(permit);
        }
        handle.block_on(self.bytes.clone().acquire_many_owned(wanted)).map_err(|_| Error::Worker)
    }
}

/// A content on its way into a pack.
pub(super) struct Copied<'a> {
    pub(super) id: ContentId,
    pub(super) bytes: Stored<'a>,
    pub(super) original_length: u32,
    pub(super) compression: CompressionId,
    pub(super) deleted: bool,
    pub(super) previous: u64,
}

/// What of a content goes into a pack.
pub(super) enum Stored<'a> {
    /// These bytes.
    Sealed(&'a [u8]),
    /// These bytes when they are sealed, which is done in the pack: one copy less, and no memory for it.
    Plain(&'a [u8]),
}

impl Stored<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Sealed(bytes) => bytes.len(),
            Self::Plain(bytes) => bytes.len() + ENCRYPTION_OVERHEAD,
        }
    }
}

impl ContentWriter {
    /// Adds a content to the open pack of its kind, and uploads it when it is full.
    ///
    /// The caller holds the gate until then: a flush must not write the index of a pack that nobody uploads yet.
    pub(super) fn append(&self, content: &Copied<'_>) -> Result<()> {
        let kind = PackKind::of(&content.id);
        let permit = self.room.take(content.bytes.len(), &self.handle)?;
        match self.append_locked(kind, content, permit)? {
            Some(full) => self.start_upload(full),
            None => Ok(()),
        }
    }

    /// Answers the pack when it is full.
    fn append_locked(
        &self,
        kind: PackKind,
        content: &Copied<'_>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Option<OpenPack>> {
        let sealed = Sealed {
            id: content.id,
            original_length: content.original_length,
            compression: content.compression,
            timestamp: self.timestamp(content.previous),
            deleted: content.deleted,
            format_version: self.contents.format().parameters().version as u8,
        };
        let mut state = self.lock();
        let session = self.session(&mut state)?;
        let slot = &mut state.open[kind as usize];
        let pack = if let Some(pack) = slot {
            pack.permit.merge(permit);
            pack
        } else {
            let head = self.contents.format().pack_head();
            let (body, capacity) = (self.packs[kind as usize].take(), self.pack_size + PACK_ROOM);
            let builder = PackBuilder::new(kind, &session.id, head, body, capacity)?;
            slot.insert(OpenPack { builder, permit })
        };
        let entry = pack.builder.append(&sealed, content.bytes.len(), |body| match content.bytes {
            Stored::Sealed(bytes) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Stored::Plain(bytes) => self.contents.sealer().seal(content.id.iv(), bytes, body),
        })?;
        let full = if pack.builder.len() >= self.pack_size { slot.take() } else { None };
        state.add(entry, self.contents.clock().now());
        Ok(full)
    }

    /// The session, which begins with its first content: others must see its marker before its packs.
    pub(super) fn session(&self, state: &mut State) -> Result<Arc<Session>> {
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        let session = Arc::new(Session::new(self.contents.clock().now())?);
        state.session = Some(session.clone());
        Ok(session)
    }

    /// Finishes a pack on a blocking thread and uploads it, in a task of its own.
    pub(super) fn start_upload(&self, pack: OpenPack) -> Result<()> {
        let session = { self.lock().session.clone() }.ok_or(Error::Worker)?;
        let contents = self.contents.clone();
        let marker = session.marker(&self.options, self.contents.clock().now());
        self.in_background(async move {
            let OpenPack { builder, permit: _permit } = pack;
            let sealer = contents.sealer().clone();
            let version = contents.format().parameters().index_version;
            let finished = blocking(move || builder.finish(&sealer, version));
            let (finished, written) = tokio::join!(finished, session.write_marker(&contents, marker));
            let ((id, bytes), ()) = (finished?, written?);
            let options = contents.format().put_options(&id, contents.clock().now());
            contents.store().put(&id, bytes, options).await.blob("write", &id)
        });
        Ok(())
    }

    /// Does something that the next flush waits for; when it fails, so does the session.
    pub(super) fn in_background(&self, work: impl Future<Output = Result<()>> + Send + 'static) {
        let failed = self.failed.clone();
        let work = async move {
            work.await.inspect_err(|error| {
                let _ = failed.set(chain(error));
            })
        };
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).spawn_on(work, &self.handle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_full_pack_of_each_kind_and_a_content() {
        for (pack_size, uploads) in [(1, 1), (100, 3), (13 << 20, 1), (13 << 20, 3), (500 << 20, 2)] {
            let room = PackRoom::new(pack_size, uploads);
            let total = room.bytes.available_permits();
            assert!(total >= 2 * (pack_size - 1) + room.largest && total >= (1 + uploads) * pack_size);
            assert!(room.largest <= pack_size);
        }
    }
}
