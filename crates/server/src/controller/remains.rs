//! What failed backups have left in the store because it could not be removed at once: noted on the Backup, told to the user, and removed
//! a day later, as soon as the store allows it. It is no backup at any time, because the metadata of one come last.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::{Backup, BackupPhase, ObjectMeta};
use bowline_engine::finding::chain;
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::context::Context;
use crate::failure::failure;
use crate::location::{LocationError, check_writable};

/// On a failed Backup: there are files of it in the store, the newest of them of this time by the store's clock, or `unknown`.
const REMAINS_ANNOTATION: &str = "bowline.io/remains";
const UNKNOWN: &str = "unknown";
/// How often it is tried to remove them.
const RETRY: Duration = Duration::from_mins(5);
/// How long the store may take to say what is there.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long they stay at least. Nobody can tell them from those of a server of another cluster that makes a backup of the same name in the
/// same bucket just now; by then that one has ended.
const GRACE: Duration = Duration::from_hours(24);
const NOTE: &str = "files of it are still in the bucket and will be removed after a day";

/// Looks at what a backup that has just failed has left, and notes it.
pub(super) async fn note(context: &Context, backup: &mut Backup) {
    let newest = match tokio::time::timeout(PATIENCE, newest(context, backup)).await {
        // Nothing is left, or it never had a place to leave something in.
        Ok(Ok(None) | Err(LocationError::Missing(_) | LocationError::ReadOnly(_))) => return,
        Ok(Ok(Some(newest))) => newest.to_string(),
        Ok(Err(error)) => {
            tracing::debug!(
                backup = backup.name_any(),
                error = chain(&error),
                "the store does not say what is left"
            );
            UNKNOWN.to_owned()
        }
        Err(_) => UNKNOWN.to_owned(),
    };
    if newest != UNKNOWN {
        let status = &mut backup.status;
        status.failure_reason = format!("{}; {NOTE}", status.failure_reason);
    }
    tracing::warn!(backup = backup.name_any(), newest, "files of the failed backup may be left in the store");
    backup.annotations_mut().insert(REMAINS_ANNOTATION.to_owned(), newest);
}

/// When the newest file was stored; nothing when there is none.
async fn newest(context: &Context, backup: &Backup) -> Result<Option<Timestamp>, LocationError> {
    let location = context.location(&backup.spec.storage_location)?;
    let store = context.store(&location).await?;
    let files = store.remains(&backup.name_any()).await?;
    // A store that tells no times has one writer as far as anybody can know.
    Ok(files.iter().map(|file| file.modified.unwrap_or(Timestamp::MAX)).max())
}

fn noted(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(REMAINS_ANNOTATION).map(String::as_str)
}

/// The time up to which files are this backup's, if any are noted.
fn until(backup: &Backup) -> Option<Timestamp> {
    if backup.phase() != BackupPhase::Failed {
        return None;
    }
    Some(noted(&backup.metadata)?.parse().unwrap_or(Timestamp::MAX))
}

/// How long what a backup has left must stay yet.
fn wait(backup: &Backup, now: Timestamp) -> Option<Duration> {
    let ended = backup.status.completion_timestamp.as_ref().map_or(Timestamp::MIN, |ended| ended.0);
    let since = Duration::try_from(now.duration_since(ended)).unwrap_or_default();
    GRACE.checked_sub(since).filter(|wait| !wait.is_zero())
}

/// Removes what was noted.
pub(super) struct Remains {
    context: Arc<Context>,
}

impl Remains {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    /// Returns whether nothing is left.
    async fn clear(&self, backup: &Backup, until: Timestamp) -> Result<bool, LocationError> {
        let location = self.context.location(&backup.spec.storage_location)?;
        check_writable(&location)?;
        let store = self.context.store(&location).await?;
        let report = store.clear_remains(&backup.name_any(), until).await?;
        if let Some((key, error)) = report.failed.first() {
            tracing::warn!(
                backup = backup.name_any(),
                key,
                error = chain(error),
                "files of the failed backup can't be removed, will be tried again"
            );
        }
        Ok(report.is_complete())
    }
}

#[async_trait]
impl Reconcile for Remains {
    /// It goes with the controller that makes backups.
    fn name(&self) -> &'static str {
        "backup"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if caches.backups.get(name).is_none_or(|cached| until(&cached).is_none()) {
            return Ok(Next::OnChange);
        }
        caches.locations.ready().await;
        let Some(backup) = self.context.live::<Backup>(name).await.map_err(failure)? else {
            return Ok(Next::OnChange);
        };
        let Some(until) = until(&backup) else { return Ok(Next::OnChange) };
        if let Some(wait) = wait(&backup, self.context.now()) {
            return Ok(Next::After(wait));
        }
        match self.clear(&backup, until).await {
            Ok(true) => {}
            Ok(false) => return Ok(Next::After(RETRY)),
            Err(error) => {
                tracing::debug!(
                    backup = name,
                    error = chain(&error),
                    "what a failed backup left can't be removed yet"
                );
                return Ok(Next::After(RETRY));
            }
        }
        let mut after = backup.clone();
        after.annotations_mut().remove(REMAINS_ANNOTATION);
        self.context.patch(&backup, &after, Guard::None).await.map_err(failure)?;
        tracing::info!(backup = name, "what the failed backup had left is removed");
        Ok(Next::OnChange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failed_backups_with_a_note_are_cleared_and_nothing_that_came_later() {
        let mut backup = Backup::default();
        backup.status.phase = Some(BackupPhase::Failed);
        assert_eq!(until(&backup), None);
        backup.annotations_mut().insert(REMAINS_ANNOTATION.into(), "1970-01-01T00:00:00Z".into());
        assert_eq!(until(&backup), Some(Timestamp::UNIX_EPOCH));
        backup.annotations_mut().insert(REMAINS_ANNOTATION.into(), UNKNOWN.into());
        assert_eq!(until(&backup), Some(Timestamp::MAX));
        backup.status.phase = Some(BackupPhase::InProgress);
        assert_eq!(until(&backup), None);
    }
}
