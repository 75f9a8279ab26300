//! The index blobs of version 1: all `n…` blobs but those that a compaction log (`m…`) replaces.

use std::collections::HashSet;

use serde::Deserialize;

use crate::blob::{BlobMetadata, BlobStore, BlobStoreExt};
use crate::error::BlobContext;
use crate::seal::Sealer;
use crate::{Error, Result};

/// Index blobs of version 1.
pub(crate) const PREFIX: &str = "n";
/// Put in the place of the index when a repository leaves version 1.
const POISON: &str =
    "n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompactionLog {
    #[serde(default)]
    input_metadata: Vec<Logged>,
    #[serde(default)]
    output_metadata: Vec<Logged>,
}

#[derive(Deserialize)]
struct Logged {
    id: String,
}

/// The blobs that together are the index.
pub(crate) async fn active(store: &dyn BlobStore, sealer: &Sealer) -> Result<Vec<BlobMetadata>> {
    // Logs first: outputs that a log names are then in the listing.
    let logs = store.list_sorted("m").await.blob("list", "m")?;
    let mut blobs = store.list_sorted(PREFIX).await.blob("list", PREFIX)?;
    blobs.retain(|blob| blob.id != POISON);
    let present: HashSet<&str> = blobs.iter().map(|blob| blob.id.as_str()).collect();
    let mut replaced = HashSet::new();
    for log in logs {
        // Another client may have cleaned it up since, after the blobs that it replaces.
        let Some(stored) = store.get_if_exists(&log.id).await.blob("read", &log.id)? else { continue };
        let payload = sealer.open_blob(&log.id, stored)?;
        let log: CompactionLog = serde_json::from_slice(&payload).map_err(|source| {
            Error::damaged(format!("blob {}", log.id), format!("invalid JSON: {source}"))
        })?;
        if log.output_metadata.iter().all(|output| present.contains(output.id.as_str())) {
            replaced.extend(log.input_metadata.into_iter().map(|input| input.id));
        }
    }
    blobs.retain(|blob| !replaced.contains(&blob.id));
    Ok(blobs)
}
