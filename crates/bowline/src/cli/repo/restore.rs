//! `repo restore`: files of a snapshot back into a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kopia::restore::{self, RestoreObserver, RestoreOptions, Restored};
use kopia::snapshot::{Directory, DirectoryEntry, EntryKind};
use serde::Serialize;

use super::open::{Address, Opened, Shape, SnapshotPath, size};
use crate::failure::Failure;
use crate::local::Access;
use crate::output::progress::{Counts, Progress};
use crate::session::Session;

/// Time between two looks at the counters.
const LOOK: Duration = Duration::from_millis(200);
/// Exit code when some entries could not be restored.
const PARTIAL: u8 = 2;
/// Failures that are told.
const SHOWN: usize = 10;

/// Restore a snapshot, or a part of it, into a folder
#[derive(clap::Args)]
#[command(after_help = "
# A whole volume, without a cluster
{program} repo restore ./backups latest ./volume
# One folder of a snapshot in a bucket; what is in the way stays as it is
{program} repo restore s3://backups/kopia/shop 9bb4d3c1/var/lib ./lib --keep-existing")]
pub(crate) struct Restore {
    #[command(flatten)]
    address: Address,
    /// The snapshot, by the beginning of its ID or as `latest`, and a path in it
    #[arg(value_name = "SNAPSHOT[/PATH]")]
    path: SnapshotPath,
    /// Folder to restore into; it is made if it is missing
    #[arg(value_name = "FOLDER")]
    target: PathBuf,
    /// Leave what is there already alone, rather than replacing it
    #[arg(long)]
    keep_existing: bool,
    /// Write runs of zeros in files as holes
    #[arg(long)]
    sparse: bool,
    /// Do not restore owners (they are skipped anyhow where the rights are missing)
    #[arg(long)]
    skip_owners: bool,
    #[command(flatten)]
    shape: Shape,
}

/// What was restored, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    snapshot: String,
    files: u64,
    bytes: u64,
    folders: u64,
    links: u64,
    skipped: u64,
    ignored_errors: u64,
    failed: u64,
    failures: Vec<kopia::snapshot::EntryError>,
}

/// Entries that are done.
#[derive(Debug, Default)]
struct Done(AtomicU64);

impl RestoreObserver for Done {
    fn on_entry(&self, _path: &Path) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let (snapshot, entry) = opened.entry(&self.path).await?;
        if let Some(why) = snapshot.incomplete.as_deref().filter(|why| !why.is_empty()) {
            session.screen.note(format!("warning: the snapshot is not whole ({why})"));
        }
        let done = Arc::new(Done::default());
        let options = RestoreOptions {
            overwrite: !self.keep_existing,
            sparse: self.sparse,
            owners: !self.skip_owners,
            observer: done.clone(),
            ..RestoreOptions::default()
        };
        let total = total(&entry);
        let cancel = options.cancel.clone();
        let mut work = std::pin::pin!(restore_entry(&opened, &entry, &self.target, options));
        let progress = Progress::new(&session.screen);
        let restored = loop {
            tokio::select! {
                restored = &mut work => break restored?,
                () = tokio::time::sleep(LOOK) => {
                    let done = done.0.load(Ordering::Relaxed);
                    progress.show(&Counts { phase: "Restoring".to_owned(), done, total });
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted?;
                    cancel.cancel();
                    session.screen.note("Stopping.");
                }
            }
        };
        drop(progress);
        report(session, self.shape, snapshot.id, &self.target, restored)
    }
}

/// Entries below, with the top itself.
fn total(entry: &DirectoryEntry) -> u64 {
    entry.summary.as_ref().map_or(1, |below| below.files + below.symlinks + below.dirs)
}

pub(super) async fn restore_entry(
    opened: &Opened,
    entry: &DirectoryEntry,
    target: &Path,
    options: RestoreOptions,
) -> anyhow::Result<Restored> {
    let failed = |error: kopia::Error| opened.failed(&error);
    if let Some(device) = device(opened, entry).await? {
        return restore_device(opened, &device, target, options).await;
    }
    Box::pin(restore::restore_tree(&opened.repository, entry, target, options)).await.map_err(failed)
}

/// The only entry of the snapshot of a block device, whose name is the whole path of the device.
async fn device(opened: &Opened, entry: &DirectoryEntry) -> anyhow::Result<Option<DirectoryEntry>> {
    if entry.kind != EntryKind::Directory || !entry.name.contains('/') {
        return Ok(None);
    }
    let object = entry.object().map_err(|error| opened.failed(&error))?;
    let directory = Directory::read(opened.repository.contents(), object).await;
    let mut entries = directory.map_err(|error| opened.failed(&error))?.entries;
    let only = entries.pop().filter(|only| entries.is_empty() && only.kind == EntryKind::File);
    Ok(only)
}

/// The content of a block device becomes a file in the target, called by the last part of the device's path.
async fn restore_device(
    opened: &Opened,
    device: &DirectoryEntry,
    target: &Path,
    options: RestoreOptions,
) -> anyhow::Result<Restored> {
    let name = device.name.rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."));
    fs_err::create_dir_all(target)?;
    let path = target.join(name.unwrap_or("device"));
    let opened_file =
        if options.overwrite { fs_err::File::create(&path)? } else { fs_err::File::create_new(&path)? };
    let file = Arc::new(opened_file.into_parts().0);
    let failed = |error: kopia::Error| opened.failed(&error);
    let object = device.object().map_err(failed)?;
    let bytes = restore::restore_object(&opened.repository, object, file.clone(), &options).await;
    let bytes = bytes.map_err(failed)?;
    file.set_len(bytes)?;
    Ok(Restored { files: 1, bytes, ..Restored::default() })
}

fn report(
    session: &Session,
    shape: Shape,
    snapshot: String,
    target: &Path,
    restored: Restored,
) -> anyhow::Result<()> {
    let outcome = Outcome {
        snapshot,
        files: restored.files,
        bytes: restored.bytes,
        folders: restored.directories,
        links: restored.symlinks,
        skipped: restored.skipped,
        ignored_errors: restored.ignored_errors,
        failed: restored.failed,
        failures: restored.failures,
    };
    shape.print(session, &outcome, || outcome.sentence(target))?;
    if outcome.failed == 0 {
        return Ok(());
    }
    let text = format!("{} entries could not be restored", outcome.failed);
    let tell = |failure: Failure, failed: &kopia::snapshot::EntryError| {
        failure.hint(format!("{}: {}", failed.path, failed.error))
    };
    Err(outcome.failures.iter().take(SHOWN).fold(Failure::new(text).code(PARTIAL), tell).into())
}

impl Outcome {
    fn sentence(&self, target: &Path) -> String {
        let mut lines = vec![format!(
            "Restored {} files ({}), {} folders and {} links into {}.\n",
            self.files,
            size(self.bytes),
            self.folders,
            self.links,
            target.display()
        )];
        if self.skipped > 0 {
            lines.push(format!("{} entries were there already and were left alone.\n", self.skipped));
        }
        if self.ignored_errors > 0 {
            let count = self.ignored_errors;
            lines.push(format!("{count} owners, modes, times or attributes could not be set.\n"));
        }
        lines.concat()
    }
}
