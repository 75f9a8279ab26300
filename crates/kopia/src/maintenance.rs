//! Maintenance: what nobody needs any more goes, what is scattered is put together.
//!
//! Other clients, of this and of other makes, may write at the same time. Nothing coordinates them but time, so every
//! deletion waits for the margins in [`safety`], which are Kopia's: what a writer may still rely on is never deleted.
//! One client owns maintenance; one process runs it at a time, which the caller must see to.

mod blobs;
mod epochs;
mod gc;
mod reachable;
mod rewrite;
mod schedule;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::content::WriteOptions;
use crate::manifest::Manifests;
use crate::repository::Repository;
use crate::writer::Writer;
use crate::{Error, Result};

pub use epochs::EpochReport;
pub use gc::GcReport;
pub(crate) use reachable::{Reachable, Visitor};
pub use rewrite::RewriteReport;
pub use schedule::{Cycle, LogRetention, Parameters, Run, Schedule};

/// The waiting times that make maintenance safe beside writers.
pub mod safety {
    use jiff::SignedDuration;

    /// A pack younger than this is not deleted.
    pub const PACK_MIN_AGE: SignedDuration = SignedDuration::from_hours(24);
    /// A content younger than this is not garbage.
    pub const CONTENT_MIN_AGE: SignedDuration = SignedDuration::from_hours(24);
    /// Two collections must lie so far apart to count as two.
    pub const BETWEEN_COLLECTIONS: SignedDuration = SignedDuration::from_hours(4);
    /// Deleted contents are dropped when they were deleted so long before the earlier of two collections.
    pub const DROP_MARGIN: SignedDuration = SignedDuration::from_hours(1);
    /// A content younger than this is not moved.
    pub const REWRITE_MIN_AGE: SignedDuration = SignedDuration::from_hours(2);
    /// A session without a sign of life for so long protects nothing.
    pub const SESSION_EXPIRY: SignedDuration = SignedDuration::from_hours(96);
    /// Packs are not deleted so soon after contents were moved.
    pub const REWRITE_TO_DELETE: SignedDuration = SignedDuration::from_hours(1);
    /// Clocks farther apart than this make all of the above meaningless.
    pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
}

/// Manifest contents from which on they are written as one.
const MANY_MANIFESTS: usize = 16;

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What is due by the schedule, if anything.
    Auto,
    /// Epochs only.
    Quick,
    /// Everything.
    Full,
}

/// How to run maintenance.
#[derive(Debug, Clone)]
pub struct MaintenanceOptions {
    /// What to run.
    pub mode: Mode,
    /// Run although somebody else owns maintenance.
    pub force: bool,
    /// Ends maintenance with [`Error::Cancelled`] between two steps.
    pub cancel: CancellationToken,
}

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self { mode: Mode::Auto, force: false, cancel: CancellationToken::new() }
    }
}

/// What maintenance did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// What was run; `None` when nothing was due.
    pub mode: Option<RanMode>,
    /// Garbage collection of contents.
    pub gc: GcReport,
    /// Moving of contents out of short packs.
    pub rewrite: RewriteReport,
    /// The new deletion watermark.
    pub dropped_before: Option<Timestamp>,
    /// Packs and their bytes that were deleted.
    pub deleted_packs: (u64, u64),
    /// Blobs whose object lock was prolonged.
    pub extended_locks: u64,
    /// Text logs that were deleted.
    pub deleted_logs: u64,
    /// Epochs and their index blobs.
    pub epochs: EpochReport,
}

/// What was run in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanMode {
    /// Epochs only.
    Quick,
    /// Everything.
    Full,
}

/// Runs maintenance.
///
/// # Errors
/// [`Error::Unsupported`] for version 1, [`Error::NotMaintenanceOwner`], [`Error::ClockSkew`], and those of store and contents. A step that fails ends it; what
/// earlier steps did stays and is sound.
pub async fn run(repository: &Repository, options: &MaintenanceOptions) -> Result<MaintenanceReport> {
    let manifests = repository.manifests().await?;
    if !repository.contents().parameters().has_epochs() {
        return Err(Error::Unsupported("maintenance of version 1, which only Kopia itself does".into()));
    }
    let parameters = Parameters::of(&manifests)?.unwrap_or_default();
    let us = format!("{}@{}", repository.options().username, repository.options().hostname);
    if parameters.owner != us && !options.force {
        return Err(Error::NotMaintenanceOwner { owner: parameters.owner, us });
    }
    let mut schedule = Schedule::load(repository).await?;
    let Some(mode) = due(options.mode, &parameters, &schedule, repository.contents().clock().now()) else {
        return Ok(MaintenanceReport::default());
    };
    schedule.begin(mode, &parameters, repository.contents().clock().now());
    // The schedule is written first: a run that crashes is not repeated at once.
    schedule.store(repository).await?;
    let start = start_time(repository).await?;
    let mut job = Job { repository, parameters, schedule, start, cancel: options.cancel.clone(), manifests };
    let mut report = MaintenanceReport { mode: Some(mode), ..MaintenanceReport::default() };
    match mode {
        RanMode::Quick => job.quick(&mut report).await?,
        RanMode::Full => job.full(&mut report).await?,
    }
    Ok(report)
}

fn due(mode: Mode, parameters: &Parameters, schedule: &Schedule, now: Timestamp) -> Option<RanMode> {
    match mode {
        Mode::Quick => Some(RanMode::Quick),
        Mode::Full => Some(RanMode::Full),
        Mode::Auto if parameters.full.enabled && now >= schedule.next_full => Some(RanMode::Full),
        Mode::Auto if parameters.quick.enabled && now >= schedule.next_quick => Some(RanMode::Quick),
        Mode::Auto => None,
    }
}

/// The time by the store's clock, which stamps the blobs that are to be judged.
async fn start_time(repository: &Repository) -> Result<Timestamp> {
    use crate::error::BlobContext;
    let written = repository.store().metadata(schedule::BLOB).await.blob("inspect", schedule::BLOB)?;
    let skew = repository.contents().clock().now().duration_since(written.modified).abs();
    if skew > safety::MAX_CLOCK_SKEW {
        return Err(Error::ClockSkew { seconds: skew.as_secs() });
    }
    Ok(written.modified)
}

/// One run of maintenance.
struct Job<'a> {
    repository: &'a Repository,
    parameters: Parameters,
    schedule: Schedule,
    start: Timestamp,
    cancel: CancellationToken,
    manifests: Manifests,
}

impl Job<'_> {
    async fn quick(&mut self, report: &mut MaintenanceReport) -> Result<()> {
        self.compact_manifests().await?;
        report.epochs.compacted = self.task("compact-single-epoch", epochs::compact_singles).await?;
        report.epochs.advanced_to = self.task("advance-epoch", epochs::advance).await?;
        Ok(())
    }

    async fn full(&mut self, report: &mut MaintenanceReport) -> Result<()> {
        self.compact_manifests().await?;
        report.gc = self.task("snapshot-gc", gc::run).await?;
        if self.may_rewrite() {
            report.rewrite = self.task("full-rewrite-contents", rewrite::run).await?;
        }
        report.dropped_before = match self.schedule.drop_time() {
            Some(_) => self.task("full-drop-deleted-content", epochs::drop_deleted).await?,
            None => None,
        };
        if self.may_delete_packs() {
            report.deleted_packs = self.task("full-delete-blobs", blobs::delete_orphans).await?;
        }
        if self.parameters.extend_object_locks
            && self.repository.format().retention().active(self.start).is_some()
        {
            report.extended_locks = self.task("extend-blob-retention-time", blobs::extend_locks).await?;
        }
        report.epochs.compacted = self.task("compact-single-epoch", epochs::compact_singles).await?;
        report.epochs.advanced_to = self.task("advance-epoch", epochs::advance).await?;
        report.epochs.range = self.task("generate-epoch-range-index", epochs::checkpoint_range).await?;
        report.epochs.deleted_markers = self.task("cleanup-epoch-markers", epochs::delete_markers).await?;
        report.epochs.deleted_indexes =
            self.task("delete-superseded-epoch-indexes", epochs::delete_superseded).await?;
        report.deleted_logs = self.task("cleanup-logs", blobs::delete_logs).await?;
        Ok(())
    }

    /// Runs a task and records it in the schedule, which is written after each.
    async fn task<T>(&mut self, name: &str, work: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        tracing::debug!(task = name, "maintenance task");
        let start = self.now();
        let result = work(self).await;
        let error = result.as_ref().err().map(ToString::to_string);
        self.schedule.record(name, Run::new(start, self.now(), error));
        self.schedule.store(self.repository).await?;
        result
    }

    fn now(&self) -> Timestamp {
        self.repository.contents().clock().now()
    }

    fn writer(&self) -> Result<Writer> {
        let options = self.repository.options();
        self.repository.writer(WriteOptions {
            username: options.username.clone(),
            hostname: options.hostname.clone(),
            ..WriteOptions::default()
        })
    }

    async fn compact_manifests(&self) -> Result<()> {
        if self.manifests.contents().len() < MANY_MANIFESTS {
            return Ok(());
        }
        self.writer()?.compact_manifests().await
    }

    /// Contents are moved once; then packs must have been deleted before it is done again.
    fn may_rewrite(&self) -> bool {
        let Some(rewritten) = self.schedule.last_success("full-rewrite-contents") else { return true };
        let deletions = ["full-delete-blobs", "quick-delete-blobs"];
        let last =
            deletions.iter().filter_map(|task| self.schedule.last_success(task)).map(|run| run.end).max();
        last.is_some_and(|deleted| deleted >= rewritten.end)
    }

    fn may_delete_packs(&self) -> bool {
        let rewrites = ["full-rewrite-contents", "quick-rewrite-contents"];
        let last =
            rewrites.iter().filter_map(|task| self.schedule.last_success(task)).map(|run| run.end).max();
        last.is_none_or(|end| self.now().duration_since(end) >= safety::REWRITE_TO_DELETE)
    }

    /// The age of a time at the start of maintenance.
    fn age(&self, time: Timestamp) -> SignedDuration {
        self.start.duration_since(time)
    }

    fn contents(&self) -> &Arc<crate::content::ContentStore> {
        self.repository.contents()
    }
}

#[cfg(test)]
mod tests;
