//! The verb-first forms: `get backups` for `backup get`, and so on.

use super::commands::commands;
use super::{backup, backup_location, plugin, restore, schedule, snapshot_location};

commands! { Get:
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

commands! { Create:
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

commands! { Describe:
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

commands! { Delete:
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
