//! `schedule`: backups at regular times.

mod create;
mod delete;
mod describe;
mod list;
mod pause;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use list::Get;

use crate::cli::commands::commands;

commands! { Command:
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
