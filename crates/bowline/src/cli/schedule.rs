//! `schedule`: backups at regular times.

mod create;
mod delete;
mod describe;
mod list;
mod pause;

use clap::Subcommand;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use list::Get;

use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a schedule
    Create(Box<Create>),
    /// Delete schedules; their backups stay
    Delete(Delete),
    /// Describe schedules
    Describe(Describe),
    /// Get schedules
    Get(Get),
    /// Pause schedules
    Pause(pause::Pause),
    /// Let paused schedules go on
    Unpause(pause::Unpause),
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Describe(command) => command.run(session).await,
            Self::Get(command) => command.run(session).await,
            Self::Pause(command) => command.run(session).await,
            Self::Unpause(command) => command.run(session).await,
        }
    }
}
