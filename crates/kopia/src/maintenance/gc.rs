//! Garbage collection: contents that no snapshot reaches are marked as deleted.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{Job, Reachable, safety};
use crate::Result;
use crate::content::blocking;
use crate::content_id::Prefix;
use crate::error::BlobContext;
use crate::index::IndexEntry;

/// Entries handled between two looks at the cancellation.
const BATCH: usize = 4096;
const PARALLEL_READS: usize = 8;

/// What a collection found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Contents in use.
    pub in_use: u64,
    /// Contents out of use but too young to delete.
    pub recent: u64,
    /// Contents that were deleted.
    pub deleted: u64,
    /// Deleted contents that are in use again.
    pub recovered: u64,
}

pub(super) async fn run(job: &Job<'_>) -> Result<GcReport> {
    let reachable = Reachable::find(job.contents(), &job.manifests).await?;
    let writer = job.writer()?;
    let mut report = GcReport::default();
    let mut entries = job.contents().index().scan()?;
    loop {
        if job.cancel.is_cancelled() {
            return Err(crate::Error::Cancelled);
        }
        let (rest, batch) = blocking(move || {
            let batch = entries.by_ref().take(BATCH).collect::<Result<Vec<_>>>()?;
            Ok((entries, batch))
        })
        .await?;
        entries = rest;
        if batch.is_empty() {
            break;
        }
        let (mut garbage, mut needed) = (Vec::new(), Vec::new());
        for entry in batch {
            match judge(job, &reachable, &entry) {
                Verdict::InUse => report.in_use += 1,
                Verdict::Recent => report.recent += 1,
                Verdict::Garbage => garbage.push(entry),
                Verdict::Needed => needed.push(entry),
                Verdict::Apart => {}
            }
        }
        report.deleted += garbage.len() as u64;
        report.recovered += needed.len() as u64;
        let contents = writer.contents().clone();
        blocking(move || garbage.into_iter().try_for_each(|entry| contents.delete_committed(entry))).await?;
        undelete(job, &writer, needed).await?;
    }
    writer.flush().await?;
    Ok(report)
}

enum Verdict {
    InUse,
    Recent,
    Garbage,
    /// Deleted, but in use.
    Needed,
    /// Deleted already, or a manifest.
    Apart,
}

fn judge(job: &Job<'_>, reachable: &Reachable, entry: &IndexEntry) -> Verdict {
    if entry.id.prefix() == Some(Prefix::MANIFEST) {
        return Verdict::Apart;
    }
    match (reachable.contains(&entry.id), entry.deleted) {
        (true, true) => Verdict::Needed,
        (true, false) => Verdict::InUse,
        (false, true) => Verdict::Apart,
        (false, false) if job.age(written(entry)) < safety::CONTENT_MIN_AGE => Verdict::Recent,
        (false, false) => Verdict::Garbage,
    }
}

/// When a content was written.
pub(super) fn written(entry: &IndexEntry) -> Timestamp {
    i64::try_from(entry.timestamp)
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Writes contents again that a snapshot came to use after they were deleted.
async fn undelete(job: &Job<'_>, writer: &crate::Writer, needed: Vec<IndexEntry>) -> Result<()> {
    let store = job.repository.store();
    stream::iter(needed)
        .map(async |entry| {
            let stored = store.get(&entry.pack, Some(entry.range())).await.blob("read", &entry.pack)?;
            let (contents, writer) = (job.contents().clone(), writer.contents().clone());
            blocking(move || {
                contents.check(&entry, &stored, &mut contents.buffer())?;
                writer.rewrite(&entry, &stored, false)
            })
            .await
        })
        .buffer_unordered(PARALLEL_READS)
        .try_collect()
        .await
}
