//! What a restore from a place would do, found out by the engine without changing anything.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use bowline_api::{Backup, Restore};
use bowline_engine::action::restore::builtin;
use bowline_engine::archive::spool::{Limits, Spool};
use bowline_engine::modify::Modifiers;
use bowline_engine::restore::{Plan, RestoreRequest, dry_run};
use bowline_server::operation::{self, Operation};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::Place;
use super::place::Access;
use super::run::{Run, check};
use crate::failure::{Failure, causes};
use crate::session::Session;

/// Most entries of an archive.
const MAX_ENTRIES: u64 = 10_000_000;

/// The plan of a restore from a place.
pub(crate) async fn plan(session: &Session, mut restore: Restore, place: Place) -> anyhow::Result<Plan> {
    check(&operation::validate_restore(&restore.spec))?;
    let run = Run::new(session, place, Access::Read).await?;
    let backup = run.backup(&restore.spec.backup_name).await?;
    let modifiers = modifiers(session, &restore).await?;
    restore.metadata.namespace = Some(session.namespace().to_owned());
    run.prepare_restore(&mut restore);
    let namespace = modifiers.is_some().then_some(session.namespace());
    let stopped = "the dry run was stopped";
    run.watched(stopped, namespace, async |operation| {
        Ok(find_out(&operation, restore, backup, modifiers).await)
    })
    .await?
}

async fn find_out(
    operation: &Operation<'_>,
    restore: Restore,
    backup: Backup,
    modifiers: Option<Arc<Modifiers>>,
) -> anyhow::Result<Plan> {
    let (name, settings) = (backup.metadata.name.clone().unwrap_or_default(), operation.settings);
    let volume_infos = operation.store.volume_info(&name).await?;
    let archive = operation.store.contents(&name).await?;
    let limits = Limits { total_bytes: settings.max_extraction, entries: MAX_ENTRIES };
    let spool = Spool::read(archive.body.map_err(io::Error::other), limits, operation.scratch);
    let spool = spool.await.context("failed to read the backup's archive")?;
    let request = RestoreRequest {
        restore: Arc::new(restore),
        backup: Arc::new(backup),
        volume_infos,
        actions: builtin(operation.ports, operation.namespace).await?,
        priorities: settings.priorities.clone(),
        resource_timeout: settings.resource_timeout,
        terminating_timeout: settings.terminating_timeout,
        memory_budget: settings.memory_budget,
        modifiers,
        max_in_flight: settings.max_in_flight,
        ..RestoreRequest::default()
    };
    Ok(dry_run(&request, &spool, operation.ports, operation.progress, operation.cancel).await?)
}

/// The rules of the ConfigMap that the restore names, from the server's namespace.
async fn modifiers(session: &Session, restore: &Restore) -> anyhow::Result<Option<Arc<Modifiers>>> {
    let Some(reference) = &restore.spec.resource_modifier else { return Ok(None) };
    let (name, namespace) = (&reference.name, session.namespace());
    let cluster = session.cluster().await?;
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
    let found = api.get_opt(name).await.with_context(|| format!("failed to read the ConfigMap {name:?}"))?;
    let data: BTreeMap<String, String> = found
        .ok_or_else(|| {
            Failure::new(format!("there is no ConfigMap {name:?} in the namespace {namespace:?}"))
                .hint("name another namespace with --namespace")
        })?
        .data
        .unwrap_or_default();
    let rules = Modifiers::parse(&data).map_err(|error| {
        Failure::new(format!("the ConfigMap {name:?} holds no valid resource modifiers: {}", causes(&error)))
    })?;
    Ok(Some(Arc::new(rules)))
}
