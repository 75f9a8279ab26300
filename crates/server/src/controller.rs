//! The controllers, one file each: observe → decide (pure) → act → one status patch. A step is never told why it runs.

mod attempts;
mod backup;
mod backup_finalizer;
mod backup_operations;
mod backup_queue;
mod backup_storage_location;
mod backup_sync;
mod delete_backup_request;
mod download_request;
mod gc;
mod remains;
mod request;
mod restore;
mod restore_finalizer;
mod restore_operations;
mod run;
mod schedule;
mod server_status_request;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use bowline_api::{Backup, Kind, label};
use bowline_reconcile::{Cache, Change, Reconcile, Worker};
use kube::ResourceExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use attempts::{ATTEMPTS_ANNOTATION, Attempt, attempts};

use crate::context::Context;

/// Names on their way to a worker.
const QUEUE: usize = 256;

/// Starts all controllers that the settings allow. They end when the context is told to stop.
pub(crate) fn start(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let caches = &context.caches;
    let config = &context.config;
    tasks.spawn(resync_gauges(Arc::clone(context)));
    let mut starter = Starter { context, tasks };
    starter.start(backup_storage_location::Locations::new(context), &caches.locations, 4);
    starter.start(backup_queue::Queue::new(context), &caches.backups, 1);
    starter.start(backup::Backups::new(context), &caches.backups, config.concurrent_backups);
    starter.start(remains::Remains::new(context), &caches.backups, 1);
    starter.start(backup_operations::BackupOperations::new(context), &caches.backups, 4);
    starter.start(backup_finalizer::BackupFinalizer::new(context), &caches.backups, 2);
    starter.start(backup_sync::Sync::new(context), &caches.locations, 2);
    starter.start(gc::GarbageCollector::new(context), &caches.backups, 2);
    starter.start(restore::Restores::new(context), &caches.restores, config.concurrent_restores);
    starter.start(restore_operations::RestoreOperations::new(context), &caches.restores, 4);
    starter.start(restore_finalizer::RestoreFinalizer::new(context), &caches.restores, 2);
    starter.start(schedule::Schedules::new(context), &caches.schedules, 2);
    starter.start(delete_backup_request::Deletions::new(context), &caches.delete_requests, 4);
    starter.start(download_request::Downloads::new(context), &caches.download_requests, 4);
    starter.start(server_status_request::Statuses::new(context), &caches.status_requests, 10);
}

struct Starter<'a> {
    context: &'a Arc<Context>,
    tasks: &'a mut JoinSet<()>,
}

impl Starter<'_> {
    /// Starts a controller of a kind with so many objects at once.
    fn start<K: Kind>(&mut self, reconciler: impl Reconcile, cache: &Cache<K>, concurrency: usize) {
        if !self.context.config.runs(reconciler.name()) {
            tracing::info!(controller = reconciler.name(), "controller is disabled");
            return;
        }
        let (tx, rx) = mpsc::channel(QUEUE);
        self.tasks.spawn(feed(cache.clone(), tx));
        let failures = self.context.metrics.own.failures(reconciler.name());
        let worker = Worker::new(Arc::new(reconciler), concurrency).counting(failures);
        self.tasks.spawn(worker.run(rx, self.context.stop.clone()));
    }
}

/// The schedule that made a backup, as the metrics' label; empty for none.
pub(crate) fn schedule_of(backup: &Backup) -> &str {
    backup.labels().get(label::SCHEDULE_NAME).map_or("", String::as_str)
}

/// How often gauges are set anew that follow from what exists.
const RESYNC: Duration = Duration::from_mins(1);

/// Sets what the metrics say of the objects that exist, for as long as it is polled.
async fn resync_gauges(context: Arc<Context>) {
    let (caches, metrics) = (&context.caches, &context.metrics);
    let resync = async {
        tokio::join!(caches.backups.ready(), caches.restores.ready());
        loop {
            metrics.backup.resync(&caches.backups.list());
            metrics.restore.total.set(caches.restores.list().len() as f64);
            context.ports.clock.sleep(RESYNC).await;
        }
    };
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = resync => {}
    }
}

/// Hands on the names of all objects and then of those that change.
async fn feed<K: Kind>(cache: Cache<K>, names: mpsc::Sender<String>) {
    let mut changes = cache.changes();
    cache.ready().await;
    let mut due = cache.names();
    loop {
        for name in due {
            // The worker has ended, so nobody needs names any more.
            if names.send(name).await.is_err() {
                return;
            }
        }
        due = tokio::select! {
            () = names.closed() => return,
            change = changes.next() => match change {
                Change::One(name) => vec![name],
                Change::Any => cache.names(),
                Change::End => return,
            },
        };
    }
}

/// The time left of a period that began some time ago; nothing when it is over.
fn remaining(period: Duration, elapsed: Duration) -> Option<Duration> {
    period.checked_sub(elapsed).filter(|left| !left.is_zero())
}
