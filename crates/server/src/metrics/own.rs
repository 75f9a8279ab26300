//! Metrics that Velero does not have, under `bowline_`.

use prometheus::{Counter, CounterVec, Gauge, Opts, Registry};

/// Our own metrics.
pub(crate) struct OwnMetrics {
    /// 1 while this server leads.
    pub(crate) leader: Gauge,
    /// Runs that were begun again, by kind.
    pub(crate) resumed: CounterVec,
    /// Requests of backup-sync to stores, by location.
    pub(crate) sync_requests: CounterVec,
    /// Stored backups that became objects, by location.
    pub(crate) sync_imported: CounterVec,
    reconcile_failures: CounterVec,
}

impl OwnMetrics {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, label: &str| {
            let metric = CounterVec::new(Opts::new(format!("bowline_{name}"), help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let leader = Gauge::new("bowline_leader", "Whether this server works (1) or stands by (0)")?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self {
            leader,
            resumed: counter(
                "resumed_runs_total",
                "Number of backups and restores that were begun again after a server or a store was gone",
                "kind",
            )?,
            sync_requests: counter(
                "backup_sync_requests_total",
                "Number of requests to a location that looking for backups of others took",
                "backup_location_name",
            )?,
            sync_imported: counter(
                "backup_sync_imported_total",
                "Number of backups that were found in a location and became objects",
                "backup_location_name",
            )?,
            reconcile_failures: counter(
                "reconcile_failures_total",
                "Number of steps of a controller that failed and were repeated",
                "controller",
            )?,
        })
    }

    /// Counts the failures of a controller.
    pub(crate) fn failures(&self, controller: &str) -> Counter {
        self.reconcile_failures.with_label_values(&[controller])
    }

    /// Drops the series of a location that is gone.
    pub(crate) fn drop_location(&self, location: &str) {
        for counter in [&self.sync_requests, &self.sync_imported] {
            // One that was never started can't be removed, which is fine.
            let _ = counter.remove_label_values(&[location]);
        }
    }
}
