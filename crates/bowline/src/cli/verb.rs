//! The verb-first forms: `get backups` for `backup get`, and so on.

use clap::Subcommand;

use super::{backup, backup_location, plugin, restore, schedule, snapshot_location};
use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Get {
    /// Get backup storage locations
    #[command(visible_alias = "backup-location")]
    BackupLocations(backup_location::Get),
    /// Get backups
    #[command(visible_alias = "backup")]
    Backups(backup::Get),
    /// Get plugins of the server
    #[command(visible_alias = "plugin")]
    Plugins(plugin::Get),
    /// Get restores
    #[command(visible_alias = "restore")]
    Restores(restore::Get),
    /// Get schedules
    #[command(visible_alias = "schedule")]
    Schedules(schedule::Get),
    /// Get snapshot locations
    #[command(visible_alias = "snapshot-location")]
    SnapshotLocations(snapshot_location::Get),
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::BackupLocations(command) => command.run(session).await,
            Self::Backups(command) => command.run(session).await,
            Self::Plugins(command) => command.run(session).await,
            Self::Restores(command) => command.run(session).await,
            Self::Schedules(command) => command.run(session).await,
            Self::SnapshotLocations(command) => command.run(session).await,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Create {
    /// Create a backup
    Backup(Box<backup::Create>),
    /// Create a backup storage location
    BackupLocation(Box<backup_location::Create>),
    /// Create a restore
    Restore(Box<restore::Create>),
    /// Create a schedule
    Schedule(Box<schedule::Create>),
    /// Create a snapshot location
    SnapshotLocation(snapshot_location::Create),
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Backup(command) => command.run(session).await,
            Self::BackupLocation(command) => command.run(session).await,
            Self::Restore(command) => command.run(session).await,
            Self::Schedule(command) => command.run(session).await,
            Self::SnapshotLocation(command) => command.run(session).await,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Describe {
    /// Describe backups
    #[command(visible_alias = "backup")]
    Backups(backup::Describe),
    /// Describe restores
    #[command(visible_alias = "restore")]
    Restores(restore::Describe),
    /// Describe schedules
    #[command(visible_alias = "schedule")]
    Schedules(schedule::Describe),
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Backups(command) => command.run(session).await,
            Self::Restores(command) => command.run(session).await,
            Self::Schedules(command) => command.run(session).await,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Delete {
    /// Delete backups with their files, snapshots and restores
    #[command(visible_alias = "backups")]
    Backup(backup::Delete),
    /// Delete backup storage locations
    #[command(visible_alias = "backup-locations")]
    BackupLocation(backup_location::Delete),
    /// Delete restores; the restored objects stay
    #[command(visible_alias = "restores")]
    Restore(restore::Delete),
    /// Delete schedules; their backups stay
    #[command(visible_alias = "schedules")]
    Schedule(schedule::Delete),
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Backup(command) => command.run(session).await,
            Self::BackupLocation(command) => command.run(session).await,
            Self::Restore(command) => command.run(session).await,
            Self::Schedule(command) => command.run(session).await,
        }
    }
}
