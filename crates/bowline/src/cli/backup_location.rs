//! `backup-location`: where backups go.

mod create;
mod delete;
mod set;

use bowline_api::BackupStorageLocation;

pub(crate) use create::Create;
pub(crate) use delete::Delete;

use crate::cli::commands::commands;
use crate::cli::get;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::session::Session;

commands! { Command:
    /// Create a backup storage location
    Create(Box<Create>),
    /// Delete backup storage locations; the files stay
    Delete(Delete),
    /// Get backup storage locations
    Get(Get),
    /// Change a backup storage location
    Set(set::Set),
}

/// Get backup storage locations
#[derive(clap::Args)]
#[command(after_help = "{program} backup-location get -o wide")]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
    /// Only the default location
    #[arg(long)]
    default: bool,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if !self.default {
            return self.query.run::<BackupStorageLocation>(session).await;
        }
        let cluster = session.cluster().await?;
        let mut found = cluster.list::<BackupStorageLocation>("").await?;
        found.retain(|location| location.object.spec.default);
        self.query.print(session, &found)
    }
}

impl Listed for BackupStorageLocation {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "PROVIDER", "BUCKET/PREFIX", "PHASE", "LAST VALIDATED", "ACCESS MODE", "DEFAULT"];
    const WIDE: &'static [&'static str] = &["LAST SYNCED", "MESSAGE"];

    fn row(&self, now: &Now) -> Vec<String> {
        let storage = &self.spec.object_storage;
        let place = match storage.prefix.as_str() {
            "" => storage.bucket.clone(),
            prefix => format!("{}/{prefix}", storage.bucket),
        };
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            self.spec.provider.clone(),
            place,
            self.status.phase.as_ref().map_or_else(|| "Unknown".to_owned(), ToString::to_string),
            now.absolute_or(self.status.last_validation_time.as_ref(), "Unknown"),
            self.spec.access_mode.as_ref().map_or_else(|| "ReadWrite".to_owned(), ToString::to_string),
            if self.spec.default { "true".to_owned() } else { String::new() },
            now.absolute(self.status.last_synced_time.as_ref()),
            self.status.message.clone(),
        ]
    }
}
