//! Repositories of volume data: `repo get` asks the cluster for them, the others work on a folder or bucket alone.

mod cat;
mod inspect;
mod ls;
mod maintain;
#[cfg(feature = "mount")]
mod mount;
mod open;
mod restore;
mod snapshots;
mod verify;

use bowline_api::BackupRepository;
use clap::Subcommand;

use crate::cli::get;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Get repositories
    Get(Get),
    /// Show what a repository is and holds
    Inspect(inspect::Inspect),
    /// List the snapshots in a repository
    Snapshots(snapshots::Snapshots),
    /// List a folder of a snapshot
    Ls(ls::Ls),
    /// Print a file of a snapshot
    Cat(cat::Cat),
    /// Restore a snapshot, or a part of it, into a folder
    Restore(restore::Restore),
    /// Show a snapshot as a read-only file system
    #[cfg(feature = "mount")]
    Mount(mount::Mount),
    /// Check that a repository is sound
    Verify(verify::Verify),
    /// Remove what nobody needs any more from a repository
    Maintain(maintain::Maintain),
}

/// Get repositories
#[derive(clap::Args)]
#[command(after_help = "{program} repo get -o wide")]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Get(command) => command.query.run::<BackupRepository>(session).await,
            Self::Inspect(command) => command.run(session).await,
            Self::Snapshots(command) => command.run(session).await,
            Self::Ls(command) => command.run(session).await,
            Self::Cat(command) => command.run(session).await,
            Self::Restore(command) => command.run(session).await,
            #[cfg(feature = "mount")]
            Self::Mount(command) => command.run(session).await,
            Self::Verify(command) => command.run(session).await,
            Self::Maintain(command) => command.run(session).await,
        }
    }
}

impl Listed for BackupRepository {
    const COLUMNS: &'static [&'static str] = &["NAME", "STATUS", "LAST MAINTENANCE"];
    const WIDE: &'static [&'static str] = &["NAMESPACE", "LOCATION", "TYPE", "MESSAGE"];

    fn row(&self, now: &Now) -> Vec<String> {
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            self.status.phase.as_ref().map_or_else(|| "New".to_owned(), ToString::to_string),
            now.absolute_or(self.status.last_maintenance_time.as_ref(), "<never>"),
            self.spec.volume_namespace.clone(),
            self.spec.backup_storage_location.clone(),
            self.spec.repository_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.status.message.clone(),
        ]
    }
}

#[cfg(test)]
mod tests;
