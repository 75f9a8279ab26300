//! `backup get`.

use bowline_api::{Backup, Duration, Time};

use crate::cli::get;
use crate::cli::place::FromPlace;
use crate::local;
use crate::output::table::Listed;
use crate::output::time::Now;
use crate::selector;
use crate::session::Session;

/// Get backups
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_arg("from", |from| from.conflicts_with_all(["watch", "selector"])))]
pub(crate) struct Get {
    #[command(flatten)]
    query: get::Query,
    #[command(flatten)]
    from: FromPlace,
}

const EXAMPLES: &str = "
{program} backup get
{program} backup get web -o yaml
{program} backup get -l velero.io/schedule-name=daily --watch
{program} backup get --from ./backups";

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self.from.place(session) {
            None => self.query.run::<Backup>(session).await,
            Some(place) => {
                let store = local::open(place).await?;
                let found = store.backups(&session.screen, self.query.names()).await?;
                self.query.print(session, &found)
            }
        }
    }
}

impl Listed for Backup {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATUS",
        "ERRORS",
        "WARNINGS",
        "CREATED",
        "EXPIRES",
        "STORAGE LOCATION",
        "QUEUE POSITION",
        "SELECTOR",
    ];
    const WIDE: &'static [&'static str] = &["ITEMS", "STARTED", "COMPLETED"];

    fn row(&self, now: &Now) -> Vec<String> {
        let status = &self.status;
        let deleting = self.metadata.deletion_timestamp.is_some();
        let queue = if status.queue_position > 0 { status.queue_position.to_string() } else { String::new() };
        let progress = status.progress.clone().unwrap_or_default();
        vec![
            self.metadata.name.clone().unwrap_or_default(),
            if deleting { "Deleting".to_owned() } else { self.phase().to_string() },
            status.errors.to_string(),
            status.warnings.to_string(),
            now.absolute(created(self)),
            now.relative(expires(self).as_ref()),
            self.spec.storage_location.clone(),
            queue,
            selector::format(self.spec.label_selector.as_ref()),
            format!("{}/{}", progress.items_backed_up, progress.total_items),
            now.absolute(status.start_timestamp.as_ref()),
            now.absolute(status.completion_timestamp.as_ref()),
        ]
    }

    fn sort(backups: &mut [&Self]) {
        backups.sort_by_key(|backup| order(backup.metadata.name.as_deref().unwrap_or_default()));
    }
}

/// When the backup was begun, or, if that is not known, when its object was created.
fn created(backup: &Backup) -> Option<&Time> {
    backup.status.start_timestamp.as_ref().or(backup.metadata.creation_timestamp.as_ref())
}

/// When the backup may go. Before the server has said so, its creation and its time to live tell.
fn expires(backup: &Backup) -> Option<Time> {
    let from_ttl = || {
        let created =
            backup.metadata.creation_timestamp.as_ref().filter(|_| backup.spec.ttl > Duration::ZERO)?;
        created.0.checked_add(jiff::SignedDuration::from(backup.spec.ttl)).ok().map(Time)
    };
    backup.status.expiration.clone().or_else(from_ttl)
}

/// By name; but of names that only differ in the time at their end, the newest first.
fn order(name: &str) -> (String, std::cmp::Reverse<String>) {
    const DIGITS: usize = 14;
    if let Some((prefix, time)) = name.rsplit_once('-')
        && time.len() == DIGITS
        && time.bytes().all(|byte| byte.is_ascii_digit())
    {
        return (prefix.to_owned(), std::cmp::Reverse(time.to_owned()));
    }
    (name.to_owned(), std::cmp::Reverse(String::new()))
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn backups_of_a_schedule_come_newest_first() {
        let mut names = ["web", "daily-20261120010000", "alpha", "daily-20261121010000", "daily-x"];
        names.sort_by_key(|name| order(name));
        assert_eq!(names, ["alpha", "daily-20261121010000", "daily-20261120010000", "daily-x", "web"]);
    }
}
