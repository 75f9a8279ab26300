//! Flags that every command has.

use std::path::PathBuf;

/// Where the cluster and the server are, and how to print.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct GlobalFlags {
    /// Kubeconfig file; else KUBECONFIG, ~/.kube/config, or the service account of the pod
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig (default: its current one)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) kubecontext: Option<String>,
    /// Namespace of the server; else `client config`, VELERO_NAMESPACE, or "velero"
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Features to switch on: `EnableAPIGroupVersions`; `EnableCSI` always is
    #[arg(long, global = true, value_name = "LIST")]
    pub(crate) features: Vec<String>,
    /// Colours on a terminal: true or false (default true; NO_COLOR also switches them off)
    #[arg(long, global = true, value_name = "BOOL")]
    pub(crate) colorized: Option<bool>,
    /// From 1: show the log of a run by --to or --from on standard error
    #[arg(long = "v", short = 'v', global = true, value_name = "LEVEL")]
    pub(crate) v: Option<u8>,
    #[command(flatten)]
    pub(crate) klog: KlogFlags,
}

/// Logging flags of Velero's client. Scripts pass them; we have no log files, so that only `-v` has an effect.
/// The help of the root command says so.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct KlogFlags {
    #[arg(long = "add_dir_header", global = true, hide = true)]
    add_dir_header: bool,
    #[arg(long = "alsologtostderr", global = true, hide = true)]
    alsologtostderr: bool,
    #[arg(long = "alsologtostderrthreshold", global = true, hide = true)]
    alsologtostderrthreshold: Option<String>,
    #[arg(long = "legacy_stderr_threshold_behavior", global = true, hide = true)]
    legacy_stderr_threshold_behavior: bool,
    #[arg(long = "log_backtrace_at", global = true, hide = true)]
    log_backtrace_at: Option<String>,
    #[arg(long = "log_dir", global = true, hide = true)]
    log_dir: Option<String>,
    #[arg(long = "log_file", global = true, hide = true)]
    log_file: Option<String>,
    #[arg(long = "log_file_max_size", global = true, hide = true)]
    log_file_max_size: Option<u64>,
    #[arg(long = "logtostderr", global = true, hide = true)]
    logtostderr: bool,
    #[arg(long = "one_output", global = true, hide = true)]
    one_output: bool,
    #[arg(long = "skip_headers", global = true, hide = true)]
    skip_headers: bool,
    #[arg(long = "skip_log_headers", global = true, hide = true)]
    skip_log_headers: bool,
    #[arg(long = "stderrthreshold", global = true, hide = true)]
    stderrthreshold: Option<String>,
    #[arg(long = "vmodule", global = true, hide = true)]
    vmodule: Option<String>,
}
