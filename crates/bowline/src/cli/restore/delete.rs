//! `restore delete`. The restored objects stay.

use bowline_api::Restore;

use crate::cli::deletion::{Deletion, Missing};
use crate::cluster::{Cluster, Fetched};
use crate::session::Session;

/// Delete restores and their logs; the restored objects stay
#[derive(clap::Args)]
#[command(after_help = "{program} restore delete web-20261121064615 --confirm")]
pub(crate) struct Delete {
    #[command(flatten)]
    deletion: Deletion,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let delete = async |cluster: &Cluster, restore: &Fetched<Restore>| {
            cluster.delete::<Restore>(restore.name()).await?;
            session
                .screen
                .line(format!("Request to delete restore {:?} submitted successfully.", restore.name()))?;
            Ok(session.screen.line(
                "The restore will be fully deleted after all associated data (restore files in object storage) are \
                 removed.",
            )?)
        };
        self.deletion.each(session, "restore", Missing::Refused, delete).await
    }
}
