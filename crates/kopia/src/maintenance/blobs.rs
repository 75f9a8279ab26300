//! Deletion of packs and logs, and prolongation of object locks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;

use super::{Job, safety};
use crate::blob::{BlobMetadata, BlobStoreExt};
use crate::content::blocking;
use crate::error::BlobContext;
use crate::format::RETAINED_PREFIXES;
use crate::pack::PackKind;
use crate::session::{self, SessionMarker};
use crate::{Error, Result};

const PARALLEL: usize = 8;
const LOG_PREFIX: &str = "_";

/// Deletes packs that no index names, and markers of sessions that expired, once nobody can be about to use them. Answers
/// their number and bytes.
pub(super) async fn delete_orphans(job: &Job<'_>) -> Result<(u64, u64)> {
    // Packs are listed before the index is read: a pack that is finished meanwhile is not a candidate.
    let mut packs = Vec::new();
    // Markers of sessions that ended long ago go the same way.
    for prefix in PackKind::ALL.map(PackKind::letter).into_iter().chain([session::PREFIX]) {
        let listed: Vec<_> = job.repository.store().list(prefix).try_collect().await.blob("list", prefix)?;
        packs.extend(listed);
    }
    let sessions = live_sessions(job).await?;
    job.contents().refresh().await?;
    let index = job.contents().index();
    let named = blocking(move || {
        let mut named: HashSet<Arc<str>> = HashSet::new();
        for entry in index.scan()? {
            named.insert(entry?.pack);
        }
        Ok(named)
    })
    .await?;
    let orphan = |pack: &BlobMetadata| {
        let in_session = session::of_pack(&pack.id).is_some_and(|session| sessions.contains(session));
        !named.contains(pack.id.as_str()) && !in_session && job.age(pack.modified) >= safety::PACK_MIN_AGE
    };
    let orphans: Vec<_> = packs.into_iter().filter(orphan).collect();
    let total = (orphans.len() as u64, orphans.iter().map(|pack| pack.length).sum());
    delete(job, orphans.into_iter().map(|pack| pack.id)).await?;
    Ok(total)
}

/// The sessions that gave a sign of life not too long ago.
async fn live_sessions(job: &Job<'_>) -> Result<HashSet<String>> {
    let markers = job.repository.store().list_sorted(session::PREFIX).await.blob("list", session::PREFIX)?;
    let mut newest: HashMap<String, SessionMarker> = HashMap::new();
    for blob in markers {
        let stored = match job.repository.store().get(&blob.id, None).await {
            Err(error) if error.is_not_found() => continue,
            other => other.blob("read", &blob.id)?,
        };
        let payload = job.contents().sealer().open_blob(&blob.id, stored)?;
        let marker: SessionMarker = serde_json::from_slice(&payload).map_err(|source| {
            Error::damaged(format!("blob {}", blob.id), format!("invalid JSON: {source}"))
        })?;
        let known = newest.entry(marker.id.clone()).or_insert_with(|| marker.clone());
        if marker.checkpoint_time > known.checkpoint_time {
            *known = marker;
        }
    }
    let live = newest.into_values().filter(|marker| !marker.is_expired(job.start, safety::SESSION_EXPIRY));
    Ok(live.map(|marker| marker.id).collect())
}

/// Prolongs the object lock of everything that has one. Answers the number of blobs.
pub(super) async fn extend_locks(job: &Job<'_>) -> Result<u64> {
    let retention = job.repository.format().retention();
    let (Some(lock), Some(period)) = (retention.active(job.now()), retention.period) else { return Ok(0) };
    let margin = period.get() - job.parameters.full.interval.get();
    if margin < SignedDuration::from_hours(24) {
        return Err(Error::InvalidArgument(
            "the retention must exceed the maintenance interval by a day".into(),
        ));
    }
    let mut count = 0;
    for prefix in RETAINED_PREFIXES {
        let store = job.repository.store();
        let mut blobs = store.list(prefix);
        while let Some(blob) = blobs.try_next().await.blob("list", prefix)? {
            store.extend_retention(&blob.id, lock.clone()).await.blob("lock", &blob.id)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Deletes text logs beyond the limits, oldest first. Answers their number.
pub(super) async fn delete_logs(job: &Job<'_>) -> Result<u64> {
    let limits = job.parameters.log_retention.effective();
    let mut logs = job.repository.store().list_sorted(LOG_PREFIX).await.blob("list", LOG_PREFIX)?;
    logs.sort_by_key(|log| std::cmp::Reverse(log.modified));
    let (mut count, mut size) = (0, 0);
    let within = |log: &BlobMetadata| {
        count += 1;
        size += log.length;
        (limits.max_count == 0 || count <= limits.max_count)
            && (limits.max_total_size == 0 || size <= limits.max_total_size)
            && (limits.max_age.0 == 0 || job.age(log.modified) <= limits.max_age.get())
    };
    let kept = logs.iter().take_while({
        let mut within = within;
        move |log| within(log)
    });
    let kept = kept.count();
    let doomed: Vec<_> = logs.drain(kept..).map(|log| log.id).collect();
    let number = doomed.len() as u64;
    delete(job, doomed).await?;
    Ok(number)
}

pub(super) async fn delete(job: &Job<'_>, ids: impl IntoIterator<Item = String>) -> Result<()> {
    let store = job.repository.store();
    stream::iter(ids.into_iter().collect::<Vec<_>>())
        .map(async |id| store.delete(&id).await.blob("delete", &id))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}
