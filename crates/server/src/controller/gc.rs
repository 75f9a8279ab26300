//! gc: asks for the deletion of backups whose time is over.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::request::DeleteBackupRequestPhase;
use bowline_api::{Backup, BackupPhase, DeleteBackupRequest, Time, label};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::context::{Context, elapsed};
use crate::failure::failure;
use crate::location::{LocationError, is_read_only};

pub(super) struct GarbageCollector {
    context: Arc<Context>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Ask for its deletion.
    Request,
    /// Say on the backup why it can't be deleted.
    Blocked(&'static str),
    /// Nothing for this time.
    Wait(Duration),
    /// Nothing at all.
    Nothing,
}

struct Observed<'a> {
    backup: &'a Backup,
    /// Why the location does not allow it; `None` when it does.
    blocked: Option<&'static str>,
    /// Whether its deletion has been asked for.
    requested: bool,
    now: Timestamp,
}

fn decide(observed: &Observed<'_>) -> Step {
    let status = &observed.backup.status;
    let Some(Time(expiration)) = &status.expiration else { return Step::Nothing };
    if *expiration > observed.now {
        return Step::Wait(elapsed(observed.now, *expiration));
    }
    let busy = matches!(observed.backup.phase(), BackupPhase::InProgress | BackupPhase::Deleting);
    match observed.blocked {
        _ if busy || observed.requested => Step::Nothing,
        Some(reason) => Step::Blocked(reason),
        None => Step::Request,
    }
}

impl GarbageCollector {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    fn blocked(&self, backup: &Backup) -> Option<&'static str> {
        match self.context.location(&backup.spec.storage_location) {
            Ok(location) if is_read_only(&location) => Some("BSLReadOnly"),
            Ok(_) => None,
            Err(LocationError::Missing(_)) => Some("BSLNotFound"),
            Err(_) => Some("BSLCannotGet"),
        }
    }

    fn requested(&self, backup: &Backup) -> bool {
        let open = |request: &DeleteBackupRequest| {
            !matches!(request.status.phase, Some(DeleteBackupRequestPhase::Processed))
                && request.spec.backup_name == backup.name_any()
        };
        self.context.caches.delete_requests.list().iter().any(|request| open(request))
    }

    async fn request(&self, backup: &Backup) -> Result<(), Failure> {
        let name = backup.name_any();
        tracing::info!(backup = name, "backup has expired and will be deleted");
        let mut request = DeleteBackupRequest::default();
        request.spec.backup_name.clone_from(&name);
        request.metadata.generate_name = Some(format!("{name}-"));
        request.metadata.labels = Some(
            [
                (label::BACKUP_NAME.to_owned(), label::valid_value(&name)),
                (label::BACKUP_UID.to_owned(), backup.uid().unwrap_or_default()),
            ]
            .into(),
        );
        self.mark(backup, None).await?;
        self.context.create(&request).await.map(drop).map_err(failure)
    }

    async fn mark(&self, backup: &Backup, reason: Option<&str>) -> Result<(), Failure> {
        let mut after = backup.clone();
        let labels = after.metadata.labels.get_or_insert_default();
        match reason {
            Some(reason) => drop(labels.insert(label::GC_FAILURE.into(), reason.into())),
            None => drop(labels.remove(label::GC_FAILURE)),
        }
        self.context.patch(backup, &after, Guard::None).await.map(drop).map_err(failure)
    }
}

#[async_trait]
impl Reconcile for GarbageCollector {
    fn name(&self) -> &'static str {
        "gc"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        let Some(backup) = caches.backups.get(name) else { return Ok(Next::OnChange) };
        // After a start nothing must look missing that is only not read yet.
        tokio::join!(caches.locations.ready(), caches.delete_requests.ready());
        let period = self.context.config.periods.garbage_collection;
        let observed = Observed {
            backup: &backup,
            blocked: self.blocked(&backup),
            requested: self.requested(&backup),
            now: self.context.now(),
        };
        match decide(&observed) {
            Step::Request => self.request(&backup).await?,
            Step::Blocked(reason) => self.mark(&backup, Some(reason)).await?,
            Step::Wait(left) => return Ok(Next::After(left.min(period))),
            Step::Nothing => {}
        }
        Ok(Next::After(period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expired_backups_that_can_be_deleted_are_asked_for() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut backup = Backup::new("b", bowline_api::BackupSpec::default());
        let step = |backup: &Backup, blocked, requested| {
            decide(&Observed { backup, blocked, requested, now: at(100) })
        };
        assert_eq!(step(&backup, None, false), Step::Nothing);
        backup.status.expiration = Some(Time(at(160)));
        assert_eq!(step(&backup, None, false), Step::Wait(Duration::from_mins(1)));
        backup.status.expiration = Some(Time(at(100)));
        assert_eq!(step(&backup, None, false), Step::Request);
        assert_eq!(step(&backup, Some("BSLReadOnly"), false), Step::Blocked("BSLReadOnly"));
        assert_eq!(step(&backup, None, true), Step::Nothing);
        backup.status.phase = Some(BackupPhase::InProgress);
        assert_eq!(step(&backup, None, false), Step::Nothing);
    }
}
