//! `backup`: create, look at, fetch and delete backups.

mod browse;
mod create;
mod delete;
mod describe;
mod diff;
mod download;
mod list;
mod logs;
pub(crate) mod spec;

pub(crate) use create::{Create, NOTHING_TO_WAIT_FOR, check_resources, warn_of_missing_namespaces};
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use download::Download;
pub(crate) use list::Get;
pub(crate) use logs::{Logs, check_over, explain_missing};

use crate::cli::commands::commands;

commands! { Command:
    /// Look at the objects of a backup without restoring them
    Browse(browse::Browse),
    /// Create a backup
    Create(Box<Create>),
    /// Delete backups
    Delete(Delete),
    /// Describe backups
    Describe(Describe),
    /// Show what differs between a backup and the cluster, or another backup
    Diff(diff::DiffCommand),
    /// Download all Kubernetes objects of a backup
    Download(Download),
    /// Get backups
    Get(Get),
    /// Get the log of a backup
    Logs(Logs),
}
