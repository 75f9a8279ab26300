//! The session of a writer, and its marker in the store.

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::WriteOptions;
use crate::blob::PutOptions;
use crate::content::ContentStore;
use crate::error::BlobContext;
use crate::session::{self, SessionMarker};
use crate::{Error, Result};

/// The session that packs belong to; its marker is written before the first of them.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    written: OnceCell<String>,
}

impl Session {
    pub(super) fn new(now: Timestamp) -> Result<Self> {
        Ok(Self { id: session::new_id(now)?, written: OnceCell::new() })
    }

    /// The payload of the marker.
    pub(super) fn marker(&self, options: &WriteOptions, now: Timestamp) -> SessionMarker {
        SessionMarker {
            id: self.id.clone(),
            start_time: now,
            checkpoint_time: now,
            username: options.username.clone(),
            hostname: options.hostname.clone(),
        }
    }

    /// Writes the marker, once.
    pub(super) async fn write_marker(&self, contents: &ContentStore, marker: SessionMarker) -> Result<()> {
        let write = async || {
            let json = serde_json::to_vec(&marker).map_err(|source| {
                Error::InvalidArgument(format!("a session marker cannot be written: {source}"))
            })?;
            let (name, bytes) = contents.sealer().seal_blob(session::PREFIX, &self.id, &json)?;
            contents.store().put(&name, bytes, PutOptions::default()).await.blob("write", &name)?;
            Ok(name)
        };
        self.written.get_or_try_init(write).await.map(|_| ())
    }

    /// Removes the marker, if it was written.
    pub(super) async fn end(&self, contents: &ContentStore) -> Result<()> {
        match self.written.get() {
            Some(marker) => contents.store().delete(marker).await.blob("delete", marker),
            None => Ok(()),
        }
    }
}
