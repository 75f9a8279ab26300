//! `repo mount`: a snapshot as a read-only file system, served by this process until it is unmounted.

mod files;
mod nodes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fuser::{BackgroundSession, Config, MountOption, Session as Mounting, SessionACL};
use kopia::browse::Browser;
use kopia::snapshot::{DirectoryEntry, EntryKind};
use tokio::signal::unix::{SignalKind, signal};

use super::open::{Address, Opened, SnapshotPath};
use crate::failure::Failure;
use crate::local::Access;
use crate::session::Session;

use files::Files;

/// Time between two looks whether somebody unmounted it.
const LOOK: Duration = Duration::from_millis(200);

/// Show a snapshot as a read-only file system
///
/// It stays until this command is interrupted, or the folder is unmounted. Files are read from the repository when they are
/// read here. Needs /dev/fuse, and either root or the program fusermount3.
#[derive(clap::Args)]
#[command(after_help = "
# Look into the newest snapshot, and end with Ctrl-C
{program} repo mount ./backups latest /mnt
# One folder of a snapshot in a bucket, for all users of this machine
{program} repo mount s3://backups/kopia/shop 9bb4d3c1/var/lib /mnt --allow-other")]
pub(crate) struct Mount {
    #[command(flatten)]
    address: Address,
    /// The snapshot, by the beginning of its ID or as `latest`, and a folder in it
    #[arg(value_name = "SNAPSHOT[/PATH]")]
    path: SnapshotPath,
    /// Empty folder to mount it on
    #[arg(value_name = "FOLDER")]
    target: PathBuf,
    /// Let all users in, as far as owners and modes allow; without it everything is readable, by this user alone
    #[arg(long)]
    allow_other: bool,
}

impl Mount {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let name = self.address.to_string();
        let opened = self.address.open(session, Access::Read).await?;
        let (snapshot, entry) = opened.entry(&self.path).await?;
        let mounted = mount(&opened, entry, &self.target, name, self.allow_other)?;
        let target = self.target.display();
        session.screen.note(format!("Snapshot {} is at {target} until Ctrl-C.", snapshot.id));
        let mut terminated = signal(SignalKind::terminate()).context("failed to wait for signals")?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {
                    if mounted.guard.is_finished() {
                        session.screen.note(format!("{target} was unmounted."));
                        return mounted.join().context("the file system ended");
                    }
                }
                interrupted = tokio::signal::ctrl_c() => break interrupted?,
                _ = terminated.recv() => break,
            }
        }
        let ended = tokio::task::spawn_blocking(|| mounted.umount_and_join()).await?;
        ended.map_err(|error| {
            Failure::new(format!("failed to unmount {target}: {error}"))
                .hint("something still uses it: leave the folder, then run umount")
                .into()
        })
    }
}

/// Mounts a folder of a snapshot. Must be called inside a tokio runtime.
pub(super) fn mount(
    opened: &Opened,
    folder: DirectoryEntry,
    target: &std::path::Path,
    name: String,
    allow_other: bool,
) -> anyhow::Result<BackgroundSession> {
    if folder.kind != EntryKind::Directory {
        return Err(Failure::new(format!("{:?} is not a folder", folder.name))
            .hint("`repo cat` prints a file")
            .into());
    }
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
        // A comma would end the name.
        MountOption::FSName(name.replace(',', "_")),
        MountOption::Subtype("bowline".to_owned()),
    ];
    if allow_other {
        config.acl = SessionACL::All;
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    let browser = Arc::new(Browser::new(opened.repository.clone()));
    let files = Files::new(browser, folder, tokio::runtime::Handle::current());
    Mounting::new(files, target, &config).and_then(Mounting::spawn).map_err(|error| {
        let failure = Failure::new(format!("failed to mount on {}: {error}", target.display()));
        let has_device = std::path::Path::new("/dev/fuse").exists();
        let hint = if has_device {
            "the folder must exist; users other than root need fusermount3 (package fuse3), and \
             user_allow_other in /etc/fuse.conf for --allow-other"
        } else {
            "this machine has no /dev/fuse; `repo restore` needs none"
        };
        failure.hint(hint).into()
    })
}

#[cfg(test)]
mod tests;
