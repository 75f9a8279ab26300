//! The flags that say what a backup holds, shared by `backup create` and `schedule create`.

use bowline_api::backup::UploaderConfigForBackup;
use bowline_api::reference::LocalReference;
use bowline_api::{BackupSpec, Duration};
use bowline_engine::select::namespace::NamespaceLists;

use crate::cli::flag::{OrderedResources, entries, included_namespaces, named};
use crate::failure::Failure;
use crate::selector::{OrSelectors, Selector};

const OLD_STYLE: [&str; 3] = ["include_resources", "exclude_resources", "include_cluster_resources"];

/// What to save, and how.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SpecFlags {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    volumes: VolumeFlags,
    #[command(flatten)]
    course: Course,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "What to save")]
struct Filters {
    /// Namespaces, as names or patterns with *
    #[arg(long, value_name = "LIST", default_value = "*")]
    include_namespaces: Vec<String>,
    /// Namespaces to leave out
    #[arg(long, value_name = "LIST")]
    exclude_namespaces: Vec<String>,
    /// Resources of both scopes, such as deployments.apps; * is all. Not with the filters by scope
    #[arg(long, value_name = "LIST")]
    include_resources: Vec<String>,
    /// Resources of both scopes to leave out. Not with the filters by scope
    #[arg(long, value_name = "LIST")]
    exclude_resources: Vec<String>,
    /// Cluster-scoped resources; * is all
    #[arg(long, value_name = "LIST", conflicts_with_all = OLD_STYLE)]
    include_cluster_scoped_resources: Vec<String>,
    /// Cluster-scoped resources to leave out
    #[arg(long, value_name = "LIST", conflicts_with_all = OLD_STYLE)]
    exclude_cluster_scoped_resources: Vec<String>,
    /// Namespaced resources; * is all
    #[arg(long, value_name = "LIST", conflicts_with_all = OLD_STYLE)]
    include_namespace_scoped_resources: Vec<String>,
    /// Namespaced resources to leave out
    #[arg(long, value_name = "LIST", conflicts_with_all = OLD_STYLE)]
    exclude_namespace_scoped_resources: Vec<String>,
    /// Cluster-scoped resources: all (true), none (false); absent means those that saved objects need
    #[arg(long)]
    include_cluster_resources: Option<bool>,
    /// Only objects with these labels: app=web, tier in (a,b), !debug
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "or_selector")]
    selector: Option<Selector>,
    /// Only objects that one of several selectors matches: "a=b or c=d"
    #[arg(long, value_name = "SELECTORS")]
    or_selector: Option<OrSelectors>,
    /// ConfigMap in the server's namespace with policies for volumes and resources
    #[arg(long, value_name = "NAME")]
    resource_policies_configmap: Option<String>,
    /// Objects to save first, by kind: 'pods=ns1/a,ns1/b;persistentvolumes=pv1'
    #[arg(long, value_name = "ORDER")]
    ordered_resources: Option<OrderedResources>,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Volumes")]
struct VolumeFlags {
    /// Take snapshots of persistent volumes; absent means where a snapshotter is set up
    #[arg(long)]
    snapshot_volumes: Option<bool>,
    /// Move the data of CSI snapshots to the object store
    #[arg(long)]
    snapshot_move_data: Option<bool>,
    /// Name of the data mover (default: the built-in one)
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    data_mover: String,
    /// Save volumes of pods file by file unless a pod says otherwise
    #[arg(long)]
    default_volumes_to_fs_backup: Option<bool>,
    /// Snapshot locations, at most one for each provider
    #[arg(long, value_name = "LIST")]
    volume_snapshot_locations: Vec<String>,
    /// Files that are read at the same time; 0 is the number of CPUs of the node
    #[arg(long, value_name = "NUMBER")]
    parallel_files_upload: Option<i32>,
    /// How long to wait for a CSI snapshot, such as 15m; 0 is 10m
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    csi_snapshot_timeout: Duration,
    /// How long to wait for operations on volumes, such as 6h; 0 is the default of the server (4h unless it says otherwise)
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    item_operation_timeout: Duration,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Flags")]
struct Course {
    /// Location that takes the backup (default: the default one)
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    storage_location: String,
    /// How long to keep the backup, such as 24h or 720h; 0 is the default of the server (720h unless it says otherwise)
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    ttl: Duration,
}

impl SpecFlags {
    /// The spec, after the checks that need no cluster.
    pub(crate) fn into_spec(self) -> anyhow::Result<BackupSpec> {
        let Self { filters, volumes, course } = self;
        for (flag, value) in [
            ("--ttl", course.ttl),
            ("--csi-snapshot-timeout", volumes.csi_snapshot_timeout),
            ("--item-operation-timeout", volumes.item_operation_timeout),
        ] {
            if value.is_negative() {
                return Err(Failure::new(format!("{flag} must not be negative: {value}"))
                    .hint("a duration is written as 30m, 24h or 720h; 0 leaves it to the server")
                    .into());
            }
        }
        if volumes.parallel_files_upload.is_some_and(i32::is_negative) {
            return Err(Failure::new("--parallel-files-upload must not be negative").into());
        }
        let uploader = volumes.parallel_files_upload.filter(|number| *number > 0);
        Ok(BackupSpec {
            snapshot_volumes: volumes.snapshot_volumes,
            snapshot_move_data: volumes.snapshot_move_data,
            datamover: volumes.data_mover,
            default_volumes_to_fs_backup: volumes.default_volumes_to_fs_backup,
            volume_snapshot_locations: entries(volumes.volume_snapshot_locations),
            uploader_config: uploader
                .map(|parallel_files_upload| UploaderConfigForBackup { parallel_files_upload }),
            csi_snapshot_timeout: volumes.csi_snapshot_timeout,
            item_operation_timeout: volumes.item_operation_timeout,
            storage_location: course.storage_location,
            ttl: course.ttl,
            ..filters.into_spec()?
        })
    }
}

impl Filters {
    fn into_spec(self) -> anyhow::Result<BackupSpec> {
        let spec = BackupSpec {
            included_namespaces: included_namespaces(self.include_namespaces),
            excluded_namespaces: entries(self.exclude_namespaces),
            included_resources: entries(self.include_resources),
            excluded_resources: entries(self.exclude_resources),
            included_cluster_scoped_resources: entries(self.include_cluster_scoped_resources),
            excluded_cluster_scoped_resources: entries(self.exclude_cluster_scoped_resources),
            included_namespace_scoped_resources: entries(self.include_namespace_scoped_resources),
            excluded_namespace_scoped_resources: entries(self.exclude_namespace_scoped_resources),
            include_cluster_resources: self.include_cluster_resources,
            label_selector: self.selector.map(|selector| selector.0),
            or_label_selectors: self.or_selector.map(|selectors| selectors.0).unwrap_or_default(),
            resource_policy: named(self.resource_policies_configmap).map(configmap),
            ordered_resources: self.ordered_resources.map(|order| order.0).unwrap_or_default(),
            ..BackupSpec::default()
        };
        // The server would refuse them too, but only after the command has said that the backup was submitted.
        NamespaceLists::parse(&spec.included_namespaces, &spec.excluded_namespaces)
            .map_err(|problems| Failure::new(problems.join("; ")))?;
        Ok(spec)
    }
}

/// A reference to a ConfigMap in the server's namespace.
pub(crate) fn configmap(name: String) -> LocalReference {
    LocalReference { api_group: None, kind: "configmap".to_owned(), name }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::SpecFlags;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        spec: SpecFlags,
    }

    #[test]
    fn a_namespace_that_is_included_and_excluded_is_refused_before_anything_is_submitted() {
        let spec = |arguments: &[&str]| {
            Line::try_parse_from([&["create"], arguments].concat()).unwrap().spec.into_spec()
        };
        let error = spec(&["--include-namespaces=a", "--exclude-namespaces=a"]).unwrap_err();
        assert!(
            error.to_string().contains("excludes list cannot contain an item in the includes list: a"),
            "{error}"
        );
        let error = spec(&["--exclude-namespaces=*"]).unwrap_err();
        assert!(error.to_string().contains("excludes list cannot contain '*'"), "{error}");
        let allowed = spec(&["--include-namespaces=a-*", "--exclude-namespaces=a-b"]).unwrap();
        assert_eq!(allowed.excluded_namespaces, ["a-b"]);
    }
}
