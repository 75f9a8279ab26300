//! What is measured, one step a process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use kopia::blob::{BlobStore, FileSystemStore, ThrottledStore};
use kopia::format::CreateOptions;
use kopia::restore::{self, RestoreObserver, RestoreOptions};
use kopia::snapshot::{self, DirectoryEntry, Snapshot, Source as SnapshotSource};
use kopia::upload::{self, LocalTree, Source, UploadOptions};
use kopia::{OpenOptions, Repository, WriteOptions};

use crate::chain;
use crate::measure;
use crate::synthetic::{Forgetful, Synthetic};

const PASSWORD: &str = "benchmark";
/// Operations under way at once on a far store.
const FAR_CONCURRENCY: usize = 64;

/// A step of a benchmark.
#[derive(Subcommand)]
pub(crate) enum Step {
    /// Print the speed of the parts of the way of the data, on one core.
    Chain,
    /// Make a repository.
    Create { repository: PathBuf },
    /// Back up a folder, building on the snapshot before if there is one.
    Upload {
        repository: PathBuf,
        folder: PathBuf,
        #[command(flatten)]
        far: Far,
    },
    /// Back up a tree that no disk holds.
    UploadSynthetic {
        repository: PathBuf,
        folders: u64,
        files_per_folder: u64,
        size: u64,
        period: u64,
        /// Forget the data of files.
        #[arg(long)]
        forget: bool,
    },
    /// Restore the newest snapshot.
    Restore {
        repository: PathBuf,
        target: PathBuf,
        /// Remove every file as soon as it is restored: no disk would hold them all.
        #[arg(long)]
        forget: bool,
        #[command(flatten)]
        far: Far,
    },
    /// Read all files of the newest snapshot, and forget them.
    RestoreNowhere { repository: PathBuf },
}

/// How far away the store is.
#[derive(clap::Args)]
pub(crate) struct Far {
    /// Milliseconds that every request takes longer.
    #[arg(long, default_value_t = 0)]
    latency: u64,
}

impl Far {
    fn store(&self, repository: &Path) -> Result<Arc<dyn BlobStore>> {
        let store = near(repository)?;
        Ok(match self.latency {
            0 => store,
            late => Arc::new(ThrottledStore::new(store, FAR_CONCURRENCY, Duration::from_millis(late))),
        })
    }
}

impl Step {
    /// Runs the step in this process.
    pub(crate) fn run(self) -> Result<()> {
        if let Self::Chain = self {
            return chain::run();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.run_async())
    }

    async fn run_async(self) -> Result<()> {
        match self {
            Self::Chain => Ok(()),
            Self::Create { repository } => {
                let store = Arc::new(FileSystemStore::create(repository)?);
                Repository::create(store, PASSWORD, &CreateOptions::default(), OpenOptions::default())
                    .await?;
                Ok(())
            }
            Self::Upload { repository, folder, far } => {
                let source = Arc::new(LocalTree::open(folder)?);
                upload(open(far.store(&repository)?).await?, source).await
            }
            Self::UploadSynthetic { repository, folders, files_per_folder, size, period, forget } => {
                let source = Arc::new(Synthetic { folders, files_per_folder, size, period });
                let store = FileSystemStore::open(&repository)?;
                let store: Arc<dyn BlobStore> =
                    if forget { Arc::new(Forgetful(store)) } else { Arc::new(store) };
                upload(open(store).await?, source).await
            }
            Self::Restore { repository, target, forget, far } => {
                restore(open(far.store(&repository)?).await?, target, forget).await
            }
            Self::RestoreNowhere { repository } => restore_nowhere(open(near(&repository)?).await?).await,
        }
    }
}

fn near(repository: &Path) -> Result<Arc<dyn BlobStore>> {
    Ok(Arc::new(FileSystemStore::open(repository)?))
}

async fn open(store: Arc<dyn BlobStore>) -> Result<Repository> {
    let repository = Repository::open(store, PASSWORD, OpenOptions::default()).await?;
    measure::new_peak()?;
    Ok(repository)
}

async fn newest(repository: &Repository) -> Result<Option<Snapshot>> {
    Ok(snapshot::list(&repository.manifests().await?, None)?.pop())
}

async fn upload(repository: Repository, source: Arc<dyn Source>) -> Result<()> {
    let parent = newest(&repository).await?.and_then(|snapshot| snapshot.root_entry);
    let writer = repository.writer(WriteOptions::default())?;
    let uploaded = upload::upload_source(&writer, source, parent, UploadOptions::default()).await?;
    anyhow::ensure!(uploaded.stats.error_count == 0, "files could not be read: {:?}", uploaded.failures);
    let source = SnapshotSource { host: "host".into(), user_name: "user".into(), path: "/bench".into() };
    writer.put_snapshot(&uploaded.snapshot(source))?;
    writer.flush().await?;
    Ok(())
}

async fn root(repository: &Repository) -> Result<DirectoryEntry> {
    Ok(newest(repository).await?.context("there is no snapshot")?.root()?.clone())
}

/// Removes what is restored. Folders stay.
#[derive(Debug)]
struct Removing(PathBuf);

impl RestoreObserver for Removing {
    fn on_entry(&self, path: &Path) {
        let path = self.0.join(path);
        if path.is_file() {
            let _ = fs_err::remove_file(path);
        }
    }
}

async fn restore(repository: Repository, target: PathBuf, forget: bool) -> Result<()> {
    let root = root(&repository).await?;
    let mut options = RestoreOptions::default();
    if forget {
        options.observer = Arc::new(Removing(target.clone()));
    }
    let restored = restore::restore_tree(&repository, &root, target, options).await?;
    anyhow::ensure!(restored.failed == 0, "files could not be restored: {:?}", restored.failures);
    Ok(())
}

/// Every object goes to `/dev/null`, which takes what no disk would hold.
async fn restore_nowhere(repository: Repository) -> Result<()> {
    let nowhere = Arc::new(fs_err::OpenOptions::new().write(true).open("/dev/null")?.into_parts().0);
    let options = RestoreOptions::default();
    let mut folders = vec![root(&repository).await?];
    while let Some(folder) = folders.pop() {
        let listing = snapshot::Directory::read(repository.contents(), folder.object()?).await?;
        for entry in listing.entries {
            if entry.kind == snapshot::EntryKind::Directory {
                folders.push(entry);
            } else {
                restore::restore_object(&repository, entry.object()?, nowhere.clone(), &options).await?;
            }
        }
    }
    Ok(())
}
