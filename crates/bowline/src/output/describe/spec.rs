//! What a backup was asked to hold. The same for a backup and for a schedule's template.

use bowline_api::{BackupSpec, Duration};

use super::{NONE, Text, hooks, list, switch};
use crate::selector;

/// The sections from namespaces to hooks.
pub(super) fn describe(text: &mut Text, spec: &BackupSpec) {
    text.section("Namespaces", |text| {
        text.field("Included", list(&spec.included_namespaces, "*"));
        text.field("Excluded", list(&spec.excluded_namespaces, NONE));
    });
    text.gap();
    text.section("Resources", |text| resources(text, spec));
    text.gap();
    text.field("Label selector", selector::format(spec.label_selector.as_ref()));
    text.gap();
    text.field("Or label selector", or_selectors(&spec.or_label_selectors));
    text.gap();
    text.field("Storage Location", &spec.storage_location);
    text.gap();
    volumes(text, spec);
    text.gap();
    text.field("TTL", spec.ttl.to_string());
    text.gap();
    text.field("CSISnapshotTimeout", spec.csi_snapshot_timeout.to_string());
    text.field("ItemOperationTimeout", spec.item_operation_timeout.to_string());
    text.gap();
    hooks::describe(text, &spec.hooks);
    if !spec.ordered_resources.is_empty() {
        text.gap();
        text.section("OrderedResources", |text| {
            spec.ordered_resources.iter().for_each(|(kind, order)| text.field(kind, order));
        });
    }
    if let Some(config) = spec.uploader_config.as_ref().filter(|config| config.parallel_files_upload > 0) {
        text.gap();
        text.section("Uploader config", |text| {
            text.field("Parallel files upload", config.parallel_files_upload.to_string());
        });
    }
}

fn resources(text: &mut Text, spec: &BackupSpec) {
    if spec.has_old_filters() {
        text.field("Included", list(&spec.included_resources, "*"));
        text.field("Excluded", list(&spec.excluded_resources, NONE));
        text.field("Cluster-scoped", switch(spec.include_cluster_resources, "included", "excluded", "auto"));
    } else {
        text.field("Included cluster-scoped", list(&spec.included_cluster_scoped_resources, NONE));
        text.field("Excluded cluster-scoped", list(&spec.excluded_cluster_scoped_resources, NONE));
        text.field("Included namespace-scoped", list(&spec.included_namespace_scoped_resources, "*"));
        text.field("Excluded namespace-scoped", list(&spec.excluded_namespace_scoped_resources, NONE));
    }
}

fn volumes(text: &mut Text, spec: &BackupSpec) {
    text.field("Velero-Native Snapshot PVs", switch(spec.snapshot_volumes, "true", "false", "auto"));
    if let Some(by_default) = spec.default_volumes_to_fs_backup {
        text.field("File System Backup (Default)", by_default.to_string());
    }
    text.field("Snapshot Move Data", switch(spec.snapshot_move_data, "true", "false", "auto"));
    text.field("Data Mover", if spec.datamover.is_empty() { "velero" } else { &spec.datamover });
    if !spec.volume_snapshot_locations.is_empty() {
        text.field("Snapshot Locations", spec.volume_snapshot_locations.join(", "));
    }
}

/// Selectors of which one must match.
pub(super) fn or_selectors(selectors: &[bowline_api::selector::LabelSelector]) -> String {
    let texts: Vec<String> = selectors.iter().map(|selector| selector::format(Some(selector))).collect();
    list_joined(&texts)
}

fn list_joined(texts: &[String]) -> String {
    if texts.is_empty() { NONE.to_owned() } else { texts.join(" or ") }
}

/// A timeout; zero means that it was left to the server.
pub(super) fn timeout(duration: Duration) -> String {
    duration.to_string()
}
