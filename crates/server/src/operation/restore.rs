//! One restore from end to end.

use std::sync::Arc;

use bowline_api::backup::HookStatus;
use bowline_api::restore::RestoreProgress;
use bowline_api::{Backup, Restore, RestorePhase, Time};
use bowline_engine::action::ActionError;
use bowline_engine::finding::Level;
use bowline_engine::finding::chain;
use bowline_engine::restore::{self, Plan, RestoreError, RestoreOutcome, RestoreRequest};
use bowline_engine::trace::phase;
use bowline_reconcile::telemetry::RunLog;
use bowline_store::layout::RestoreArtifact;
use kube::ResourceExt;
use thiserror::Error;
use tracing::Instrument;

use super::config_map::{self, ConfigMapError};
use super::finalize::volumes_to_patch;
use super::source::{Source, SourceError};
use super::{Operation, Stopped, Tools, count, log_body, number, restore_line};
use crate::traced;

/// Runs a prepared restore of a stored backup and returns it with its phase, which says how it went. Its log, results and lists are in
/// the store, as far as the store took them. In a phase `WaitingFor…` it goes on with [`super::poll_restore`], in a phase `Finalizing…`
/// with [`super::finalize_restore`]; all other phases are final.
pub async fn run_restore(
    operation: &Operation<'_>,
    mut restore: Restore,
    backup: Backup,
) -> Result<FinishedRestore, Stopped> {
    let name = format!("{}/{}", restore.namespace().unwrap_or_default(), restore.name_any());
    let log = operation.logs.start("restore", &name);
    let span = tracing::info_span!("run", restore = name);
    let trace = traced::of_restore("restore", &restore);
    let finished = async {
        let result = attempt(operation, &restore, backup).await;
        if result.as_ref().is_err_and(RestoreFailure::is_cancelled) {
            return Err(Stopped);
        }
        finish(&mut restore, &result);
        let is_temporary = match result {
            Ok(outcome) => {
                store_results(operation, &mut restore, outcome).instrument(phase("artifacts")).await
            }
            Err(error) => error.is_temporary(),
        };
        await_volumes(operation, &mut restore).await;
        if !is_pending(&restore.phase()) {
            restore.status.completion_timestamp = Some(Time(operation.ports.clock.now()));
        }
        match log {
            Ok(log) => store_log(operation, &restore, log).await,
            Err(error) => tracing::warn!(error = %error, "the log could not be kept"),
        }
        Ok(is_temporary)
    };
    let is_temporary = finished.instrument(span).instrument(trace.clone()).await?;
    traced::restore_ended(&trace, &restore);
    Ok(FinishedRestore { restore, is_temporary })
}

/// A restore that has come to an end, good or bad, or goes on by itself.
#[derive(Debug)]
pub struct FinishedRestore {
    /// The restore with its status.
    pub restore: Restore,
    /// It failed, or its results could not be stored, by a cause that may pass by itself; another attempt keeps what this one restored.
    pub is_temporary: bool,
}

/// Why a restore could not be run, or planned.
#[derive(Debug, Error)]
pub enum RestoreFailure {
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] RestoreError),
    /// The backup can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A ConfigMap that the restore names can't be used.
    #[error("failed to read the resource modifiers")]
    Modifiers(#[from] ConfigMapError),
    /// The resource policies that the restore names can't be used.
    #[error("failed to read the resource policies")]
    Policies(#[source] ConfigMapError),
    /// The user's order of versions can't be used.
    #[error("failed to read the order of API versions")]
    Versions(#[source] ConfigMapError),
    /// The built-in actions can't be set up.
    #[error("failed to prepare the restore's actions")]
    Actions(#[from] ActionError),
}

impl RestoreFailure {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_retryable(),
            Self::Source(error) => error.is_retryable(),
            Self::Modifiers(error) | Self::Policies(error) | Self::Versions(error) => error.is_retryable(),
            Self::Actions(error) => error.is_retryable(),
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(RestoreError::Cancelled) | Self::Source(SourceError::Cancelled))
    }
}

async fn attempt(
    operation: &Operation<'_>,
    restore: &Restore,
    backup: Backup,
) -> Result<RestoreOutcome, RestoreFailure> {
    let (namespace, name) = (backup.namespace().unwrap_or_default(), backup.name_any());
    tracing::info!("starting restore of backup {namespace}/{name}");
    let tools = operation.tools();
    let source = Source::read(&tools, operation.store, backup).instrument(phase("read archive")).await?;
    let request = request(&tools, restore, &source).await?;
    Ok(restore::run(&request, &source.spool, tools.ports, tools.progress, tools.cancel).await?)
}

/// Finds out what a prepared restore (see [`super::prepare_restore`]) would do, and changes nothing in the cluster. With `explain` the
/// plan also tells the fields in which existing objects differ.
pub async fn plan_restore(
    tools: &Tools<'_>,
    restore: &Restore,
    source: &Source,
    explain: bool,
) -> Result<Plan, RestoreFailure> {
    let request = RestoreRequest { explain, ..request(tools, restore, source).await? };
    Ok(restore::dry_run(&request, &source.spool, tools.ports, tools.progress, tools.cancel).await?)
}

/// What the engine is asked to do for a restore.
async fn request(
    tools: &Tools<'_>,
    restore: &Restore,
    source: &Source,
) -> Result<RestoreRequest, RestoreFailure> {
    let settings = tools.settings;
    Ok(RestoreRequest {
        restore: Arc::new(restore.clone()),
        backup: Arc::new(source.backup.clone()),
        volume_infos: source.volume_infos.clone(),
        actions: tools.restore_actions().await?,
        priorities: settings.priorities.clone(),
        resource_timeout: settings.resource_timeout,
        terminating_timeout: settings.terminating_timeout,
        memory_budget: settings.memory_budget,
        modifiers: config_map::modifiers(tools, restore).await?,
        policies: config_map::restore_policies(tools, restore).await.map_err(RestoreFailure::Policies)?,
        version_priorities: config_map::version_priorities(tools).await.map_err(RestoreFailure::Versions)?,
        max_in_flight: settings.max_in_flight,
        ..RestoreRequest::default()
    })
}

fn is_pending(phase: &RestorePhase) -> bool {
    use RestorePhase::{
        Finalizing, FinalizingPartiallyFailed, WaitingForPluginOperations,
        WaitingForPluginOperationsPartiallyFailed,
    };
    matches!(
        phase,
        Finalizing
            | FinalizingPartiallyFailed
            | WaitingForPluginOperations
            | WaitingForPluginOperationsPartiallyFailed
    )
}

fn finish(restore: &mut Restore, result: &Result<RestoreOutcome, RestoreFailure>) {
    let status = &mut restore.status;
    match result {
        Ok(outcome) => {
            status.warnings = count(&outcome.findings, Level::Warning);
            status.errors = count(&outcome.findings, Level::Error);
            status.progress = Some(RestoreProgress {
                total_items: number(outcome.total_items),
                items_restored: number(outcome.restored_items),
            });
            status.hook_status = Some(HookStatus {
                hooks_attempted: number(outcome.hooks.attempted),
                hooks_failed: number(outcome.hooks.failed),
            });
            status.restore_item_operations_attempted = number(outcome.operations.len() as u64);
            status.phase = Some(match (outcome.operations.is_empty(), status.errors == 0) {
                (true, true) => RestorePhase::Completed,
                (true, false) => RestorePhase::PartiallyFailed,
                (false, true) => RestorePhase::WaitingForPluginOperations,
                (false, false) => RestorePhase::WaitingForPluginOperationsPartiallyFailed,
            });
        }
        Err(RestoreFailure::Engine(RestoreError::Invalid(errors))) => {
            status.phase = Some(RestorePhase::FailedValidation);
            status.validation_errors.clone_from(errors);
        }
        Err(RestoreFailure::Policies(error)) if !error.is_retryable() => {
            status.phase = Some(RestorePhase::FailedValidation);
            status.validation_errors = vec![format!("resourcePolicy: {}", chain(error))];
        }
        Err(RestoreFailure::Modifiers(error)) if !error.is_retryable() => {
            status.phase = Some(RestorePhase::FailedValidation);
            status.validation_errors = vec![format!("resourceModifier: {}", chain(error))];
        }
        Err(error) => {
            tracing::error!(error = chain(error), "restore failed");
            status.phase = Some(RestorePhase::Failed);
            status.failure_reason = chain(error);
        }
    }
}

/// Stores results and lists. A restore has happened even if they can't be stored, so that is only said in the status. Returns whether
/// the store may take them later.
async fn store_results(operation: &Operation<'_>, restore: &mut Restore, outcome: RestoreOutcome) -> bool {
    let name = restore.name_any();
    let store = operation.store;
    let results = outcome.findings.results(restore_line);
    let stored = tokio::try_join!(
        store.write_restore(&name, RestoreArtifact::Results, &results),
        store.write_restore(&name, RestoreArtifact::ResourceList, &outcome.resource_list),
        store.write_restore(&name, RestoreArtifact::ItemOperations, &outcome.operations),
        store.write_restore(&name, RestoreArtifact::VolumeInfo, &outcome.volume_infos),
    );
    let Err(error) = stored else { return false };
    tracing::error!(error = chain(&error), "the results of the restore can't be stored");
    restore.status.errors += 1;
    restore.status.phase = Some(RestorePhase::PartiallyFailed);
    restore.status.failure_reason =
        format!("the restore is done, but its results are not stored: {}", chain(&error));
    error.is_retryable()
}

/// A restore whose new volumes need something of the old ones is not done yet.
async fn await_volumes(operation: &Operation<'_>, restore: &mut Restore) {
    let next = match restore.phase() {
        RestorePhase::Completed => RestorePhase::Finalizing,
        RestorePhase::PartiallyFailed => RestorePhase::FinalizingPartiallyFailed,
        // It is finalized when its operations have ended.
        _ => return,
    };
    match volumes_to_patch(operation.store, restore).await {
        Ok(volumes) if volumes.is_empty() => return,
        Ok(_) => {}
        // The finalizer asks again, and says what is wrong.
        Err(error) => tracing::warn!(error = chain(&error), "the new volumes are not known yet"),
    }
    restore.status.phase = Some(next);
}

async fn store_log(operation: &Operation<'_>, restore: &Restore, log: RunLog) {
    tracing::info!(phase = %restore.phase(), "restore completed");
    let stored = operation.store.put_restore(&restore.name_any(), RestoreArtifact::Log, log_body(log)).await;
    if let Err(error) = stored {
        tracing::warn!(error = chain(&error), "the log of the restore can't be stored");
    }
}
