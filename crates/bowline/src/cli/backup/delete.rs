//! `backup delete`: asks the server to delete a backup with all that belongs to it.

use std::collections::BTreeMap;

use bowline_api::request::DeleteBackupRequestSpec;
use bowline_api::{Backup, DeleteBackupRequest, label};

use crate::cli::deletion::{Deletion, Missing};
use crate::cluster::{Cluster, Fetched};
use crate::session::Session;

/// Delete backups with their files, snapshots and restores
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Delete {
    #[command(flatten)]
    deletion: Deletion,
}

const EXAMPLES: &str = "
{program} backup delete web
{program} backup delete web --confirm
{program} backup delete -l velero.io/schedule-name=daily --confirm";

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let delete = async |cluster: &Cluster, backup: &Fetched<Backup>| {
            cluster.create(&request(&backup.object)).await?;
            session
                .screen
                .line(format!("Request to delete backup {:?} submitted successfully.", backup.name()))?;
            Ok(session.screen.line(
                "The backup will be fully deleted after all associated data (disk snapshots, backup files, restores) \
                 are removed.",
            )?)
        };
        self.deletion.each(session, "backup", Missing::Told, delete).await
    }
}

fn request(backup: &Backup) -> DeleteBackupRequest {
    let name = backup.metadata.name.clone().unwrap_or_default();
    let uid = backup.metadata.uid.clone().unwrap_or_default();
    let labels = BTreeMap::from([
        (label::BACKUP_NAME.to_owned(), label::valid_value(&name)),
        (label::BACKUP_UID.to_owned(), uid),
    ]);
    let mut request = DeleteBackupRequest {
        spec: DeleteBackupRequestSpec { backup_name: name.clone() },
        ..Default::default()
    };
    request.metadata.generate_name = Some(format!("{name}-"));
    request.metadata.labels = Some(labels);
    request
}
