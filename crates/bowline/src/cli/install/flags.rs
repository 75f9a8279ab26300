//! The flags of `install`, all of Velero's.

use std::path::PathBuf;

use bowline_api::Duration;
use clap::ValueEnum;

use crate::cli::flag::KeyValues;
use crate::cli::server::Uploader;

/// Where backups go.
#[derive(clap::Args)]
#[command(next_help_heading = "Where backups go")]
pub(super) struct PlaceFlags {
    /// Kind of the object store: aws (any S3) or filesystem
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) provider: String,
    /// Bucket
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) bucket: String,
    /// Path in the bucket
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(super) prefix: String,
    /// Settings of the provider: region=eu-central-1,s3Url=https://s3.example.com
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) backup_location_config: Vec<KeyValues>,
    /// File with certificates (PEM) to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// Make no backup storage location
    #[arg(long)]
    pub(super) no_default_backup_location: bool,
    /// File with the credentials of the object store
    #[arg(long, value_name = "FILE", conflicts_with = "no_secret")]
    pub(super) secret_file: Option<PathBuf>,
    /// Make no Secret: the pod has an identity of its own
    #[arg(long)]
    pub(super) no_secret: bool,
    /// Make a snapshot location (default true)
    #[arg(long)]
    pub(super) use_volume_snapshots: Option<bool>,
    /// Settings of the snapshot location
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) snapshot_location_config: Vec<KeyValues>,
}

/// What the server may do in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Rbac {
    /// Everything, as Velero's own installation.
    #[default]
    ClusterAdmin,
    /// Read and write all objects, which backup and restore need; delete only its own, and be nobody else.
    Minimal,
}

/// The server's pod.
#[derive(clap::Args)]
#[command(next_help_heading = "The server's pod")]
pub(super) struct PodFlags {
    /// Image of the server
    #[arg(long, value_name = "IMAGE", default_value = concat!("bowline:v", env!("CARGO_PKG_VERSION")))]
    pub(super) image: String,
    /// Servers that run at once; one of them works, and another takes over when it is gone
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(super) replicas: u32,
    /// Images of plugins, each of which becomes an init container; aws and filesystem need none
    #[arg(long, value_name = "IMAGES")]
    pub(super) plugins: Vec<String>,
    /// What the server may do: everything (cluster-admin), or all but delete, impersonate and sign (minimal)
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = Rbac::ClusterAdmin)]
    pub(super) rbac: Rbac,
    /// Annotations of the pod: a=b,c=d
    #[arg(long, value_name = "ANNOTATIONS")]
    pub(super) pod_annotations: Vec<KeyValues>,
    /// Labels of the pod: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    pub(super) pod_labels: Vec<KeyValues>,
    /// Annotations of the service account: a=b,c=d
    #[arg(long, value_name = "ANNOTATIONS")]
    pub(super) sa_annotations: Vec<KeyValues>,
    /// Service account that exists already, with its permissions (default: one is made, as cluster-admin)
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) service_account_name: String,
    /// CPU request; 0 is none
    #[arg(long, value_name = "QUANTITY", default_value = "500m")]
    pub(super) velero_pod_cpu_request: String,
    /// Memory request; 0 is none
    #[arg(long, value_name = "QUANTITY", default_value = "128Mi")]
    pub(super) velero_pod_mem_request: String,
    /// CPU limit; 0 is none
    #[arg(long, value_name = "QUANTITY", default_value = "1000m")]
    pub(super) velero_pod_cpu_limit: String,
    /// Memory limit; 0 is none
    #[arg(long, value_name = "QUANTITY", default_value = "512Mi")]
    pub(super) velero_pod_mem_limit: String,
    /// Priority class of the pod
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) server_priority_class_name: String,
}

/// What is passed on to the server.
#[derive(clap::Args)]
#[command(next_help_heading = "Settings of the server")]
pub(super) struct ServerFlags {
    /// Only restore: start no controllers that make or delete backups
    #[arg(long)]
    pub(super) restore_only: bool,
    /// What saves volumes file by file
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Uploader::Kopia)]
    pub(super) uploader_type: Uploader,
    /// Save volumes of pods file by file unless a pod says otherwise; needs --use-node-agent
    #[arg(long, requires = "use_node_agent")]
    pub(super) default_volumes_to_fs_backup: bool,
    /// Move the data of CSI snapshots to the object store
    #[arg(long)]
    pub(super) default_snapshot_move_data: bool,
    /// How often expired backups are looked for
    #[arg(long, value_name = "DURATION", default_value = "1h0m0s")]
    pub(super) garbage_collection_frequency: Duration,
    /// How often repositories of volume data are maintained
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    pub(super) default_repo_maintain_frequency: Duration,
    /// How long volumes may take that are saved file by file
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    pub(super) pod_volume_operation_timeout: Duration,
    /// Schedules leave out the run that would be due at once
    #[arg(long)]
    pub(super) schedule_skip_immediately: bool,
    /// Ask the cluster what exists when restoring: this is always done
    #[arg(long)]
    pub(super) disable_informer_cache: bool,
    /// ConfigMap with settings of repositories of volume data
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) backup_repository_configmap: String,
    /// ConfigMap with settings of maintenance jobs
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) repo_maintenance_job_configmap: String,
    /// Groups of items with hooks or volumes at once (default: the server's)
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    pub(super) item_block_worker_count: u32,
    /// Backups at once (default: the server's)
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    pub(super) concurrent_backups: u32,
}

/// Flags for what is not built yet.
#[derive(clap::Args)]
#[command(next_help_heading = "Accepted for Velero's sake, without effect yet")]
pub(super) struct Pending {
    /// Run the node agent: refused but with --dry-run, as there is none yet
    #[arg(long)]
    pub(super) use_node_agent: bool,
    /// Run the node agent for Windows: refused but with --dry-run, as there is none yet
    #[arg(long)]
    pub(super) use_node_agent_windows: bool,
    /// Run the node agent privileged
    #[arg(long)]
    privileged_node_agent: bool,
    /// Give the node agent no access to the host's folders
    #[arg(long)]
    node_agent_disable_host_path: bool,
    /// Folder of the kubelet
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet")]
    kubelet_root_dir: String,
    /// ConfigMap with settings of the node agent
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    node_agent_configmap: String,
    /// Priority class of the node agent
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    node_agent_priority_class_name: String,
    /// CPU request of the node agent
    #[arg(long, value_name = "QUANTITY", default_value = "0")]
    node_agent_pod_cpu_request: String,
    /// Memory request of the node agent
    #[arg(long, value_name = "QUANTITY", default_value = "0")]
    node_agent_pod_mem_request: String,
    /// CPU limit of the node agent
    #[arg(long, value_name = "QUANTITY", default_value = "0")]
    node_agent_pod_cpu_limit: String,
    /// Memory limit of the node agent
    #[arg(long, value_name = "QUANTITY", default_value = "0")]
    node_agent_pod_mem_limit: String,
    /// Look at CSI snapshots more often at first
    #[arg(long)]
    csi_snapshot_early_frequent_polling: bool,
    /// Labels to show as columns: objects are only printed whole
    #[arg(short = 'L', long, value_name = "LIST")]
    label_columns: Vec<String>,
    /// Show all labels: objects are only printed whole
    #[arg(long)]
    show_labels: bool,
    /// Maintenance jobs to keep
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    keep_latest_maintenance_jobs: u32,
    /// CPU request of maintenance jobs
    #[arg(long, value_name = "QUANTITY", default_value = "", hide_default_value = true)]
    maintenance_job_cpu_request: String,
    /// Memory request of maintenance jobs
    #[arg(long, value_name = "QUANTITY", default_value = "", hide_default_value = true)]
    maintenance_job_mem_request: String,
    /// CPU limit of maintenance jobs
    #[arg(long, value_name = "QUANTITY", default_value = "", hide_default_value = true)]
    maintenance_job_cpu_limit: String,
    /// Memory limit of maintenance jobs
    #[arg(long, value_name = "QUANTITY", default_value = "", hide_default_value = true)]
    maintenance_job_mem_limit: String,
}

const NO_AGENT: &str = "there is no node agent yet";
const NO_TABLE: &str = "objects are printed whole, not as a table";
const NO_JOBS: &str = "repositories of volume data are not maintained yet";

impl Pending {
    /// A line for every flag that asks for something.
    pub(super) fn warnings(&self) -> Vec<String> {
        let set = |text: &str| !text.is_empty() && text != "0";
        let asked = [
            (self.use_node_agent, "use-node-agent", NO_AGENT),
            (self.use_node_agent_windows, "use-node-agent-windows", NO_AGENT),
            (self.privileged_node_agent, "privileged-node-agent", NO_AGENT),
            (self.node_agent_disable_host_path, "node-agent-disable-host-path", NO_AGENT),
            (self.kubelet_root_dir != "/var/lib/kubelet", "kubelet-root-dir", NO_AGENT),
            (set(&self.node_agent_configmap), "node-agent-configmap", NO_AGENT),
            (set(&self.node_agent_priority_class_name), "node-agent-priority-class-name", NO_AGENT),
            (set(&self.node_agent_pod_cpu_request), "node-agent-pod-cpu-request", NO_AGENT),
            (set(&self.node_agent_pod_mem_request), "node-agent-pod-mem-request", NO_AGENT),
            (set(&self.node_agent_pod_cpu_limit), "node-agent-pod-cpu-limit", NO_AGENT),
            (set(&self.node_agent_pod_mem_limit), "node-agent-pod-mem-limit", NO_AGENT),
            (
                self.csi_snapshot_early_frequent_polling,
                "csi-snapshot-early-frequent-polling",
                "snapshots of volumes are not built yet",
            ),
            (!self.label_columns.is_empty(), "label-columns", NO_TABLE),
            (self.show_labels, "show-labels", NO_TABLE),
            (self.keep_latest_maintenance_jobs > 0, "keep-latest-maintenance-jobs", NO_JOBS),
            (set(&self.maintenance_job_cpu_request), "maintenance-job-cpu-request", NO_JOBS),
            (set(&self.maintenance_job_mem_request), "maintenance-job-mem-request", NO_JOBS),
            (set(&self.maintenance_job_cpu_limit), "maintenance-job-cpu-limit", NO_JOBS),
            (set(&self.maintenance_job_mem_limit), "maintenance-job-mem-limit", NO_JOBS),
        ];
        let line = |(_, flag, why)| format!("warning: --{flag} has no effect yet: {why}");
        asked.into_iter().filter(|(asked, ..)| *asked).map(line).collect()
    }
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Form {
    Json,
    Yaml,
}
