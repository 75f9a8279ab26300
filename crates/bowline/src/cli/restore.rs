//! `restore`: create, look at and delete restores.

mod create;
mod delete;
mod describe;
mod list;
mod logs;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use describe::Describe;
pub(crate) use list::Get;
pub(crate) use logs::Logs;

use crate::cli::commands::commands;

commands! { Command:
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
