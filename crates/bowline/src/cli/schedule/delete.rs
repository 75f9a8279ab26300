//! `schedule delete`.

use bowline_api::Schedule;

use crate::cli::deletion::{Deletion, Missing};
use crate::cluster::{Cluster, Fetched};
use crate::session::Session;

/// Delete schedules; their backups stay
#[derive(clap::Args)]
#[command(after_help = "{program} schedule delete daily --confirm")]
pub(crate) struct Delete {
    #[command(flatten)]
    deletion: Deletion,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let delete = async |cluster: &Cluster, schedule: &Fetched<Schedule>| {
            cluster.delete::<Schedule>(schedule.name()).await?;
            Ok(session.screen.line(format!("Schedule deleted: {}", schedule.name()))?)
        };
        self.deletion.each(session, "schedule", Missing::Told, delete).await
    }
}
