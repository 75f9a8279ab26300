//! `backup logs`.

use bowline_api::backup::BackupPhase;
use bowline_api::request::DownloadTargetKind;
use bowline_api::{Backup, Duration};

use crate::cli::place::FromPlace;
use crate::download::{self, Trust};
use crate::failure::{self, Failure};
use crate::follow;
use crate::local;
use crate::session::Session;

/// Get the log of a backup
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// Name of the backup
    #[arg(value_name = "BACKUP")]
    name: String,
    /// How long the server may take to answer, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "1m0s")]
    timeout: Duration,
    #[command(flatten)]
    trust: Trust,
    /// Show the log of a backup that is not over as it is written, until it is over
    #[arg(long, conflicts_with = "from")]
    follow: bool,
    #[command(flatten)]
    from: FromPlace,
}

const EXAMPLES: &str = "
{program} backup logs web
{program} backup logs web --follow
{program} backup logs web --from ./backups | grep level=error";

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if let Some(place) = self.from.place(session) {
            let store = local::open(place).await?;
            return Ok(session.screen.copy(store.log(&self.name).await?)?);
        }
        let cluster = session.cluster().await?;
        let mut backup = cluster.get::<Backup>(&self.name).await?.object;
        if self.follow && !is_written(&backup.phase()) {
            if follow::log(session, &cluster, &backup).await? {
                return Ok(());
            }
            backup = cluster.get::<Backup>(&self.name).await?.object;
        }
        check_over(session, "log", &self.name, &backup.phase())?;
        let source = download::Source::new(session, &cluster, &self.trust, &backup.spec.storage_location)
            .await?
            .within(self.timeout);
        let log = source.text(DownloadTargetKind::BackupLog, &self.name).await;
        let invalid = backup.phase() == BackupPhase::FailedValidation;
        let log = log.map_err(|error| explain_missing(session, "backup", &self.name, invalid, error));
        let log = log.map_err(|error| not_had(session, &self.name, &backup.phase(), error))?;
        Ok(session.screen.copy(log)?)
    }
}

/// Why there is no log. What was refused before it began has none.
pub(crate) fn explain_missing(
    session: &Session,
    noun: &str,
    name: &str,
    invalid: bool,
    error: anyhow::Error,
) -> anyhow::Error {
    if !invalid {
        return error;
    }
    Failure::new(format!("the {noun} {name:?} failed its validation, so that there is no log of it"))
        .hint(format!("see why: `{} {noun} describe {name}`", session.program()))
        .into()
}

/// A log that can't be had. That of a backup which failed may never have been written, as by a full store.
fn not_had(session: &Session, name: &str, phase: &BackupPhase, error: anyhow::Error) -> anyhow::Error {
    if *phase != BackupPhase::Failed {
        return error;
    }
    let report = failure::explain(&error);
    let command = format!("`{} backup describe {name}`", session.program());
    let hint = format!("a backup that failed may have no log; why it failed is in {command}");
    report.hints.into_iter().fold(Failure::new(report.text).hint(hint), Failure::hint).into()
}

/// Files are written when the backup is over, so that there is nothing to show before.
pub(crate) fn check_over(
    session: &Session,
    file: &str,
    name: &str,
    phase: &BackupPhase,
) -> anyhow::Result<()> {
    if is_written(phase) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the {file} of backup {name:?} is not available until the backup is over (now: {phase})"
    ))
    .hint(format!("see how it goes: `{} backup describe {name}`", session.program()))
    .into())
}

/// Whether the objects have been saved, so that the files are there.
fn is_written(phase: &BackupPhase) -> bool {
    let waits = ["WaitingForPluginOperations", "Finalizing"];
    phase.is_terminal() || waits.iter().any(|prefix| phase.as_str().starts_with(prefix))
}
