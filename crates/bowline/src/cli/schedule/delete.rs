//! `schedule delete`.

use bowline_api::Schedule;

use crate::cli::deletion::Deletion;
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
        let cluster = session.cluster().await?;
        for schedule in self.deletion.agreed::<Schedule>(session, &cluster, "schedule").await? {
            cluster.delete::<Schedule>(schedule.name()).await?;
            session.screen.line(format!("Schedule deleted: {}", schedule.name()))?;
        }
        Ok(())
    }
}
