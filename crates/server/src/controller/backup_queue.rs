//! backup-queue: brings new backups into an order, and lets them start when there is room and none of their namespaces is in work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::{Backup, BackupPhase};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use kube::ResourceExt;

use super::targets::overlap;
use crate::context::Context;
use crate::failure::failure;

/// How soon to look again while backups wait.
const RECHECK: Duration = Duration::from_mins(1);

pub(super) struct Queue {
    context: Arc<Context>,
}

/// What to do about a backup.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Put it at this place of the queue.
    Queue(i32),
    /// Let it start.
    Start,
    /// It waits, runs or is done.
    Nothing,
}

/// The step of one backup among all. It does not depend on whether this sees its own last change yet.
fn decide(name: &str, backups: &[Arc<Backup>], slots: usize) -> Step {
    let Some(backup) = backups.iter().find(|backup| backup.name_any() == name) else { return Step::Nothing };
    let queue = queue(backups);
    match backup.phase() {
        BackupPhase::New => {
            let last = queue.iter().map(|backup| backup.status.queue_position).max().unwrap_or_default();
            Step::Queue(last + 1)
        }
        BackupPhase::Other(phase) if phase.is_empty() => Step::Queue(queue.len() as i32 + 1),
        BackupPhase::Queued if startable(backups, &queue, slots).contains(name) => Step::Start,
        BackupPhase::Queued => {
            let place =
                queue.iter().position(|queued| queued.name_any() == name).unwrap_or_default() as i32 + 1;
            if place == backup.status.queue_position { Step::Nothing } else { Step::Queue(place) }
        }
        _ => Step::Nothing,
    }
}

/// The waiting backups, first come first.
fn queue(backups: &[Arc<Backup>]) -> Vec<&Arc<Backup>> {
    let mut queue: Vec<_> = backups.iter().filter(|backup| backup.phase() == BackupPhase::Queued).collect();
    queue.sort_by_key(|backup| {
        (backup.status.queue_position, backup.metadata.creation_timestamp.clone(), backup.name_any())
    });
    queue
}

/// Which of the queue may start now: as many as there are slots, and none that shares a namespace with one that runs or is before it.
fn startable(backups: &[Arc<Backup>], queue: &[&Arc<Backup>], slots: usize) -> HashSet<String> {
    let runs = |phase: BackupPhase| matches!(phase, BackupPhase::ReadyToStart | BackupPhase::InProgress);
    let mut ahead: Vec<&Arc<Backup>> = backups.iter().filter(|backup| runs(backup.phase())).collect();
    let mut free = slots.saturating_sub(ahead.len());
    let mut start = HashSet::new();
    for backup in queue {
        if free > 0
            && !ahead
                .iter()
                .any(|other| overlap(&other.spec.included_namespaces, &backup.spec.included_namespaces))
        {
            start.insert(backup.name_any());
            free -= 1;
        }
        ahead.push(backup);
    }
    start
}

impl Queue {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn step(&self, name: &str) -> Result<(), Failure> {
        let backups = self.context.caches.backups.list();
        let Some(backup) = self.context.caches.backups.get(name) else { return Ok(()) };
        let mut after = (*backup).clone();
        match decide(name, &backups, self.context.config.concurrent_backups.max(1)) {
            Step::Nothing => return Ok(()),
            Step::Queue(place) => {
                after.status.phase = Some(BackupPhase::Queued);
                after.status.queue_position = place;
            }
            Step::Start => {
                after.status.phase = Some(BackupPhase::ReadyToStart);
                after.status.queue_position = 0;
            }
        }
        self.context.patch(&*backup, &after, Guard::Unchanged).await.map(drop).map_err(failure)
    }
}

#[async_trait]
impl Reconcile for Queue {
    fn name(&self) -> &'static str {
        "backup-queue"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let backups = self.context.caches.backups.list();
        self.context.metrics.backup.total.set(backups.len() as f64);
        self.step(name).await?;
        // The end of one backup is the start of others.
        for waiting in queue(&backups).iter().filter(|backup| backup.name_any() != name) {
            self.step(&waiting.name_any()).await?;
        }
        // Whatever is missed, such as a clock that jumps, holds nobody up for long.
        Ok(if queue(&backups).is_empty() { Next::OnChange } else { Next::After(RECHECK) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(name: &str, phase: BackupPhase, place: i32, namespaces: &[&str]) -> Arc<Backup> {
        let mut backup = Backup::new(name, bowline_api::BackupSpec::default());
        backup.spec.included_namespaces = namespaces.iter().map(ToString::to_string).collect();
        backup.status.phase = Some(phase);
        backup.status.queue_position = place;
        Arc::new(backup)
    }

    #[test]
    fn new_backups_go_to_the_end_and_places_close_up() {
        let all = [
            backup("a", BackupPhase::Queued, 3, &["a"]),
            backup("b", BackupPhase::Queued, 5, &["a"]),
            backup("c", BackupPhase::New, 0, &["a"]),
            backup("d", BackupPhase::Completed, 0, &["a"]),
        ];
        assert_eq!(decide("c", &all, 0), Step::Queue(6));
        assert_eq!(decide("a", &all, 0), Step::Queue(1));
        assert_eq!(decide("b", &all, 0), Step::Queue(2));
        assert_eq!(decide("d", &all, 9), Step::Nothing);
    }

    #[test]
    fn backups_start_in_order_while_there_is_room_and_no_overlap() {
        let all = [
            backup("running", BackupPhase::InProgress, 0, &["a"]),
            backup("same", BackupPhase::Queued, 1, &["a"]),
            backup("behind", BackupPhase::Queued, 2, &["a", "b"]),
            backup("free", BackupPhase::Queued, 3, &["c*"]),
            backup("late", BackupPhase::Queued, 4, &["d"]),
            backup("pattern", BackupPhase::Queued, 5, &["cc"]),
        ];
        let starts = |slots| {
            all.iter()
                .map(|b| b.name_any())
                .filter(|name| decide(name, &all, slots) == Step::Start)
                .collect::<Vec<_>>()
        };
        assert_eq!(starts(1), Vec::<String>::new());
        assert_eq!(starts(2), ["free"]);
        assert_eq!(starts(9), ["free", "late"]);
    }

    #[test]
    fn a_backup_of_everything_waits_for_everything() {
        let all =
            [backup("a", BackupPhase::ReadyToStart, 0, &["a"]), backup("all", BackupPhase::Queued, 1, &[])];
        assert_eq!(decide("all", &all, 5), Step::Nothing);
        assert_eq!(decide("all", &all[1..], 5), Step::Start);
    }
}
