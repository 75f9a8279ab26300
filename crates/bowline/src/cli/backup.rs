//! `backup`: create, look at, fetch and delete backups.

mod create;
mod delete;
mod describe;
mod download;
mod list;
mod logs;
pub(crate) mod spec;

use clap::Subcommand;

pub(crate) use create::{Create, check_resources, warn_of_missing_namespaces};
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use download::Download;
pub(crate) use list::Get;
pub(crate) use logs::Logs;

use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a backup
    Create(Box<Create>),
    /// Delete backups
    Delete(Delete),
    /// Describe backups
    Describe(Describe),
    /// Download all Kubernetes objects of a backup
    Download(Download),
    /// Get backups
    Get(Get),
    /// Get the log of a backup
    Logs(Logs),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Describe(command) => command.run(session).await,
            Self::Download(command) => command.run(session).await,
            Self::Get(command) => command.run(session).await,
            Self::Logs(command) => command.run(session).await,
        }
    }
}
