//! The command tree: one file a command, one struct a command, `run` does it.

pub(crate) mod backup;
mod backup_location;
mod bug;
mod client;
mod commands;
mod completion;
mod debug;
mod deletion;
pub(crate) mod flag;
mod get;
pub(crate) mod global;
pub(crate) mod help;
mod install;
mod pflag;
pub(crate) mod place;
mod plugin;
mod reference;
mod repo;
mod restore;
mod schedule;
mod server;
mod snapshot_location;
mod uninstall;
mod usage;
mod verb;
mod version;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::global::GlobalFlags;
use crate::config::{ClientFile, Environment};
use crate::output::screen::Screen;
use crate::session::Session;

/// Back up, restore and migrate Kubernetes resources and persistent volumes.
///
/// Speaks Velero's language: its custom resources, its files in the object store, its commands and flags.
#[derive(Parser)]
#[command(name = "bowline", disable_help_subcommand = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    globals: GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "
# Back up one namespace to a folder, straight from the kubeconfig, with nothing installed in the cluster
{program} backup create web --include-namespaces web --to ./backups
# Bring it back
{program} restore create --from ./backups --from-backup web
# The same with a server in the cluster
{program} backup create web --include-namespaces web --wait
{program} restore create --from-backup web --wait";

#[derive(Subcommand)]
enum Command {
    /// Work with backups
    #[command(subcommand)]
    Backup(backup::Command),
    /// Work with restores
    #[command(subcommand)]
    Restore(restore::Command),
    /// Work with schedules
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Work with backup storage locations
    #[command(subcommand)]
    BackupLocation(backup_location::Command),
    /// Work with snapshot locations
    #[command(subcommand)]
    SnapshotLocation(snapshot_location::Command),
    /// Work with repositories of volume data
    #[command(subcommand)]
    Repo(repo::Command),
    /// Work with plugins of the server
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Get objects: `get backups` is `backup get`
    #[command(subcommand)]
    Get(verb::Get),
    /// Create objects: `create backup` is `backup create`
    #[command(subcommand)]
    Create(verb::Create),
    /// Describe objects: `describe backup` is `backup describe`
    #[command(subcommand)]
    Describe(verb::Describe),
    /// Delete objects: `delete backup` is `backup delete`
    #[command(subcommand)]
    Delete(verb::Delete),
    /// Install the server in the cluster, or only the custom resources
    Install(Box<install::Install>),
    /// Remove the server and the custom resources from the cluster
    Uninstall(uninstall::Uninstall),
    /// Run the server
    Server(Box<server::Server>),
    /// Print a form for the report of a bug
    Bug(bug::Bug),
    /// Collect objects and logs for the report of a bug
    Debug(debug::Debug),
    /// Settings of this program
    #[command(subcommand)]
    Client(client::Command),
    /// Print a completion script
    Completion(completion::Completion),
    /// Print the versions of client and server
    Version(version::Version),
    /// Show the help of a command
    Help(help::Help),
}

/// Parses the command line and carries it out.
pub(crate) async fn run(environment: Environment) -> anyhow::Result<()> {
    let program = environment.program;
    if let Some((first, question)) = environment.arguments.split_first()
        && first == completion::QUESTION
    {
        let question = question.to_vec();
        return completion::answer(environment, &question).await;
    }
    if environment.arguments.first().is_some_and(|first| first == reference::QUESTION) {
        return Ok(Screen::default().print(reference::markdown(program))?);
    }
    let line: Vec<OsString> =
        std::iter::once(program.into()).chain(environment.arguments.iter().cloned()).collect();
    let tree = tree(program);
    let line = pflag::without_idle_switches(&tree, line);
    let matches = match tree.try_get_matches_from(&line) {
        Ok(matches) => matches,
        Err(error) => return usage::answer(&error, program, &line),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| usage::failure(&error, program, &line))?;
    let file = ClientFile::read(&environment)?;
    let session = Session::new(environment, cli.globals, &file);
    Box::pin(cli.command.run(&session)).await
}

/// The command tree under the name that the program was called by.
pub(crate) fn tree(program: &'static str) -> clap::Command {
    let tree = Cli::command().name(program).bin_name(program).args_override_self(true);
    help::teach(pflag::apply(tree), program)
}

impl Command {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Backup(command) => Box::pin(command.run(session)).await,
            Self::Restore(command) => command.run(session).await,
            Self::Schedule(command) => command.run(session).await,
            Self::BackupLocation(command) => command.run(session).await,
            Self::SnapshotLocation(command) => command.run(session).await,
            Self::Repo(command) => command.run(session).await,
            Self::Plugin(command) => command.run(session).await,
            Self::Get(command) => command.run(session).await,
            Self::Create(command) => command.run(session).await,
            Self::Describe(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Install(command) => command.run(session).await,
            Self::Uninstall(command) => command.run(session).await,
            Self::Server(command) => Box::pin(command.run(session)).await,
            Self::Bug(command) => command.run(session).await,
            Self::Debug(command) => command.run(session).await,
            Self::Client(command) => command.run(session),
            Self::Completion(command) => command.run(session),
            Self::Version(command) => command.run(session).await,
            Self::Help(command) => command.run(session),
        }
    }
}

#[cfg(test)]
mod tests;
