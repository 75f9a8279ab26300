//! The server's metrics, with Velero's names, types and labels (behaviour §8.1).

mod own;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bowline_api::{Backup, BackupPhase, Time};
use jiff::Timestamp;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    CounterVec, Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder,
};

use self::own::OwnMetrics;

const SCHEDULE: &[&str] = &["schedule"];
const CSI: &[&str] = &["schedule", "backupName"];
const LOCATION: &[&str] = &["backup_location_name"];
/// From one minute to four hours, in seconds.
const DURATIONS: [f64; 9] = [60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 14_400.0];

/// All metrics of the server.
pub(crate) struct Metrics {
    registry: Registry,
    /// Schedules whose series have been started.
    schedules: Mutex<BTreeSet<String>>,
    pub(crate) backup: BackupMetrics,
    pub(crate) restore: RestoreMetrics,
    pub(crate) deletion: DeletionMetrics,
    /// 1 for locations that can be used, 0 for others.
    pub(crate) location_status: GaugeVec,
    pub(crate) own: OwnMetrics,
}

/// Metrics of backups, by schedule; backups without one have an empty label.
pub(crate) struct BackupMetrics {
    pub(crate) total: Gauge,
    pub(crate) attempt: CounterVec,
    pub(crate) success: CounterVec,
    pub(crate) partial_failure: CounterVec,
    pub(crate) failure: CounterVec,
    pub(crate) validation_failure: CounterVec,
    warning: CounterVec,
    tarball_size: GaugeVec,
    items_total: GaugeVec,
    items_errors: GaugeVec,
    last_status: GaugeVec,
    last_successful: GaugeVec,
    duration: HistogramVec,
    snapshots: [CounterVec; 3],
    csi_snapshots: [CounterVec; 3],
    /// Backups that series name, with their schedules.
    described: Mutex<BTreeMap<String, String>>,
}

/// Metrics of restores, by schedule of their backup.
pub(crate) struct RestoreMetrics {
    pub(crate) total: Gauge,
    pub(crate) attempt: CounterVec,
    pub(crate) success: CounterVec,
    pub(crate) partial_failure: CounterVec,
    pub(crate) failed: CounterVec,
    pub(crate) validation_failed: CounterVec,
}

/// Metrics of deletions of backups, by schedule.
pub(crate) struct DeletionMetrics {
    pub(crate) attempt: CounterVec,
    pub(crate) success: CounterVec,
    pub(crate) failure: CounterVec,
}

fn lock<T>(known: &Mutex<T>) -> MutexGuard<'_, T> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes metrics and registers them.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        let metric = CounterVec::new(Opts::new(format!("velero_{name}"), help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        let metric = GaugeVec::new(Opts::new(format!("velero_{name}"), help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        let metric = Gauge::new(format!("velero_{name}"), help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn snapshots(&self, prefix: &str, what: &str, labels: &[&str]) -> prometheus::Result<[CounterVec; 3]> {
        Ok([
            self.counter(&format!("{prefix}_attempt_total"), &format!("Number of attempted {what}"), labels)?,
            self.counter(
                &format!("{prefix}_success_total"),
                &format!("Number of successful {what}"),
                labels,
            )?,
            self.counter(&format!("{prefix}_failure_total"), &format!("Number of failed {what}"), labels)?,
        ])
    }
}

impl Metrics {
    /// Registers all metrics, those of backups without a schedule at 0.
    pub(crate) fn new(registry: Registry) -> prometheus::Result<Self> {
        let maker = Maker(&registry);
        let metrics = Self {
            backup: BackupMetrics::new(&maker)?,
            restore: RestoreMetrics::new(&maker)?,
            deletion: DeletionMetrics::new(&maker)?,
            location_status: maker.gauges(
                "backup_location_status_gauge",
                "Whether a backup storage location is available (1) or not (0)",
                LOCATION,
            )?,
            own: OwnMetrics::new(&registry)?,
            schedules: Mutex::default(),
            registry,
        };
        metrics.registry.register(Box::new(ProcessCollector::for_self()))?;
        metrics.start_schedule("");
        Ok(metrics)
    }

    /// Starts the series of a schedule at 0, unless they exist. Backups of before must not be taken for failed, so their status is 1.
    pub(crate) fn start_schedule(&self, schedule: &str) {
        if !lock(&self.schedules).insert(schedule.to_owned()) {
            return;
        }
        for counter in self.counters() {
            counter.with_label_values(&[schedule]);
        }
        self.backup.last_status.with_label_values(&[schedule]).set(1.0);
        for counter in &self.backup.csi_snapshots {
            counter.with_label_values(&[schedule, ""]);
        }
    }

    /// Drops the series of a schedule that is gone.
    pub(crate) fn drop_schedule(&self, schedule: &str) {
        lock(&self.schedules).remove(schedule);
        // A series that was never started can't be removed, which is fine.
        for counter in self.counters() {
            let _ = counter.remove_label_values(&[schedule]);
        }
        let backup = &self.backup;
        for gauge in [
            &backup.tarball_size,
            &backup.items_total,
            &backup.items_errors,
            &backup.last_status,
            &backup.last_successful,
        ] {
            let _ = gauge.remove_label_values(&[schedule]);
        }
        let _ = backup.duration.remove_label_values(&[schedule]);
        for counter in &backup.csi_snapshots {
            let _ = counter.remove_label_values(&[schedule, ""]);
        }
    }

    fn counters(&self) -> impl Iterator<Item = &CounterVec> {
        let (backup, restore, deletion) = (&self.backup, &self.restore, &self.deletion);
        [
            &backup.attempt,
            &backup.success,
            &backup.partial_failure,
            &backup.failure,
            &backup.validation_failure,
            &backup.warning,
            &restore.attempt,
            &restore.success,
            &restore.partial_failure,
            &restore.failed,
            &restore.validation_failed,
            &deletion.attempt,
            &deletion.success,
            &deletion.failure,
        ]
        .into_iter()
        .chain(&backup.snapshots)
    }

    /// All metrics as text.
    pub(crate) fn render(&self) -> prometheus::Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl BackupMetrics {
    fn new(maker: &Maker<'_>) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| maker.counter(name, help, SCHEDULE);
        let gauges = |name: &str, help: &str| maker.gauges(name, help, SCHEDULE);
        let buckets =
            HistogramOpts::new("velero_backup_duration_seconds", "Time that backups took, in seconds");
        let duration = HistogramVec::new(buckets.buckets(DURATIONS.into()), SCHEDULE)?;
        maker.0.register(Box::new(duration.clone()))?;
        Ok(Self {
            total: maker.gauge("backup_total", "Number of backups that exist")?,
            attempt: counter("backup_attempt_total", "Number of attempted backups")?,
            success: counter("backup_success_total", "Number of successful backups")?,
            partial_failure: counter("backup_partial_failure_total", "Number of partially failed backups")?,
            failure: counter("backup_failure_total", "Number of failed backups")?,
            validation_failure: counter(
                "backup_validation_failure_total",
                "Number of backups that were refused",
            )?,
            warning: counter("backup_warning_total", "Number of backups with warnings")?,
            tarball_size: gauges("backup_tarball_size_bytes", "Size of the last backup's archive, in bytes")?,
            items_total: gauges("backup_items_total", "Number of items of the last backup")?,
            items_errors: gauges("backup_items_errors", "Number of errors of the last backup")?,
            last_status: gauges(
                "backup_last_status",
                "Whether the last backup was successful (1) or not (0)",
            )?,
            last_successful: gauges(
                "backup_last_successful_timestamp",
                "Time of the last successful backup, in seconds since 1970",
            )?,
            snapshots: maker.snapshots("volume_snapshot", "snapshots of volumes", SCHEDULE)?,
            csi_snapshots: maker.snapshots("csi_snapshot", "CSI snapshots of volumes", CSI)?,
            duration,
            described: Mutex::default(),
        })
    }

    /// What is known of the backups that exist: how many there are, and when the last good one of each schedule ended. A server that has
    /// just started knows of no other way.
    pub(crate) fn resync(&self, backups: &[Arc<Backup>]) {
        self.total.set(backups.len() as f64);
        let mut last = BTreeMap::<&str, Timestamp>::new();
        for backup in backups.iter().filter(|backup| backup.phase() == BackupPhase::Completed) {
            let Some(Time(end)) = &backup.status.completion_timestamp else { continue };
            let newest = last.entry(crate::controller::schedule_of(backup)).or_insert(*end);
            *newest = (*newest).max(*end);
        }
        for (schedule, end) in last {
            self.last_successful.with_label_values(&[schedule]).set(end.as_second() as f64);
        }
    }

    /// Counts a backup that has come to its end.
    pub(crate) fn finished(&self, schedule: &str, backup: &Backup, archive_bytes: u64, now: Timestamp) {
        let labels = &[schedule];
        let (outcome, good) = match backup.phase() {
            BackupPhase::Completed => (&self.success, true),
            BackupPhase::PartiallyFailed => (&self.partial_failure, false),
            BackupPhase::FailedValidation => (&self.validation_failure, false),
            BackupPhase::Failed => (&self.failure, false),
            // It is not at its end yet: its volumes are.
            _ => return,
        };
        outcome.with_label_values(labels).inc();
        self.last_status.with_label_values(labels).set(f64::from(u8::from(good)));
        if backup.phase() == BackupPhase::FailedValidation {
            return;
        }
        let end = backup.status.completion_timestamp.as_ref().map_or(now, |Time(end)| *end);
        if good {
            self.last_successful.with_label_values(labels).set(end.as_second() as f64);
        }
        if let Some(Time(start)) = &backup.status.start_timestamp {
            let seconds = end.duration_since(*start).as_secs();
            self.duration.with_label_values(labels).observe(seconds as f64);
        }
        if archive_bytes > 0 {
            self.tarball_size.with_label_values(labels).set(archive_bytes as f64);
        }
        self.describe(schedule, backup);
    }

    /// What a backup that ran says of its content.
    fn describe(&self, schedule: &str, backup: &Backup) {
        let (labels, status) = (&[schedule], &backup.status);
        if let Some(progress) = &status.progress {
            self.items_total.with_label_values(labels).set(f64::from(progress.total_items));
        }
        self.items_errors.with_label_values(labels).set(f64::from(status.errors));
        if status.warnings > 0 {
            self.warning.with_label_values(labels).inc();
        }
        let (attempted, completed) =
            (status.csi_volume_snapshots_attempted, status.csi_volume_snapshots_completed);
        let name = backup.metadata.name.clone().unwrap_or_default();
        for (counter, count) in self.csi_snapshots.iter().zip([attempted, completed, attempted - completed]) {
            counter.with_label_values(&[schedule, &name]).inc_by(f64::from(count.max(0)));
        }
        lock(&self.described).insert(name, schedule.to_owned());
    }

    /// Drops the series that name a backup which is gone.
    pub(crate) fn drop_backup(&self, name: &str) {
        let Some(schedule) = lock(&self.described).remove(name) else { return };
        for counter in &self.csi_snapshots {
            // One that was dropped before is fine.
            let _ = counter.remove_label_values(&[schedule.as_str(), name]);
        }
    }
}

impl RestoreMetrics {
    fn new(maker: &Maker<'_>) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| maker.counter(name, help, SCHEDULE);
        Ok(Self {
            total: maker.gauge("restore_total", "Number of restores that exist")?,
            attempt: counter("restore_attempt_total", "Number of attempted restores")?,
            success: counter("restore_success_total", "Number of successful restores")?,
            partial_failure: counter("restore_partial_failure_total", "Number of partially failed restores")?,
            failed: counter("restore_failed_total", "Number of failed restores")?,
            validation_failed: counter(
                "restore_validation_failed_total",
                "Number of restores that were refused",
            )?,
        })
    }
}

impl DeletionMetrics {
    fn new(maker: &Maker<'_>) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| maker.counter(name, help, SCHEDULE);
        Ok(Self {
            attempt: counter("backup_deletion_attempt_total", "Number of attempted deletions of backups")?,
            success: counter("backup_deletion_success_total", "Number of successful deletions of backups")?,
            failure: counter("backup_deletion_failure_total", "Number of failed deletions of backups")?,
        })
    }
}

#[cfg(test)]
mod tests;
