//! `backup logs`.

use bowline_api::backup::BackupPhase;
use bowline_api::request::DownloadTargetKind;
use bowline_api::{Backup, Duration};

use crate::cli::flag::{KeyValues, merged};
use crate::download::{self, Trust};
use crate::failure::Failure;
use crate::local::{self, Place};
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
    /// Look into a folder or s3://BUCKET/PREFIX instead of asking the cluster
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Settings of the place given by --from, such as region=eu-1,s3Url=http://localhost:9000
    #[arg(long, value_name = "KEY=VALUE", requires = "from")]
    from_config: Vec<KeyValues>,
}

const EXAMPLES: &str = "
{program} backup logs web
{program} backup logs web --from ./backups | grep level=error";

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if let Some(place) = self.from {
            let store = local::open(place.with_config(merged(self.from_config))).await?;
            return Ok(session.screen.copy(store.log(&self.name).await?)?);
        }
        let cluster = session.cluster().await?;
        let backup = cluster.get::<Backup>(&self.name).await?.object;
        check_over(session, "log", &self.name, &backup.phase())?;
        let source = download::Source::new(session, &cluster, &self.trust, &backup.spec.storage_location)
            .await?
            .within(self.timeout);
        let log = source.text(DownloadTargetKind::BackupLog, &self.name).await?;
        Ok(session.screen.copy(log)?)
    }
}

/// Files are written when the backup is over, so that there is nothing to show before.
pub(super) fn check_over(
    session: &Session,
    file: &str,
    name: &str,
    phase: &BackupPhase,
) -> anyhow::Result<()> {
    let waits = matches!(
        phase,
        BackupPhase::WaitingForPluginOperations | BackupPhase::WaitingForPluginOperationsPartiallyFailed
    );
    if waits || phase.is_terminal() || phase.as_str().starts_with("Finalizing") {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the {file} of backup {name:?} is not available until the backup is over (now: {phase})"
    ))
    .hint(format!("see how it goes: `{} backup describe {name}`", session.program()))
    .into())
}
