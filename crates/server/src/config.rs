//! Everything that `bowline server` can be told, with Velero's defaults (behaviour §3.1). Built once by the command line.

use std::path::PathBuf;
use std::time::Duration;

use bowline_reconcile::telemetry;

use crate::adapter::ConnectOptions;
use crate::leader::Election;
use crate::operation::RunRules;

/// The settings of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The namespace of Velero's objects (`--namespace`, `VELERO_NAMESPACE`).
    pub namespace: String,
    /// How to reach the cluster; `client-qps` and `client-burst` are in it.
    pub connect: ConnectOptions,
    /// `log-level` and `log-format`.
    pub log: telemetry::Settings,
    /// Where traces go (our `tracing-endpoint`, and OpenTelemetry's variables); `None` for nowhere.
    pub traces: Option<telemetry::Collector>,
    /// Address of metrics, health and downloads (`metrics-address`), `host:port`; without a host all interfaces.
    pub metrics_address: String,
    /// Address of profiles (`profiler-address`); `None` for none.
    pub profiler_address: Option<String>,
    /// Where clients reach that address of downloads (our `public-url`), such as `http://10.0.0.7:8085`; `None` guesses from `metrics_address`.
    pub public_url: Option<String>,
    /// Where temporary files go; `None` is the system's place for them.
    pub scratch_directory: Option<PathBuf>,
    /// The pod that this is, for Events.
    pub instance: Option<String>,
    /// What the log says first: settings that have no effect.
    pub notices: Vec<String>,
    /// How one of several servers is chosen to work (our `leader-elect`); `None` when there is only this one.
    pub election: Option<Election>,
    /// Periods of periodic work.
    pub periods: Periods,
    /// What backups get that don't say it themselves.
    pub defaults: BackupDefaults,
    /// How backups and restores run.
    pub engine: EngineSettings,
    /// Controllers that are not started (`disable-controllers`, and those that `restore-only` stands for).
    pub disabled_controllers: Vec<String>,
    /// Backups at once (`concurrent-backups`).
    pub concurrent_backups: usize,
    /// Restores at once (our `concurrent-restores`).
    pub concurrent_restores: usize,
    /// Whether a new schedule waits for its next time even when one has just passed (`schedule-skip-immediately`).
    pub schedule_skip_immediately: bool,
}

/// Periods of periodic work.
#[derive(Clone, Debug)]
pub struct Periods {
    /// `backup-sync-period`: how often locations are searched for backups of others.
    pub backup_sync: Duration,
    /// `store-validation-frequency`: how often locations are tried.
    pub store_validation: Duration,
    /// `garbage-collection-frequency`: how often expired backups are looked for.
    pub garbage_collection: Duration,
    /// `item-operation-sync-frequency`: how often operations that go on after a backup or restore are asked about.
    pub item_operations: Duration,
}

/// What backups get that don't say it themselves.
#[derive(Clone, Debug)]
pub struct BackupDefaults {
    /// `default-backup-ttl`.
    pub ttl: Duration,
    /// `default-backup-storage-location`: used when no location is marked as default.
    pub storage_location: String,
    /// `default-volumes-to-fs-backup`.
    pub volumes_to_fs_backup: bool,
    /// `default-snapshot-move-data`.
    pub snapshot_move_data: bool,
    /// `default-item-operation-timeout`.
    pub item_operation_timeout: Duration,
    /// How long a CSI snapshot may take; Velero has no flag for it.
    pub csi_snapshot_timeout: Duration,
    /// `volume-group-snapshot-label-key`.
    pub volume_group_label: String,
    /// `resource-timeout`: how long single resources are waited for.
    pub resource_timeout: Duration,
}

/// How backups and restores run.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Bytes that objects in flight may hold in one run (our `memory-budget`).
    pub memory_budget: usize,
    /// `client-page-size`: most objects in a page of a list; 0 leaves it to the budget.
    pub page_size: u32,
    /// `item-block-worker-count`.
    pub workers: usize,
    /// `max-concurrent-k8s-connections`: most writes of a restore in flight; the pace below it follows the server.
    pub max_in_flight: usize,
    /// `restore-resource-priorities`: kinds to restore first and, after `-`, last.
    pub priorities: Vec<String>,
    /// `resource-timeout`.
    pub resource_timeout: Duration,
    /// `terminating-resource-timeout`.
    pub terminating_timeout: Duration,
    /// Most bytes of an unpacked archive (our `max-backup-extraction-size`).
    pub max_extraction: u64,
    /// What changes the meaning of all backups and restores.
    pub rules: RunRules,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: "velero".into(),
            connect: ConnectOptions::default(),
            log: telemetry::Settings::default(),
            traces: None,
            metrics_address: ":8085".into(),
            profiler_address: None,
            public_url: None,
            scratch_directory: None,
            instance: None,
            notices: Vec::new(),
            election: None,
            periods: Periods::default(),
            defaults: BackupDefaults::default(),
            engine: EngineSettings::default(),
            disabled_controllers: Vec::new(),
            concurrent_backups: 1,
            concurrent_restores: 1,
            schedule_skip_immediately: false,
        }
    }
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            backup_sync: MINUTE,
            store_validation: MINUTE,
            garbage_collection: HOUR,
            item_operations: 10 * SECOND,
        }
    }
}

impl Default for BackupDefaults {
    fn default() -> Self {
        Self {
            ttl: 720 * HOUR,
            storage_location: "default".into(),
            volumes_to_fs_backup: false,
            snapshot_move_data: false,
            item_operation_timeout: 4 * HOUR,
            csi_snapshot_timeout: 10 * MINUTE,
            volume_group_label: bowline_api::label::VOLUME_GROUP.into(),
            resource_timeout: 10 * MINUTE,
        }
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            memory_budget: 24 << 20,
            page_size: 500,
            workers: 1,
            max_in_flight: 64,
            priorities: bowline_engine::restore::DEFAULT_PRIORITIES.iter().map(ToString::to_string).collect(),
            resource_timeout: 10 * MINUTE,
            terminating_timeout: 10 * MINUTE,
            max_extraction: 16 << 30,
            rules: RunRules::default(),
        }
    }
}

impl Config {
    /// Where the temporary files of runs go.
    pub fn scratch(&self) -> PathBuf {
        self.scratch_directory.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// What this process calls itself where others read it.
    pub(crate) fn identity(&self) -> &str {
        let elected = self.election.as_ref().map(|election| election.identity.as_str());
        elected.or(self.instance.as_deref()).unwrap_or("a server")
    }

    /// Whether a controller is to be started.
    pub(crate) fn runs(&self, controller: &str) -> bool {
        !self.disabled_controllers.iter().any(|disabled| disabled == controller)
    }
}

/// The controllers that `--disable-controllers` can name (behaviour §3.1). Not all of them exist here yet; naming one that does not
/// is no error.
pub const CONTROLLERS: [&str; 14] = [
    "backup-queue",
    "backup",
    "backup-operations",
    "backup-deletion",
    "backup-finalizer",
    "backup-sync",
    "download-request",
    "gc",
    "backup-repo",
    "restore",
    "restore-operations",
    "schedule",
    "server-status-request",
    "restore-finalizer",
];

/// The controllers that `--restore-only` stands for, as in Velero: nothing makes or deletes backups.
pub const BACKUP_CONTROLLERS: [&str; 6] =
    ["backup", "backup-operations", "backup-deletion", "backup-finalizer", "gc", "schedule"];
