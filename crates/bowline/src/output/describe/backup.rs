//! `backup describe`.

use bowline_api::artifact::{BackupOperation, BackupVolumeInfo, ResourceList, Results};
use bowline_api::request::{DeleteBackupRequestPhase, DownloadTargetKind};
use bowline_api::{Backup, BackupPhase, DeleteBackupRequest, label};
use serde_json::Value;

use super::{Text, attempts, metadata, phase, results, spec, structured, volumes};
use crate::cluster::Cluster;
use crate::download::{Artifact, Source};
use crate::output::time::Now;
use crate::session::Session;

/// The files and objects that belong to a backup.
pub(crate) struct Companions {
    pub(crate) results: Artifact<Results>,
    pub(crate) resource_list: Artifact<ResourceList>,
    pub(crate) volumes: Artifact<Vec<BackupVolumeInfo>>,
    pub(crate) operations: Artifact<Vec<BackupOperation>>,
    pub(crate) deletions: Vec<DeleteBackupRequest>,
}

impl Companions {
    /// Fetches through the server what is needed for this backup. A backup that is not over has no files.
    pub(crate) async fn fetch(
        cluster: &Cluster,
        source: &Source<'_>,
        backup: &Backup,
        details: bool,
    ) -> anyhow::Result<Self> {
        let name = backup.metadata.name.as_deref().unwrap_or_default();
        let status = &backup.status;
        let stored = has_files(&backup.phase());
        let failed = status.errors > 0 || status.warnings > 0;
        let operations = status.backup_item_operations_attempted > 0;
        let (results, resource_list, volumes, operations) = tokio::join!(
            optional(stored && failed, source.json(DownloadTargetKind::BackupResults, name)),
            optional(stored && details, source.json(DownloadTargetKind::BackupResourceList, name)),
            optional(stored, source.json(DownloadTargetKind::BackupVolumeInfos, name)),
            optional(
                stored && details && operations,
                source.json(DownloadTargetKind::BackupItemOperations, name)
            ),
        );
        let selector = format!("{}={}", label::BACKUP_NAME, label::valid_value(name));
        let deletions = cluster.list::<DeleteBackupRequest>(&selector).await?;
        let deletions = deletions.into_iter().map(|request| request.object).collect();
        Ok(Self { results, resource_list, volumes, operations, deletions })
    }
}

async fn optional<T>(wanted: bool, fetch: impl Future<Output = Artifact<T>>) -> Artifact<T> {
    if wanted { fetch.await } else { Artifact::Absent }
}

fn has_files(phase: &BackupPhase) -> bool {
    let early = [BackupPhase::New, BackupPhase::Queued, BackupPhase::ReadyToStart, BackupPhase::InProgress];
    !early.contains(phase) && *phase != BackupPhase::FailedValidation
}

/// The description for people.
pub(crate) fn text(session: &Session, backup: &Backup, companions: &Companions, details: bool) -> String {
    let now = Now::here();
    render(session, backup, companions, details, &now)
}

pub(super) fn render(
    session: &Session,
    backup: &Backup,
    companions: &Companions,
    details: bool,
    now: &Now,
) -> String {
    let mut text = Text::default();
    let screen = &session.screen;
    metadata(&mut text, screen, &backup.metadata);
    text.field("Phase", phase(screen, session.program(), "backup", backup, backup.phase().as_str()));
    if backup.status.queue_position > 0 {
        text.field("Queue position", backup.status.queue_position.to_string());
    }
    failures(&mut text, backup);
    attempts::describe(&mut text, &backup.metadata, now);
    text.gap();
    let counts = (backup.status.errors, backup.status.warnings);
    results::describe(&mut text, screen, &companions.results, counts, details);
    text.gap();
    if let Some(policy) = &backup.spec.resource_policy {
        text.section("Resource policies", |text| {
            text.field("Type", &policy.kind);
            text.field("Name", &policy.name);
        });
        text.gap();
    }
    spec::describe(&mut text, &backup.spec);
    text.gap();
    status(&mut text, backup, companions, details, now);
    deletions(&mut text, &companions.deletions, now);
    text.finish(screen)
}

/// Why the backup as a whole did not work.
fn failures(text: &mut Text, backup: &Backup) {
    let status = &backup.status;
    if !status.failure_reason.is_empty() {
        text.gap();
        text.field("Failure Reason", &status.failure_reason);
        text.gap();
        results::help(text, &status.failure_reason);
    }
    if !status.validation_errors.is_empty() {
        text.gap();
        text.field("Validation errors", status.validation_errors.join("\n"));
    }
}

fn status(text: &mut Text, backup: &Backup, companions: &Companions, details: bool, now: &Now) {
    let status = &backup.status;
    text.field("Backup Format Version", &status.format_version);
    text.gap();
    text.field("Started", now.absolute(status.start_timestamp.as_ref()));
    text.field("Completed", now.absolute(status.completion_timestamp.as_ref()));
    text.gap();
    text.field("Expiration", now.absolute(status.expiration.as_ref()));
    text.gap();
    if let Some(progress) = &status.progress {
        let (total, done) = match backup.phase() {
            BackupPhase::InProgress => ("Estimated total items to be backed up", "Items backed up so far"),
            _ => ("Total items to be backed up", "Items backed up"),
        };
        text.field(total, progress.total_items.to_string());
        text.field(done, progress.items_backed_up.to_string());
        text.gap();
    }
    operations(text, backup, &companions.operations, details);
    if details {
        resource_list(text, &companions.resource_list);
    }
    volumes::describe_backup(text, &companions.volumes, details);
    if let Some(hooks) = &status.hook_status {
        text.gap();
        text.field("HooksAttempted", hooks.hooks_attempted.to_string());
        text.field("HooksFailed", hooks.hooks_failed.to_string());
    }
}

fn operations(text: &mut Text, backup: &Backup, operations: &Artifact<Vec<BackupOperation>>, details: bool) {
    let status = &backup.status;
    let attempted = status.backup_item_operations_attempted;
    if attempted == 0 {
        return;
    }
    let (completed, failed) = (status.backup_item_operations_completed, status.backup_item_operations_failed);
    let summary = format!("{completed} of {attempted} completed successfully, {failed} failed");
    if !details {
        text.line(format!("Backup Item Operations: {summary} (specify --details for more information)"));
        return text.gap();
    }
    text.line(format!("Backup Item Operations: {summary}"));
    text.depth += 1;
    for operation in operations.here().into_iter().flatten() {
        let item = &operation.spec.resource_identifier;
        text.section(
            &format!("Operation for {} {}/{}", item.group_resource(), item.namespace, item.name),
            |text| {
                super::restore::operation(
                    text,
                    &operation.spec.backup_item_action,
                    &operation.spec.operation_id,
                    &operation.status,
                );
            },
        );
    }
    text.depth -= 1;
    text.gap();
}

/// All objects by kind.
pub(super) fn resource_list(text: &mut Text, list: &Artifact<ResourceList>) {
    match list {
        Artifact::Absent => text.line("Resource List: <not recorded>"),
        Artifact::Unreadable(why) => text.line(format!("Resource List: <it could not be read: {why}>")),
        Artifact::Here(list) => text.section("Resource List", |text| {
            for (kind, items) in list.iter() {
                text.section(kind, |text| items.for_each(|item| text.line(format!("- {item}"))));
            }
        }),
    }
    text.gap();
}

/// How many attempts to delete the backup are over and left something.
pub(super) fn failed_deletions(requests: &[DeleteBackupRequest]) -> usize {
    let failed = requests.iter().filter(|request| {
        request.status.phase == Some(DeleteBackupRequestPhase::Processed) && !request.status.errors.is_empty()
    });
    failed.count()
}

fn deletions(text: &mut Text, requests: &[DeleteBackupRequest], now: &Now) {
    if requests.is_empty() {
        return;
    }
    let title = match failed_deletions(requests) {
        0 => "Deletion Attempts".to_owned(),
        failed => format!("Deletion Attempts ({failed} failed)"),
    };
    text.gap();
    text.section(&title, |text| {
        for request in requests {
            let phase = request.status.phase.as_ref().map_or_else(|| "New".to_owned(), ToString::to_string);
            text.line(format!("{}: {phase}", now.absolute(request.metadata.creation_timestamp.as_ref())));
            if !request.status.errors.is_empty() {
                text.section("Errors", |text| {
                    request.status.errors.iter().for_each(|error| text.line(error));
                });
            }
        }
    });
}

/// The description for programs.
pub(crate) fn tree(backup: &Backup, companions: &Companions, details: bool) -> Value {
    tree_at(backup, companions, details, &Now::here())
}

pub(super) fn tree_at(backup: &Backup, companions: &Companions, details: bool, now: &Now) -> Value {
    structured::backup(backup, companions, details, now)
}
