//! Contents of short packs are moved to new ones, so that the old ones can go.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Job, gc, safety};
use crate::Result;
use crate::content::{ContentStore, ContentWriter, RangeRead, blocking, coalesce};
use crate::error::BlobContext;
use crate::index::{IndexEntry, IndexSet};

/// A pack with less than this part of the maximum is short.
const SHORT_PERCENT: u64 = 60;
/// Contents moved in one run; the others wait for the next.
const MAX_CONTENTS: usize = 1_000_000;
const PARALLEL_READS: usize = 2;

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewriteReport {
    /// Short packs.
    pub short_packs: u64,
    /// Contents moved out of them.
    pub contents: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Contents that could not be read and stay where they are.
    pub damaged: u64,
}

pub(super) async fn run(job: &Job<'_>) -> Result<RewriteReport> {
    let max = job.repository.format().parameters().max_pack_size;
    let index = job.contents().index();
    let start = job.start;
    let (short, entries) = blocking(move || {
        let short = short_packs(&index, max / 100 * SHORT_PERCENT)?;
        let old = |entry: &IndexEntry| start.duration_since(gc::written(entry)) >= safety::REWRITE_MIN_AGE;
        let entries = index
            .scan()?
            .filter(|entry| entry.as_ref().map_or(true, |entry| short.contains(&entry.pack) && old(entry)))
            .take(MAX_CONTENTS)
            .collect::<Result<Vec<_>>>()?;
        Ok((short.len() as u64, entries))
    })
    .await?;
    let writer = job.writer()?;
    let moved = stream::iter(coalesce(entries))
        .map(|read| move_contents(job.contents(), writer.contents(), read))
        .buffer_unordered(PARALLEL_READS)
        .try_fold(RewriteReport::default(), async |sum, part| {
            Ok(RewriteReport {
                short_packs: 0,
                contents: sum.contents + part.contents,
                bytes: sum.bytes + part.bytes,
                damaged: sum.damaged + part.damaged,
            })
        })
        .await?;
    writer.flush().await?;
    Ok(RewriteReport { short_packs: short, ..moved })
}

/// The short packs of each kind, where there are at least two of it.
fn short_packs(index: &Arc<IndexSet>, limit: u64) -> Result<HashSet<Arc<str>>> {
    let mut sizes: HashMap<Arc<str>, u64> = HashMap::new();
    for entry in index.scan()? {
        let entry = entry?;
        *sizes.entry(entry.pack).or_default() += u64::from(entry.packed_length);
    }
    let mut short = HashSet::new();
    for letter in ["p", "q"] {
        let of_kind: Vec<_> = sizes
            .iter()
            .filter(|(pack, size)| pack.starts_with(letter) && **size < limit)
            .map(|(pack, _)| pack)
            .collect();
        if of_kind.len() > 1 {
            short.extend(of_kind.into_iter().cloned());
        }
    }
    Ok(short)
}

/// Moves the sealed bytes as they are, after a look that they are what they should be.
async fn move_contents(
    contents: &Arc<ContentStore>,
    writer: &Arc<ContentWriter>,
    read: RangeRead<IndexEntry>,
) -> Result<RewriteReport> {
    let bytes = contents.store().get(&read.pack, Some(read.range.clone())).await.blob("read", &read.pack)?;
    let (contents, writer) = (contents.clone(), writer.clone());
    blocking(move || {
        let mut report = RewriteReport::default();
        for entry in &read.items {
            let stored = &bytes[read.slice(entry)];
            match contents.decode_verified(entry, stored.to_vec()) {
                Ok(_) => {
                    writer.rewrite(entry, stored, entry.deleted)?;
                    report.contents += 1;
                    report.bytes += stored.len() as u64;
                }
                Err(error) => {
                    tracing::warn!(content = %entry.id, pack = &*entry.pack, error = %error, "a content cannot be moved");
                    report.damaged += 1;
                }
            }
        }
        Ok(report)
    })
    .await
}
