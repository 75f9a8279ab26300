//! `schedule describe`.

use bowline_api::Schedule;

use crate::cli::get::{Selection, select};
use crate::output::describe;
use crate::session::Session;

/// Describe schedules
#[derive(clap::Args)]
#[command(after_help = "{program} schedule describe daily")]
pub(crate) struct Describe {
    /// Names of the schedules; none means all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let schedules = select::<Schedule>(&cluster, &self.names, &self.selection.selector).await?;
        for (at, schedule) in schedules.iter().enumerate() {
            if at > 0 {
                session.screen.print("\n\n")?;
            }
            session.screen.print(describe::schedule::text(session, &schedule.object))?;
        }
        Ok(())
    }
}
