//! `restore get`.

use bowline_api::Restore;

use crate::cli::get;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::selector;
use crate::session::Session;

/// Get restores
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
}

const EXAMPLES: &str = "
{program} restore get
{program} restore get web-20261121064615 -o yaml
{program} restore get --watch";

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.query.run::<Restore>(session).await
    }
}

impl Listed for Restore {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "BACKUP", "STATUS", "STARTED", "COMPLETED", "ERRORS", "WARNINGS", "CREATED", "SELECTOR"];
    const WIDE: &'static [&'static str] = &["ITEMS", "SCHEDULE"];

    fn row(&self, now: &Now) -> Vec<String> {
        let status = &self.status;
        let progress = status.progress.clone().unwrap_or_default();
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            self.spec.backup_name.clone(),
            self.phase().to_string(),
            now.absolute(status.start_timestamp.as_ref()),
            now.absolute(status.completion_timestamp.as_ref()),
            status.errors.to_string(),
            status.warnings.to_string(),
            now.absolute(self.metadata.creation_timestamp.as_ref()),
            selector::format(self.spec.label_selector.as_ref()),
            format!("{}/{}", progress.items_restored, progress.total_items),
            self.spec.schedule_name.clone(),
        ]
    }
}
