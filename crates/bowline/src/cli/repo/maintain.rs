//! `repo maintain`: garbage collection and clean-up of a repository.

use clap::ValueEnum;
use kopia::maintenance::{self, MaintenanceOptions, MaintenanceReport, RanMode};
use serde::Serialize;

use super::open::{Address, Shape, size};
use crate::local::Access;
use crate::output::progress::{Counts, Progress};
use crate::output::tabs;
use crate::session::Session;

/// Remove what nobody needs any more from a repository
///
/// Writers may work at the same time: nothing that they may still need is removed, so that data goes a day and more after
/// its snapshot. Only one maintenance may run at a time.
#[derive(clap::Args)]
#[command(after_help = "
# What is due by the repository's schedule
{program} repo maintain ./backups
# Everything, now
{program} repo maintain s3://backups/kopia/shop --mode full")]
pub(crate) struct Maintain {
    #[command(flatten)]
    address: Address,
    /// What to do: auto (what is due), quick (indexes) or full (data too)
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    mode: Mode,
    /// Do it although somebody else is the owner of the maintenance
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    shape: Shape,
}

/// Values of `--mode`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Mode {
    #[default]
    Auto,
    Quick,
    Full,
}

/// What was done, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    ran: &'static str,
    deleted_packs: u64,
    freed_bytes: u64,
    deleted_logs: u64,
    extended_locks: u64,
    dropped_before: Option<jiff::Timestamp>,
}

impl Maintain {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Change).await?;
        let mode = match self.mode {
            Mode::Auto => maintenance::Mode::Auto,
            Mode::Quick => maintenance::Mode::Quick,
            Mode::Full => maintenance::Mode::Full,
        };
        let options = MaintenanceOptions { mode, force: self.force, ..MaintenanceOptions::default() };
        let progress = Progress::new(&session.screen);
        progress.show(&Counts { phase: "Maintaining".to_owned(), ..Counts::default() });
        let report = Box::pin(maintenance::run(&opened.repository, &options)).await;
        drop(progress);
        let report = report.map_err(|error| opened.failed(&error))?;
        self.shape.print(session, &Done::from(&report), || describe(&report))
    }
}

fn ran(report: &MaintenanceReport) -> &'static str {
    match report.mode {
        Some(RanMode::Full) => "full",
        Some(RanMode::Quick) => "quick",
        None => "nothing",
    }
}

impl From<&MaintenanceReport> for Done {
    fn from(report: &MaintenanceReport) -> Self {
        let (deleted_packs, freed_bytes) = report.deleted_packs;
        Self {
            ran: ran(report),
            deleted_packs,
            freed_bytes,
            deleted_logs: report.deleted_logs,
            extended_locks: report.extended_locks,
            dropped_before: report.dropped_before,
        }
    }
}

fn describe(report: &MaintenanceReport) -> String {
    if report.mode.is_none() {
        return "Nothing is due; --mode full does everything now.\n".to_owned();
    }
    let (packs, bytes) = report.deleted_packs;
    let text = format!(
        "Maintenance:\t{}\nDeleted packs:\t{packs} ({})\nDeleted logs:\t{}\nIndexes of epochs compacted:\t{}\n",
        ran(report),
        size(bytes),
        report.deleted_logs,
        report.epochs.compacted,
    );
    tabs::expand(&text, tabs::DESCRIPTION)
}
