//! Contents of short packs are moved to new ones, so that the old ones can go.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Job, gc, safety};
use crate::content::{ContentStore, ContentWriter, RangeRead, blocking, coalesce};
use crate::error::BlobContext;
use crate::index::{IndexEntry, IndexSet};
use crate::pack::PackKind;
use crate::{Error, Result};

/// A pack with less than this part of the maximum is short.
const SHORT_PERCENT: u64 = 60;
/// Contents that are held in memory to be moved, unless a single pack has more.
const GROUP_CONTENTS: usize = 300_000;
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
    let max = job.contents().parameters().max_pack_size;
    let index = job.contents().index();
    let scanned = index.clone();
    let groups = blocking(move || short_packs(&scanned, max / 100 * SHORT_PERCENT)).await?;
    let mut report = RewriteReport::default();
    let writer = job.writer()?;
    for group in groups {
        if job.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        report.short_packs += group.len() as u64;
        let entries = old_contents(job, index.clone(), group).await?;
        let mut moving = stream::iter(coalesce(entries))
            .map(|read| move_contents(job.contents(), writer.contents(), read))
            .buffer_unordered(PARALLEL_READS)
            .boxed();
        while let Some(part) = moving.try_next().await? {
            report.contents += part.contents;
            report.bytes += part.bytes;
            report.damaged += part.damaged;
        }
    }
    writer.flush().await?;
    Ok(report)
}

/// The contents of some packs that are old enough to be moved.
async fn old_contents(
    job: &Job<'_>,
    index: Arc<IndexSet>,
    packs: HashSet<Arc<str>>,
) -> Result<Vec<IndexEntry>> {
    let start = job.start;
    blocking(move || {
        let old = |entry: &IndexEntry| start.duration_since(gc::written(entry)) >= safety::REWRITE_MIN_AGE;
        let wanted = |entry: &Result<IndexEntry>| {
            entry.as_ref().map_or(true, |entry| packs.contains(&entry.pack) && old(entry))
        };
        index.scan()?.filter(wanted).collect()
    })
    .await
}

/// Bytes and contents of a pack.
#[derive(Default)]
struct Fill {
    bytes: u64,
    contents: usize,
}

/// The short packs of each kind, where there are at least two of it, in groups of not too many contents.
fn short_packs(index: &IndexSet, limit: u64) -> Result<Vec<HashSet<Arc<str>>>> {
    let mut packs: HashMap<Arc<str>, Fill> = HashMap::new();
    for entry in index.scan()? {
        let entry = entry?;
        let fill = packs.entry(entry.pack).or_default();
        fill.bytes += u64::from(entry.packed_length);
        fill.contents += 1;
    }
    packs.retain(|_, fill| fill.bytes < limit);
    let mut groups = Vec::new();
    for kind in PackKind::ALL {
        let of_kind = || packs.iter().filter(|(pack, _)| pack.starts_with(kind.letter()));
        if of_kind().count() < 2 {
            continue;
        }
        let (mut group, mut contents) = (HashSet::new(), 0);
        for (pack, fill) in of_kind() {
            if contents > 0 && contents + fill.contents > GROUP_CONTENTS {
                groups.push(std::mem::take(&mut group));
                contents = 0;
            }
            group.insert(pack.clone());
            contents += fill.contents;
        }
        groups.push(group);
    }
    Ok(groups)
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
        let mut buffer = contents.buffer();
        for entry in &read.items {
            let stored = &bytes[read.slice(entry)];
            match contents.check(entry, stored, &mut buffer) {
                Ok(()) => {
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
