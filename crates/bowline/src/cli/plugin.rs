//! `plugin`: the plugins of the server, each an init container that copies its program into a shared folder.

mod add;
pub(in crate::cli) mod container;
mod list;
mod remove;
pub(in crate::cli) mod server;

pub(crate) use list::Get;

use crate::cli::commands::commands;

commands! { Command:
    /// Add a plugin to the server
    Add(add::Add),
    /// Get plugins of the server
    Get(list::Get),
    /// Remove a plugin from the server
    Remove(remove::Remove),
}
