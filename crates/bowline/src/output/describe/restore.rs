//! `restore describe`.

use bowline_api::Restore;
use bowline_api::artifact::{
    OperationStatus, ResourceList, RestoreOperation, RestoreVolumeInfo, ResultSet, Results,
};
use bowline_api::request::DownloadTargetKind;
use bowline_api::restore::{RestorePhase, RestoreSpec};
use serde_json::Value;

use super::{
    NONE, Text, attempts, backup, list, map, metadata, phase, results, spec, structured, switch, volumes,
};
use crate::download::{Artifact, Source};
use crate::output::screen::{Screen, Style};
use crate::output::time::Now;
use crate::selector;
use crate::session::Session;

/// The files that belong to a restore.
pub(crate) struct Companions {
    pub(crate) results: Artifact<Results>,
    pub(crate) resource_list: Artifact<ResourceList>,
    pub(crate) volumes: Artifact<Vec<RestoreVolumeInfo>>,
    pub(crate) operations: Artifact<Vec<RestoreOperation>>,
}

impl Companions {
    /// Fetches through the server what is needed for this restore.
    pub(crate) async fn fetch(source: &Source<'_>, restore: &Restore, details: bool) -> Self {
        let name = restore.metadata.name.as_deref().unwrap_or_default();
        let status = &restore.status;
        let phase = restore.phase();
        let early = [RestorePhase::New, RestorePhase::InProgress, RestorePhase::FailedValidation];
        let stored = !early.contains(&phase);
        let failed = status.errors > 0 || status.warnings > 0;
        let operations = status.restore_item_operations_attempted > 0;
        let (results, resource_list, volumes, operations) = tokio::join!(
            optional(stored && failed, source.json(DownloadTargetKind::RestoreResults, name)),
            optional(stored && details, source.json(DownloadTargetKind::RestoreResourceList, name)),
            optional(stored, source.json(DownloadTargetKind::RestoreVolumeInfo, name)),
            optional(
                stored && details && operations,
                source.json(DownloadTargetKind::RestoreItemOperations, name)
            ),
        );
        Self { results, resource_list, volumes, operations }
    }
}

async fn optional<T>(wanted: bool, fetch: impl Future<Output = Artifact<T>>) -> Artifact<T> {
    if wanted { fetch.await } else { Artifact::Absent }
}

/// The description for people.
pub(crate) fn text(session: &Session, restore: &Restore, companions: &Companions, details: bool) -> String {
    render(session, restore, companions, details, &Now::here())
}

/// The description for programs.
pub(crate) fn tree(restore: &Restore, companions: &Companions, details: bool) -> Value {
    structured::restore(restore, companions, details, &Now::here())
}

/// What the files of a restore tell programs, where its object is not known.
pub(crate) fn tree_of_files(name: &str, companions: &Companions, details: bool) -> Value {
    structured::files(name, companions, details)
}

/// What is known of the volumes. A restore that failed as a whole has written no such file, which is no news.
fn volumes_of<'a>(restore: &Restore, companions: &'a Companions) -> &'a Artifact<Vec<RestoreVolumeInfo>> {
    match (&companions.volumes, restore.phase()) {
        (Artifact::Unreadable(_), RestorePhase::Failed | RestorePhase::FailedValidation) => &Artifact::Absent,
        (volumes, _) => volumes,
    }
}

/// What the files of a restore tell, where its object is not known.
pub(crate) fn files(screen: &Screen, name: &str, companions: &Companions, details: bool) -> String {
    let mut text = Text::default();
    text.field("Name", screen.style(Style::Bold, name));
    text.gap();
    let Companions { results, resource_list, volumes, .. } = companions;
    let count = |set: fn(&Results) -> &ResultSet| results.here().map_or(0, |results| set(results).len());
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let counts = (number(count(|results| &results.errors)), number(count(|results| &results.warnings)));
    text.field("Errors", counts.0.to_string());
    text.field("Warnings", counts.1.to_string());
    text.gap();
    results::describe(&mut text, screen, results, counts, details);
    volumes::describe_restore(&mut text, volumes, details);
    backup::resource_list(&mut text, resource_list);
    text.finish(screen)
}

pub(super) fn render(
    session: &Session,
    restore: &Restore,
    companions: &Companions,
    details: bool,
    now: &Now,
) -> String {
    let mut text = Text::default();
    let screen = &session.screen;
    let status = &restore.status;
    metadata(&mut text, screen, &restore.metadata);
    text.field("Phase", phase(screen, session.program(), "restore", restore, restore.phase().as_str()));
    progress(&mut text, restore);
    attempts::describe(&mut text, &restore.metadata, now);
    text.gap();
    text.field("Started", now.absolute(status.start_timestamp.as_ref()));
    text.field("Completed", now.absolute(status.completion_timestamp.as_ref()));
    text.gap();
    if !status.failure_reason.is_empty() {
        text.field("Failure Reason", &status.failure_reason);
        text.gap();
        results::help(&mut text, &status.failure_reason);
    }
    if !status.validation_errors.is_empty() {
        text.field("Validation errors", status.validation_errors.join("\n"));
        text.gap();
    }
    results::describe(&mut text, screen, &companions.results, (status.errors, status.warnings), details);
    if restore.spec.schedule_name.is_empty() {
        text.field("Backup", &restore.spec.backup_name);
    } else {
        text.field("Schedule", &restore.spec.schedule_name);
        text.field("Backup", &restore.spec.backup_name);
    }
    text.gap();
    filters(&mut text, &restore.spec);
    volumes::describe_restore(&mut text, volumes_of(restore, companions), details);
    course(&mut text, &restore.spec);
    operations(&mut text, restore, &companions.operations, details);
    if let Some(hooks) = &status.hook_status {
        text.gap();
        text.field("HooksAttempted", hooks.hooks_attempted.to_string());
        text.field("HooksFailed", hooks.hooks_failed.to_string());
    }
    if details {
        text.gap();
        backup::resource_list(&mut text, &companions.resource_list);
    }
    text.finish(screen)
}

fn progress(text: &mut Text, restore: &Restore) {
    let Some(progress) = &restore.status.progress else { return };
    let (total, done) = match restore.phase() {
        RestorePhase::InProgress => ("Estimated total items to be restored", "Items restored so far"),
        _ => ("Total items to be restored", "Items restored"),
    };
    text.field(total, progress.total_items.to_string());
    text.field(done, progress.items_restored.to_string());
}

fn filters(text: &mut Text, spec: &RestoreSpec) {
    text.section("Namespaces", |text| {
        let all = spec.included_namespaces.is_empty() || spec.included_namespaces == ["*"];
        let included = list(&spec.included_namespaces, "*");
        text.field("Included", if all { "all namespaces found in the backup" } else { &included });
        text.field("Excluded", list(&spec.excluded_namespaces, NONE));
    });
    text.gap();
    text.section("Resources", |text| {
        text.field("Included", list(&spec.included_resources, "*"));
        text.field("Excluded", list(&spec.excluded_resources, NONE));
        text.field("Cluster-scoped", switch(spec.include_cluster_resources, "included", "excluded", "auto"));
    });
    text.gap();
    text.field("Namespace mappings", map(Some(&spec.namespace_mapping)));
    text.gap();
    text.field("Label selector", selector::format(spec.label_selector.as_ref()));
    text.gap();
    text.field("Or label selector", spec::or_selectors(&spec.or_label_selectors));
    text.gap();
    text.field("Restore PVs", switch(spec.restore_pvs, "true", "false", "auto"));
    text.gap();
}

fn course(text: &mut Text, spec: &RestoreSpec) {
    let policy = spec.existing_resource_policy.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
    text.field("Existing Resource Policy", policy);
    text.field("ItemOperationTimeout", spec::timeout(spec.item_operation_timeout));
    text.gap();
    text.field("Preserve Service NodePorts", switch(spec.preserve_node_ports, "true", "false", "auto"));
    if let Some(status) = &spec.restore_status {
        text.gap();
        text.section("Restore Status", |text| {
            text.field("Included", list(&status.included_resources, NONE));
            text.field("Excluded", list(&status.excluded_resources, NONE));
        });
    }
    for (title, configmap) in
        [("Resource modifier", &spec.resource_modifier), ("Resource policies", &spec.resource_policy)]
    {
        let Some(configmap) = configmap else { continue };
        text.gap();
        text.section(title, |text| {
            text.field("Type", &configmap.kind);
            text.field("Name", &configmap.name);
        });
    }
    if let Some(config) = &spec.uploader_config {
        text.gap();
        text.section("Uploader config", |text| {
            if let Some(sparse) = config.write_sparse_files {
                text.field("Write Sparse Files", sparse.to_string());
            }
            if config.parallel_files_download > 0 {
                text.field("Parallel Restore", config.parallel_files_download.to_string());
            }
        });
    }
}

fn operations(
    text: &mut Text,
    restore: &Restore,
    operations: &Artifact<Vec<RestoreOperation>>,
    details: bool,
) {
    let status = &restore.status;
    let attempted = status.restore_item_operations_attempted;
    if attempted == 0 {
        return;
    }
    let (completed, failed) =
        (status.restore_item_operations_completed, status.restore_item_operations_failed);
    let more = if details { "" } else { " (specify --details for more information)" };
    text.gap();
    text.line(format!(
        "Restore Item Operations: {completed} of {attempted} completed successfully, {failed} failed{more}"
    ));
    text.depth += 1;
    for one in operations.here().into_iter().flatten() {
        let item = &one.spec.resource_identifier;
        text.section(
            &format!("Operation for {} {}/{}", item.group_resource(), item.namespace, item.name),
            |text| {
                operation(text, &one.spec.restore_item_action, &one.spec.operation_id, &one.status);
            },
        );
    }
    text.depth -= 1;
}

/// One operation that went on after its item was dealt with.
pub(super) fn operation(text: &mut Text, action: &str, id: &str, status: &OperationStatus) {
    text.field("Item Action Plugin", action);
    text.field("Operation ID", id);
    text.field("Phase", status.phase.as_ref().map(ToString::to_string).unwrap_or_default());
    if !status.error.is_empty() {
        text.field("Operation Error", &status.error);
    }
    if status.n_total > 0 {
        text.field(
            "Progress",
            format!("{} of {} complete ({})", status.n_completed, status.n_total, status.operation_units),
        );
    }
    if !status.description.is_empty() {
        text.field("Progress description", &status.description);
    }
}
