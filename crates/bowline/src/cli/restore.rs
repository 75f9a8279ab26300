//! `restore`: create, look at and delete restores.

mod create;
mod delete;
mod describe;
mod list;
mod logs;

use clap::Subcommand;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use list::Get;
pub(crate) use logs::Logs;

use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a restore
    Create(Box<Create>),
    /// Delete restores
    Delete(Delete),
    /// Describe restores
    Describe(Describe),
    /// Get restores
    Get(Get),
    /// Get the log of a restore
    Logs(Logs),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Describe(command) => command.run(session).await,
            Self::Get(command) => command.run(session).await,
            Self::Logs(command) => command.run(session).await,
        }
    }
}
