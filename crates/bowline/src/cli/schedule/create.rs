//! `schedule create`.

use bowline_api::Schedule;
use bowline_api::schedule::ScheduleSpec;

use crate::cli::backup::spec::SpecFlags;
use crate::cli::flag::{KeyValues, check_name, merged};
use crate::cli::get::Dry;
use crate::cron;
use crate::failure::Failure;
use crate::session::Session;

/// Create a schedule
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Name of the schedule; its backups are called NAME-YYYYMMDDhhmmss
    #[arg(value_name = "NAME")]
    name: String,
    /// When: minute, hour, day of month, month, day of week in UTC; @daily and the like; or "@every 6h"
    #[arg(long, value_name = "CRON", required = true)]
    schedule: String,
    /// Let the schedule own its backups, so that they go when it is deleted
    #[arg(long)]
    use_owner_references_in_backup: bool,
    /// Create the schedule paused
    #[arg(long)]
    paused: bool,
    /// Leave out the run that would be due at once: true or false (default: the server's)
    #[arg(long, value_name = "BOOL")]
    skip_immediately: Option<bool>,
    /// Labels of the schedule, which its backups get too: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    labels: Vec<KeyValues>,
    /// Annotations of the schedule, which its backups get too: a=b,c=d
    #[arg(long, value_name = "ANNOTATIONS")]
    annotations: Vec<KeyValues>,
    #[command(flatten)]
    spec: SpecFlags,
    #[command(flatten)]
    dry: Dry,
}

const EXAMPLES: &str = "
# Every night at one, kept for a week
{program} schedule create daily --schedule '0 1 * * *' --include-namespaces web --ttl 168h
# Every six hours
{program} schedule create often --schedule '@every 6h'";

/// Fields of a cron expression.
const FIELDS: usize = 5;

impl Create {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        check_name("schedule", &self.name)?;
        check_expression(&self.schedule)?;
        let spec = ScheduleSpec {
            template: self.spec.into_spec()?,
            schedule: self.schedule,
            use_owner_references_in_backup: Some(self.use_owner_references_in_backup),
            paused: self.paused,
            skip_immediately: self.skip_immediately,
        };
        let mut schedule = Schedule::new(&self.name, spec);
        let (labels, annotations) = (merged(self.labels), merged(self.annotations));
        schedule.metadata.labels = (!labels.is_empty()).then_some(labels);
        schedule.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
        if self.dry.print(session, &schedule)? {
            return Ok(());
        }
        let cluster = session.cluster().await?;
        let created = cluster.create(&schedule).await?;
        session.screen.line(format!("Schedule {:?} created successfully.", created.name()))?;
        if let Some(mistake) = cron::mistake(&schedule.spec.schedule) {
            session.screen.note(format!("hint: it makes no backups until its time is corrected: {mistake}"));
        }
        Ok(())
    }
}

/// Finds expressions that can't be right. Their values are checked by the server, which says so in the status.
fn check_expression(expression: &str) -> anyhow::Result<()> {
    let expression = expression.trim();
    let without_zone = match expression.split_once(' ') {
        Some((zone, rest)) if zone.starts_with("CRON_TZ=") || zone.starts_with("TZ=") => rest,
        _ => expression,
    };
    let count = without_zone.split_whitespace().count();
    if without_zone.starts_with('@') || count == FIELDS {
        return Ok(());
    }
    let fields = if count == 1 { "field" } else { "fields" };
    Err(Failure::new(format!("--schedule: {expression:?} has {count} {fields} instead of {FIELDS}"))
        .hint("the fields are minute, hour, day of month, month and day of week: '0 1 * * *'; or write '@every 6h'")
        .into())
}

#[cfg(test)]
mod tests {
    use super::check_expression;

    #[test]
    fn expressions_have_five_fields_or_a_word() {
        for (expression, good) in [
            ("0 1 * * *", true),
            ("@every 1m", true),
            ("@daily", true),
            ("CRON_TZ=Europe/Berlin 0 1 * * *", true),
            ("0 1 * *", false),
            ("0 0 1 * * *", false),
            ("", false),
        ] {
            assert_eq!(check_expression(expression).is_ok(), good, "{expression}");
        }
    }
}
