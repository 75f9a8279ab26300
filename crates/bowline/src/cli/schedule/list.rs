//! `schedule get`.

use bowline_api::Schedule;

use crate::cli::get;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::selector;
use crate::session::Session;

/// Get schedules
#[derive(clap::Args)]
#[command(after_help = "{program} schedule get")]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.query.run::<Schedule>(session).await
    }
}

impl Listed for Schedule {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "STATUS", "CREATED", "SCHEDULE", "BACKUP TTL", "LAST BACKUP", "SELECTOR", "PAUSED"];
    const WIDE: &'static [&'static str] = &["LAST SKIPPED"];

    fn row(&self, now: &Now) -> Vec<String> {
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            self.status.phase.as_ref().map_or_else(|| "New".to_owned(), ToString::to_string),
            now.absolute(self.metadata.creation_timestamp.as_ref()),
            self.spec.schedule.clone(),
            self.spec.template.ttl.to_string(),
            now.relative(self.status.last_backup.as_ref()),
            selector::format(self.spec.template.label_selector.as_ref()),
            self.spec.paused.to_string(),
            now.relative(self.status.last_skipped.as_ref()),
        ]
    }
}
