//! Epochs: index blobs are compacted, superseded ones deleted, the write epoch advanced, the watermark raised.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Job, blobs};
use crate::blob::BlobMetadata;
use crate::content::blocking;
use crate::crypto::random;
use crate::error::BlobContext;
use crate::index::epoch::{EpochState, MARKER, RANGE, SINGLE, WATERMARK};
use crate::index::{self, IndexSet};
use crate::{ContentId, Error, Result};

/// Entries of one index blob; more are written as several blobs, so that none takes much memory.
const SHARD_ENTRIES: usize = 1_000_000;

/// What became of epochs and their index blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochReport {
    /// Epochs whose index blobs were put together.
    pub compacted: u64,
    /// The new write epoch.
    pub advanced_to: Option<u64>,
    /// Epochs that were put together in one index.
    pub range: Option<(u64, u64)>,
    /// Epoch markers and watermarks that were deleted.
    pub deleted_markers: u64,
    /// Superseded index blobs that were deleted.
    pub deleted_indexes: u64,
}

/// A fresh listing of the epochs.
async fn epochs(job: &Job<'_>) -> Result<Arc<EpochState>> {
    job.contents().refresh().await?;
    job.contents()
        .epochs()
        .ok_or_else(|| Error::Unsupported("maintenance of a repository without epochs".into()))
}

/// Compacts every settled epoch. Answers their number.
pub(super) async fn compact_singles(job: &Job<'_>) -> Result<u64> {
    let mut count = 0;
    while let Some(epoch) = epochs(job).await?.next_to_compact() {
        let state = epochs(job).await?;
        let blobs = state.uncompacted.get(&epoch).map_or(&[][..], Vec::as_slice);
        compact(job, blobs, format!("{SINGLE}{epoch}_")).await?;
        count += 1;
    }
    Ok(count)
}

/// Puts settled epochs together in one index when there are enough of them.
pub(super) async fn checkpoint_range(job: &Job<'_>) -> Result<Option<(u64, u64)>> {
    let state = epochs(job).await?;
    let frequency = job.contents().fresh_parameters().await?.epoch_parameters.full_checkpoint_frequency;
    let first = state.after_ranges();
    let Some(last) =
        state.write_epoch.checked_sub(2).filter(|last| *last >= first && last - first >= frequency)
    else {
        return Ok(None);
    };
    let blobs: Vec<BlobMetadata> = (first..=last).flat_map(|epoch| state.of_epoch(epoch)).cloned().collect();
    compact(job, &blobs, format!("{RANGE}{first}_{last}_")).await?;
    Ok(Some((first, last)))
}

/// Writes the merged index of `blobs` as a set of its own.
///
/// Kopia deals entries out to shards by a hash. Readers take all shards of a set, so ours are ranges, each built in one go.
async fn compact(job: &Job<'_>, blobs: &[BlobMetadata], prefix: String) -> Result<()> {
    let merged = Arc::new(job.contents().index_of(blobs.iter().collect()).await?);
    let set = format!("s{}", hex::encode(random::<8>()?));
    let counted = merged.clone();
    let starts = blocking(move || shard_starts(&counted)).await?;
    let suffix = format!("{set}-c{}", starts.len());
    let version = job.repository.format().parameters().index_version;
    for start in starts {
        let (merged, sealer) = (merged.clone(), job.contents().sealer().clone());
        let (prefix, suffix) = (prefix.clone(), suffix.clone());
        let (name, bytes) = blocking(move || {
            let shard = || Ok(merged.scan_from(&start)?.take(SHARD_ENTRIES));
            sealer.seal_blob(&prefix, &suffix, &index::build(version, shard)?)
        })
        .await?;
        put(job, &name, bytes).await?;
    }
    Ok(())
}

/// The first content of each shard.
fn shard_starts(merged: &IndexSet) -> Result<Vec<ContentId>> {
    merged.scan()?.step_by(SHARD_ENTRIES).map(|entry| entry.map(|entry| entry.id)).collect()
}

/// Begins a new epoch when the present one is old and full enough.
pub(super) async fn advance(job: &Job<'_>) -> Result<Option<u64>> {
    let state = epochs(job).await?;
    let parameters = &job.contents().fresh_parameters().await?.epoch_parameters;
    let Some(blobs) = state.uncompacted.get(&state.write_epoch) else { return Ok(None) };
    let times = || blobs.iter().map(|blob| blob.modified);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(None) };
    let size: u64 = blobs.iter().map(|blob| blob.length).sum();
    let full = blobs.len() as u64 >= parameters.epoch_advance_on_count_threshold
        || size >= parameters.epoch_advance_on_total_size_bytes_threshold;
    if !full || last.duration_since(first) < parameters.min_epoch_duration.get() {
        return Ok(None);
    }
    let next = state.write_epoch + 1;
    put(job, &format!("{MARKER}{next}"), Bytes::from_static(b"epoch-marker")).await?;
    Ok(Some(next))
}

/// Raises the deletion watermark. Answers it when it moved.
pub(super) async fn drop_deleted(job: &Job<'_>) -> Result<Option<Timestamp>> {
    let Some(time) = job.schedule.drop_time() else { return Ok(None) };
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    if epochs(job).await?.watermark.is_some_and(|known| known >= seconds) || seconds == 0 {
        return Ok(None);
    }
    put(job, &format!("{WATERMARK}{seconds}"), Bytes::from_static(b"deletion-watermark")).await?;
    job.contents().refresh().await?;
    Ok(Some(time))
}

/// Deletes the markers of epochs long gone and superseded watermarks. Answers their number.
pub(super) async fn delete_markers(job: &Job<'_>) -> Result<u64> {
    let state = epochs(job).await?;
    let reference = reference_time(job, &state);
    let old_epochs = state.markers.iter().filter(|(epoch, _)| epoch + 1 < state.write_epoch);
    let old_watermarks = state.watermarks.iter().filter(|(seconds, blob)| {
        Some(*seconds) != state.watermark && reference.is_some_and(|reference| blob.modified < reference)
    });
    let doomed: Vec<_> = old_epochs.chain(old_watermarks).map(|(_, blob)| blob.id.clone()).collect();
    let count = doomed.len() as u64;
    blobs::delete(job, doomed).await?;
    Ok(count)
}

/// Deletes the index blobs of epochs whose compacted index everybody must know by now. Answers their number.
pub(super) async fn delete_superseded(job: &Job<'_>) -> Result<u64> {
    let state = epochs(job).await?;
    let Some(reference) = reference_time(job, &state) else { return Ok(0) };
    let superseded = |epoch: &u64| {
        let single = state.singles.get(epoch).filter(|_| state.is_settled(*epoch));
        single.is_some_and(|blobs| blobs.iter().all(|blob| blob.modified < reference))
    };
    let epochs = state.uncompacted.iter().filter(|(epoch, _)| superseded(epoch));
    let doomed: Vec<_> = epochs.flat_map(|(_, blobs)| blobs).map(|blob| blob.id.clone()).collect();
    let count = doomed.len() as u64;
    blobs::delete(job, doomed).await?;
    Ok(count)
}

/// What is older than this by the store's clock is known to every client.
fn reference_time(job: &Job<'_>, state: &EpochState) -> Option<Timestamp> {
    let recent = state.write_epoch.saturating_sub(1)..=state.write_epoch + 1;
    let newest =
        state.uncompacted.range(recent).flat_map(|(_, blobs)| blobs).map(|blob| blob.modified).max()?;
    let margin = job.contents().parameters().epoch_parameters.cleanup_safety_margin.get();
    newest.checked_sub(margin).ok()
}

async fn put(job: &Job<'_>, name: &str, bytes: Bytes) -> Result<()> {
    let options = job.repository.format().put_options(name, job.now());
    job.repository.store().put(name, bytes, options).await.blob("write", name)
}
