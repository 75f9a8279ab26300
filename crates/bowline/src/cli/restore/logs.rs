//! `restore logs`.

use bowline_api::request::DownloadTargetKind;
use bowline_api::restore::RestorePhase;
use bowline_api::{Backup, Duration, Restore};

use crate::cli::backup::explain_missing;
use crate::cli::place::FromPlace;
use crate::download::{self, Trust};
use crate::failure::Failure;
use crate::local;
use crate::session::Session;

/// Get the log of a restore
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// Name of the restore
    #[arg(value_name = "RESTORE")]
    name: String,
    /// How long the server may take to answer, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "1m0s")]
    timeout: Duration,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    from: FromPlace,
}

const EXAMPLES: &str = "
{program} restore logs web-20261121064615
{program} restore logs web-20261121064615 --from ./backups";

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if let Some(place) = self.from.place(session) {
            return Ok(session.screen.copy(local::open(place).await?.restore_log(&self.name).await?)?);
        }
        let cluster = session.cluster().await?;
        let restore = cluster.get::<Restore>(&self.name).await?.object;
        let phase = restore.phase();
        let waits = phase.as_str().starts_with("Waiting") || phase.as_str().starts_with("Finalizing");
        if !waits && !phase.is_terminal() {
            let text = format!(
                "the log of restore {:?} is not available until the restore is over (now: {phase})",
                self.name
            );
            let hint = format!("see how it goes: `{} restore describe {}`", session.program(), self.name);
            return Err(Failure::new(text).hint(hint).into());
        }
        let backup = cluster.find::<Backup>(&restore.spec.backup_name).await?;
        let location = backup.map(|backup| backup.object.spec.storage_location).unwrap_or_default();
        let source =
            download::Source::new(session, &cluster, &self.trust, &location).await?.within(self.timeout);
        let log = source.text(DownloadTargetKind::RestoreLog, &self.name).await;
        let invalid = phase == RestorePhase::FailedValidation;
        Ok(session
            .screen
            .copy(log.map_err(|error| explain_missing(session, "restore", &self.name, invalid, error))?)?)
    }
}
