//! Verification: every content of the index lies inside of an existing pack, is what its name says as far as it is read, and
//! every snapshot finds all that it needs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::content::{ContentStore, RangeRead, blocking, coalesce};
use crate::error::BlobContext;
use crate::index::IndexEntry;
use crate::maintenance::Visitor;
use crate::manifest::Manifests;
use crate::pack::PackKind;
use crate::repository::Repository;
use crate::{ContentId, Error, Result, snapshot};

/// How to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The part of the contents whose bytes are read and hashed, from 0 to 100. Which ones depends on their names alone.
    pub read_percent: f64,
    /// Reads at the same time; each is held in memory, at most 8 MiB.
    pub parallel_reads: usize,
    /// Whether snapshots are walked.
    pub snapshots: bool,
    /// Ends with [`Error::Cancelled`].
    pub cancel: CancellationToken,
}

impl Default for VerifyOptions {
    /// No reading of contents, but a walk over all snapshots.
    fn default() -> Self {
        Self { read_percent: 0.0, parallel_reads: 4, snapshots: true, cancel: CancellationToken::new() }
    }
}

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Contents that are not deleted.
    pub contents: u64,
    /// Contents that were read and hashed.
    pub read: u64,
    /// Snapshots that were walked.
    pub snapshots: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// The number of problems, of which at most a thousand are listed.
    pub problem_count: u64,
}

const MAX_PROBLEMS: usize = 1000;
/// Contents that are sorted by their place before they are read.
const BATCH: usize = 16_384;

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
    }
}

/// Verifies a repository. Problems are reported, not errors.
///
/// # Errors
/// Those of the store, [`Error::Damaged`] when an index or manifest cannot be read at all, and [`Error::Cancelled`].
pub async fn verify(repository: &Repository, options: &VerifyOptions) -> Result<VerifyReport> {
    let manifests = repository.manifests().await?;
    let contents = repository.contents();
    let mut report = VerifyReport::default();
    verify_contents(contents, options, &mut report).await?;
    if options.snapshots {
        verify_snapshots(contents, &manifests, options, &mut report).await?;
    }
    Ok(report)
}

async fn verify_contents(
    contents: &Arc<ContentStore>,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<()> {
    let packs = pack_lengths(contents).await?;
    let mut entries = contents.index().scan()?;
    loop {
        if options.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (rest, batch) = blocking(move || {
            let batch = entries.by_ref().take(BATCH).collect::<Result<Vec<_>>>()?;
            Ok((entries, batch))
        })
        .await?;
        entries = rest;
        if batch.is_empty() {
            return Ok(());
        }
        let mut chosen = Vec::new();
        for entry in batch.into_iter().filter(|entry| !entry.deleted) {
            report.contents += 1;
            match packs.get(&*entry.pack) {
                None => report.problem(format!("content {}: pack {} is missing", entry.id, entry.pack)),
                Some(length) if *length < entry.range().end => {
                    report.problem(format!("content {}: pack {} is cut short", entry.id, entry.pack));
                }
                Some(_) if is_chosen(&entry.id, options.read_percent) => chosen.push(entry),
                Some(_) => {}
            }
        }
        read_all(contents, chosen, options, report).await?;
    }
}

async fn pack_lengths(contents: &ContentStore) -> Result<HashMap<String, u64>> {
    let mut packs = HashMap::new();
    for kind in PackKind::ALL {
        let mut listed = contents.store().list(kind.letter());
        while let Some(pack) = listed.try_next().await.blob("list", kind.letter())? {
            packs.insert(pack.id, pack.length);
        }
    }
    Ok(packs)
}

fn is_chosen(id: &ContentId, percent: f64) -> bool {
    let value = id.digest().iter().take(4).fold(0u32, |value, byte| value << 8 | u32::from(*byte));
    f64::from(value) < percent / 100.0 * 4_294_967_296.0
}

async fn read_all(
    contents: &Arc<ContentStore>,
    chosen: Vec<IndexEntry>,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<()> {
    let mut reading = stream::iter(coalesce(chosen))
        .map(|read| verify_range(contents, read))
        .buffer_unordered(options.parallel_reads.max(1))
        .boxed();
    while let Some((count, problems)) = reading.try_next().await? {
        report.read += count;
        for problem in problems {
            report.problem(problem);
        }
    }
    Ok(())
}

async fn verify_range(
    contents: &Arc<ContentStore>,
    read: RangeRead<IndexEntry>,
) -> Result<(u64, Vec<String>)> {
    let bytes: Bytes =
        contents.store().get(&read.pack, Some(read.range.clone())).await.blob("read", &read.pack)?;
    let contents = contents.clone();
    blocking(move || {
        let mut buffer = contents.buffer();
        let check = |entry: &IndexEntry| {
            let checked = contents.check(entry, &bytes[read.slice(entry)], &mut buffer);
            checked.err().map(|error| format!("{error} (pack {})", entry.pack))
        };
        Ok((read.items.len() as u64, read.items.iter().filter_map(check).collect()))
    })
    .await
}

async fn verify_snapshots(
    contents: &Arc<ContentStore>,
    manifests: &Manifests,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<()> {
    let index = contents.index();
    for snapshot in snapshot::list(manifests, None)? {
        if options.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        report.snapshots += 1;
        let mut missing = Vec::new();
        let mut visit = |path: &str, content: &ContentId| {
            match index.find(content)? {
                None => missing.push(format!("{path}: content {content} is missing")),
                Some(entry) if entry.deleted => missing.push(format!("{path}: content {content} is deleted")),
                Some(_) => {}
            }
            Ok(())
        };
        let walked = match &snapshot.root_entry {
            Some(root) => Visitor::new(contents, &mut visit).walk(&snapshot.id, root).await,
            None => Err(Error::damaged(format!("snapshot {}", snapshot.id), "it has no root")),
        };
        for problem in missing {
            report.problem(problem);
        }
        match walked {
            Err(error) if error.is_damage() || error.is_not_found() => {
                report.problem(format!("snapshot {}: {error}", snapshot.id));
            }
            other => other?,
        }
    }
    Ok(())
}
