//! `server`: the controllers, in a pod or anywhere with a kubeconfig.

mod pending;
mod traces;

use std::path::PathBuf;
use std::time::Duration as StdDuration;

use bowline_api::Duration;
use bowline_reconcile::telemetry::{self, Format, Level};
use bowline_server::adapter::ConnectOptions;
use bowline_server::operation::RunRules;
use bowline_server::{
    BACKUP_CONTROLLERS, BackupDefaults, CONTROLLERS, Config, Election, EngineSettings, Periods,
};

use pending::Pending;
pub(crate) use pending::Uploader;

use crate::failure::Failure;
use crate::nearest::did_you_mean;
use crate::session::{API_GROUP_VERSIONS, Session};

/// Run the server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Server {
    #[command(flatten)]
    general: General,
    #[command(flatten)]
    defaults: Defaults,
    #[command(flatten)]
    periods: PeriodFlags,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    pending: Pending,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Flags")]
struct General {
    /// How much is logged: error, warning, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
    /// Form of the log: text or json
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = log_format)]
    log_format: Format,
    /// Address of metrics, health and downloads
    #[arg(long, value_name = "HOST:PORT", default_value = ":8085")]
    metrics_address: String,
    /// Collector of OpenTelemetry traces that takes OTLP over HTTP, such as http://collector:4318 (default:
    /// OTEL_EXPORTER_OTLP_ENDPOINT, else none)
    #[arg(long, value_name = "URL")]
    tracing_endpoint: Option<String>,
    /// Address of profiles, for `go tool pprof`; empty for none
    #[arg(long, value_name = "HOST:PORT", default_value = PROFILER)]
    profiler_address: String,
    /// Where clients reach the address of downloads, such as http://10.0.0.7:8085, for those of a filesystem location
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Folder for temporary files (default: the system's)
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// Controllers that are not started
    #[arg(long, value_name = "LIST")]
    disable_controllers: Vec<String>,
    /// Only restore: start no controllers that make or delete backups
    #[arg(long)]
    restore_only: bool,
    /// Stand by while another server works, and take over when it is gone (default: in a pod)
    #[arg(long, value_name = "BOOL")]
    leader_elect: Option<bool>,
    /// Schedules leave out the run that would be due at once
    #[arg(long)]
    schedule_skip_immediately: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Defaults of backups")]
struct Defaults {
    /// How long backups are kept
    #[arg(long, value_name = "DURATION", default_value = "720h0m0s")]
    default_backup_ttl: Duration,
    /// Location of backups that name none, where none is marked as the default
    #[arg(long, value_name = "NAME", default_value = "default")]
    default_backup_storage_location: String,
    /// Save volumes of pods file by file unless a pod says otherwise
    #[arg(long)]
    default_volumes_to_fs_backup: bool,
    /// Move the data of CSI snapshots to the object store
    #[arg(long)]
    default_snapshot_move_data: bool,
    /// How long operations on volumes may take
    #[arg(long, value_name = "DURATION", default_value = "4h0m0s")]
    default_item_operation_timeout: Duration,
    /// ConfigMap with volume policies that stand behind those of each backup
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    global_backup_volume_policies_configmap: String,
    /// ConfigMap with changes to objects for restores that name none
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    default_resource_modifier_configmap: String,
    /// Label of claims whose volumes are snapshotted together
    #[arg(long, value_name = "LABEL", default_value = "velero.io/volume-group")]
    volume_group_snapshot_label_key: String,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Periods and timeouts")]
struct PeriodFlags {
    /// How often locations are searched for backups of others
    #[arg(long, value_name = "DURATION", default_value = "1m0s")]
    backup_sync_period: Duration,
    /// How often locations are tried
    #[arg(long, value_name = "DURATION", default_value = "1m0s")]
    store_validation_frequency: Duration,
    /// How often expired backups are looked for
    #[arg(long, value_name = "DURATION", default_value = "1h0m0s")]
    garbage_collection_frequency: Duration,
    /// How often operations that go on after a backup or restore are asked about; 0 for every 10 seconds
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    item_operation_sync_frequency: Duration,
    /// How long single resources are waited for
    #[arg(long, value_name = "DURATION", default_value = "10m0s")]
    resource_timeout: Duration,
    /// How long a restore waits for namespaces and volumes that are being deleted
    #[arg(long, value_name = "DURATION", default_value = "10m0s")]
    terminating_resource_timeout: Duration,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Speed and limits")]
struct Limits {
    /// Requests per second on average (default: the API server's own back-pressure)
    #[arg(long, value_name = "NUMBER")]
    client_qps: Option<f32>,
    /// Requests at once under --client-qps
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    client_burst: u32,
    /// Most objects in a page of a list; 0 leaves it to the memory budget
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    client_page_size: u32,
    /// Most writes of a restore in flight
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    max_concurrent_k8s_connections: usize,
    /// Backups at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    concurrent_backups: usize,
    /// Restores at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    concurrent_restores: usize,
    /// Groups of items with hooks or volumes at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    item_block_worker_count: usize,
    /// Memory for objects in flight of one backup or restore, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 24)]
    memory_budget: usize,
    /// Most bytes of an unpacked archive, in GiB
    #[arg(long, value_name = "GIB", default_value_t = 16)]
    max_backup_extraction_size: u64,
    /// Kinds to restore first, in order; after a "-" those to restore last (default: Velero's order)
    #[arg(long, value_name = "LIST")]
    restore_resource_priorities: Vec<String>,
}

const PROFILER: &str = "localhost:6060";

const EXAMPLES: &str = "
# In a pod
{program} server
# On this machine, for the cluster of the kubeconfig
{program} server --metrics-address 127.0.0.1:8085 --log-level debug";

impl Server {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        Box::pin(bowline_server::run(self.config(session)?)).await
    }

    /// The checked settings.
    fn config(self, session: &Session) -> anyhow::Result<Config> {
        let Self { general, defaults, periods, limits, pending } = self;
        let mut notices = pending.warnings()?;
        let traces = traces::collector(general.tracing_endpoint.as_deref(), session, &mut notices)?;
        let mut disabled_controllers = general.disable_controllers;
        for name in &disabled_controllers {
            if !CONTROLLERS.contains(&name.as_str()) {
                return Err(Failure::new(format!("--disable-controllers: there is no controller {name:?}"))
                    .maybe_hint(did_you_mean(name, CONTROLLERS))
                    .hint(format!("the controllers are: {}", CONTROLLERS.join(", ")))
                    .into());
            }
        }
        if general.restore_only {
            disabled_controllers.extend(BACKUP_CONTROLLERS.iter().map(ToString::to_string));
        }
        let resource_timeout = period("--resource-timeout", periods.resource_timeout)?;
        let rules = defaults.rules(&session.settings.features);
        Ok(Config {
            namespace: session.namespace().to_owned(),
            connect: ConnectOptions {
                kubeconfig: session.settings.kubeconfig.clone(),
                context: session.settings.kubecontext.clone(),
                qps: limits.client_qps,
                burst: limits.client_burst,
                ..ConnectOptions::default()
            },
            log: telemetry::Settings { level: general.log_level, format: general.log_format },
            traces,
            metrics_address: general.metrics_address,
            profiler_address: Some(general.profiler_address).filter(|address| !address.is_empty()),
            public_url: general.public_url,
            scratch_directory: general.scratch_dir,
            election: general
                .leader_elect
                .unwrap_or(session.environment.in_pod)
                .then(|| Election::new(session.environment.pod.as_deref().unwrap_or("bowline"))),
            instance: session.environment.pod.clone(),
            notices,
            concurrent_backups: at_least_one("--concurrent-backups", limits.concurrent_backups)?,
            concurrent_restores: at_least_one("--concurrent-restores", limits.concurrent_restores)?,
            schedule_skip_immediately: general.schedule_skip_immediately,
            periods: periods.checked()?,
            defaults: defaults.checked(resource_timeout)?,
            engine: limits.checked(
                resource_timeout,
                period("--terminating-resource-timeout", periods.terminating_resource_timeout)?,
                rules,
            )?,
            disabled_controllers,
        })
    }
}

impl PeriodFlags {
    fn checked(&self) -> anyhow::Result<Periods> {
        Ok(Periods {
            backup_sync: period("--backup-sync-period", self.backup_sync_period)?,
            store_validation: period("--store-validation-frequency", self.store_validation_frequency)?,
            garbage_collection: match self.garbage_collection_frequency {
                // Velero's own way to say the default.
                zero if zero.is_zero() => Periods::default().garbage_collection,
                value => period("--garbage-collection-frequency", value)?,
            },
            item_operations: match self.item_operation_sync_frequency {
                zero if zero.is_zero() => Periods::default().item_operations,
                value => period("--item-operation-sync-frequency", value)?,
            },
        })
    }
}

impl Defaults {
    /// What changes the meaning of all backups and restores.
    fn rules(&self, features: &[String]) -> RunRules {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        RunRules {
            all_versions: features.iter().any(|feature| feature == API_GROUP_VERSIONS),
            global_policies: named(&self.global_backup_volume_policies_configmap),
            default_modifiers: named(&self.default_resource_modifier_configmap),
            ..RunRules::default()
        }
    }

    fn checked(self, resource_timeout: StdDuration) -> anyhow::Result<BackupDefaults> {
        Ok(BackupDefaults {
            ttl: period("--default-backup-ttl", self.default_backup_ttl)?,
            storage_location: self.default_backup_storage_location,
            volumes_to_fs_backup: self.default_volumes_to_fs_backup,
            snapshot_move_data: self.default_snapshot_move_data,
            item_operation_timeout: period(
                "--default-item-operation-timeout",
                self.default_item_operation_timeout,
            )?,
            volume_group_label: self.volume_group_snapshot_label_key,
            resource_timeout,
            ..BackupDefaults::default()
        })
    }
}

impl Limits {
    fn checked(
        self,
        resource_timeout: StdDuration,
        terminating_timeout: StdDuration,
        rules: RunRules,
    ) -> anyhow::Result<EngineSettings> {
        let standard = EngineSettings::default();
        Ok(EngineSettings {
            memory_budget: at_least_one("--memory-budget", self.memory_budget)? << 20,
            page_size: self.client_page_size,
            workers: at_least_one("--item-block-worker-count", self.item_block_worker_count)?,
            max_in_flight: at_least_one(
                "--max-concurrent-k8s-connections",
                self.max_concurrent_k8s_connections,
            )?,
            priorities: if self.restore_resource_priorities.is_empty() {
                standard.priorities
            } else {
                self.restore_resource_priorities
            },
            resource_timeout,
            terminating_timeout,
            max_extraction: self.max_backup_extraction_size << 30,
            rules,
        })
    }
}

fn log_format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("it is neither text nor json".to_owned()),
    }
}

fn period(flag: &str, value: Duration) -> anyhow::Result<StdDuration> {
    value.to_std().ok_or_else(|| Failure::new(format!("{flag} must not be negative: {value}")).into())
}

fn at_least_one(flag: &str, value: usize) -> anyhow::Result<usize> {
    if value == 0 { Err(Failure::new(format!("{flag} must be at least 1")).into()) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
