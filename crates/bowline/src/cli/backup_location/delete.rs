//! `backup-location delete`: the location and the objects of its backups; the files stay.

use bowline_api::{Backup, BackupRepository, BackupStorageLocation, Kind, label};

use crate::cli::deletion::{Deletion, Missing};
use crate::cluster::{Cluster, Fetched};
use crate::session::Session;

/// Delete backup storage locations with the objects of their backups; the files stay
#[derive(clap::Args)]
#[command(after_help = "{program} backup-location delete minio --confirm")]
pub(crate) struct Delete {
    #[command(flatten)]
    deletion: Deletion,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let delete = async |cluster: &Cluster, location: &Fetched<BackupStorageLocation>| {
            let name = location.name();
            cluster.delete::<BackupStorageLocation>(name).await?;
            session.screen.line(format!("Backup storage location {name:?} deleted successfully."))?;
            delete_labelled::<Backup>(session, cluster, "backup", name).await?;
            delete_labelled::<BackupRepository>(session, cluster, "backup repository", name).await
        };
        self.deletion.each(session, "backup-location", Missing::Told, delete).await
    }
}

/// Deletes the objects that stand for something in the location.
async fn delete_labelled<K: Kind>(
    session: &Session,
    cluster: &Cluster,
    noun: &str,
    location: &str,
) -> anyhow::Result<()> {
    let selector = format!("{}={}", label::STORAGE_LOCATION, label::valid_value(location));
    for object in cluster.list::<K>(&selector).await? {
        cluster.delete::<K>(object.name()).await?;
        session.screen.line(format!(
            "The {noun} {:?} of this location was removed from the cluster; its files stay.",
            object.name()
        ))?;
    }
    Ok(())
}
