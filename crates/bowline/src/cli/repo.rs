//! `repo get`: the repositories of volume data.

use bowline_api::BackupRepository;
use clap::Subcommand;

use crate::cli::get;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Get repositories
    Get(Get),
}

/// Get repositories
#[derive(clap::Args)]
#[command(after_help = "{program} repo get -o wide")]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Get(command) => command.query.run::<BackupRepository>(session).await,
        }
    }
}

impl Listed for BackupRepository {
    const COLUMNS: &'static [&'static str] = &["NAME", "STATUS", "LAST MAINTENANCE"];
    const WIDE: &'static [&'static str] = &["NAMESPACE", "LOCATION", "TYPE", "MESSAGE"];

    fn row(&self, now: &Now) -> Vec<String> {
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            self.status.phase.as_ref().map_or_else(|| "New".to_owned(), ToString::to_string),
            now.absolute_or(self.status.last_maintenance_time.as_ref(), "<never>"),
            self.spec.volume_namespace.clone(),
            self.spec.backup_storage_location.clone(),
            self.spec.repository_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.status.message.clone(),
        ]
    }
}
