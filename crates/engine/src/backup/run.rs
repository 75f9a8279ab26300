//! One run from its request to its outcome.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::collect::KindPlan;
use super::each::each;
use super::held::Held;
use super::ledger::Ledger;
use super::page::Lists;
use super::prepare::{Prepared, prepare, prepare_to_finalize};
use super::related::Related;
use super::written::Written;
use super::{BackupError, BackupOutcome, BackupRequest, Purpose};
use crate::action::ItemId;
use crate::action::chain::{Resolved, ResolvedAction, ResolvedBlockAction};
use crate::archive::{pipe, writer::Writer};
use crate::catalog::{Catalog, GroupResource, Kind};
use crate::finding::{Finding, Findings, Level, Place};
use crate::hook::backup::{HookCounter, HookRules};
use crate::object::{Head, Object};
use crate::port::Ports;
use crate::progress::Progress;
use crate::select::Selection;
use crate::trace::phase;
use crate::volume::ledger::VolumeReport;

/// LIST requests in flight. The API server answers each on a thread of its own; more only adds memory.
const LIST_REQUESTS: usize = 6;

/// Kinds whose lists are open at once. Above [`LIST_REQUESTS`], so that one kind's processing never leaves the server idle.
const OPEN_KINDS: usize = 12;

/// What a run stands on.
pub(super) struct Base<'a> {
    request: &'a BackupRequest,
    ports: &'a Ports,
    progress: &'a Progress,
    pub(super) findings: Findings,
    lists: Lists,
    prepared: Prepared,
    hooks: HookRules,
    actions: Vec<ResolvedAction>,
    block_actions: Vec<ResolvedBlockAction>,
}

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) request: &'a BackupRequest,
    pub(super) ports: &'a Ports,
    pub(super) progress: &'a Progress,
    pub(super) findings: &'a Findings,
    pub(super) lists: &'a Lists,
    pub(super) catalog: &'a Catalog,
    pub(super) selection: &'a Selection,
    /// Included namespaces that are active.
    pub(super) namespaces: &'a [Object],
    pub(super) actions: &'a [ResolvedAction],
    pub(super) block_actions: &'a [ResolvedBlockAction],
    pub(super) hooks: Hooks<'a>,
    pub(super) writer: Writer,
    pub(super) written: Written,
    pub(super) related: Related,
    pub(super) ledger: Ledger,
}

/// The hooks of a run.
pub(super) struct Hooks<'a> {
    pub(super) rules: &'a HookRules,
    pub(super) counter: HookCounter,
    pub(super) held: Mutex<Vec<Held>>,
    /// What waits for the blocks of held pods, and must not be lost when these are gone when their turn comes.
    pub(super) behind: Mutex<Vec<ItemId>>,
    /// Objects whose related objects are looked after.
    pub(super) searched: Written,
    /// Pods between their hooks.
    pub(super) frozen: Mutex<Vec<Object>>,
}

/// Makes a backup: writes the archive and says what is in it. Nothing is kept when this fails or when `cancel` is cancelled: the
/// archive's reader then sees an error, not an end. Pods that are between their hooks then still get the later ones.
pub async fn run(
    request: &BackupRequest,
    ports: &Ports,
    archive: pipe::Sink,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<BackupOutcome, BackupError> {
    let base = unless(cancel, Base::new(request, ports, progress)).instrument(phase("prepare")).await?;
    let run = base.run(archive);
    if let Err(error) = unless(cancel, Box::pin(run.collect()).instrument(phase("collect"))).await {
        run.thaw().await;
        return Err(error);
    }
    let Run { writer, ledger, hooks, .. } = run;
    let counts = hooks.counter.counts();
    let written = unless(cancel, async { writer.finish().await.map_err(BackupError::Archive) }).await?;
    tracing::info!(bytes = written.bytes, tar_bytes = written.tar_bytes, "archive written");
    let ((total_items, stored_items), kept) = ledger.into_parts();
    let volumes = kept.volumes.report(&request.volume_rules());
    report_volumes(&volumes, &base.findings);
    Ok(BackupOutcome {
        resource_list: kept.resource_list,
        volume_infos: volumes.infos,
        operations: kept.operations,
        findings: base.findings,
        total_items,
        stored_items,
        hooks: counts,
    })
}

/// Does some work unless the run is cancelled before its end.
async fn unless<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, BackupError>>,
) -> Result<T, BackupError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(BackupError::Cancelled),
        done = work => done,
    }
}

impl<'a> Base<'a> {
    /// Looks at the cluster and the spec.
    pub(super) async fn new(
        request: &'a BackupRequest,
        ports: &'a Ports,
        progress: &'a Progress,
    ) -> Result<Self, BackupError> {
        let findings = Findings::default();
        let lists = Lists::new(request.memory_budget, request.page_size, LIST_REQUESTS);
        let prepared = match request.purpose {
            Purpose::Finalize => prepare_to_finalize(ports).await?,
            Purpose::Keep | Purpose::Compare => prepare(request, ports, &lists, &findings).await?,
        };
        let spec = &request.backup.spec;
        let hooks = HookRules::resolve(&spec.hooks, &prepared.catalog).map_err(BackupError::Invalid)?;
        let actions =
            Resolved::all(&request.actions, &prepared.catalog).await.map_err(BackupError::Action)?;
        let block_actions = Resolved::all(&request.block_actions, &prepared.catalog).await;
        let block_actions = block_actions.map_err(BackupError::Action)?;
        Ok(Self { request, ports, progress, findings, lists, prepared, hooks, actions, block_actions })
    }

    /// A run that writes to `archive` and has done nothing yet.
    pub(super) fn run(&self, archive: pipe::Sink) -> Run<'_> {
        Run {
            request: self.request,
            ports: self.ports,
            progress: self.progress,
            findings: &self.findings,
            lists: &self.lists,
            catalog: &self.prepared.catalog,
            selection: &self.prepared.selection,
            namespaces: &self.prepared.namespaces,
            actions: &self.actions,
            block_actions: &self.block_actions,
            hooks: Hooks {
                rules: &self.hooks,
                counter: HookCounter::default(),
                held: Mutex::default(),
                behind: Mutex::default(),
                searched: Written::default(),
                frozen: Mutex::default(),
            },
            writer: Writer::new(archive, Arc::clone(&self.ports.clock)),
            written: Written::default(),
            related: Related::default(),
            ledger: Ledger::default(),
        }
    }
}

/// Data that was asked for and is not saved must not go unnoticed.
fn report_volumes(volumes: &VolumeReport, findings: &Findings) {
    let pods = GroupResource::new("", "pods");
    for (namespace, pod, volume) in &volumes.files_wanted {
        let message = format!(
            "the data of the volume {volume:?} is not in this backup: its files were to be saved, but there is nothing to save them with"
        );
        findings.add(Finding::about(Level::Error, &pods, Some(namespace), pod, message));
    }
    if !volumes.snapshots_wanted.is_empty() {
        let message = format!(
            "the data of these persistent volumes is not in this backup, because no snapshotter handles them: {}",
            volumes.snapshots_wanted.join(", ")
        );
        findings.add(Finding::general(Level::Warning, message));
    }
}

impl Run<'_> {
    /// Every list, then what is only known at the end.
    async fn collect(&self) -> Result<(), BackupError> {
        let (workloads, others) = self.plans();
        let workloads = self.collect_workloads(workloads);
        let work =
            |plan: KindPlan| -> BoxFuture<'_, _> { Box::pin(async move { self.collect_kind(&plan).await }) };
        let others = each(OPEN_KINDS, others, &work);
        tokio::try_join!(workloads, others)?;
        // A block may need further objects, and these may belong to pods that have hooks.
        loop {
            self.store_related().await?;
            if !self.store_blocks().await? {
                break;
            }
        }
        self.store_namespaces().await?;
        self.store_definitions().await
    }

    /// The kinds to list: pods, claims and volumes in this order, and all the others. Of kinds that are served under two groups only
    /// the first is listed (behaviour §6.4).
    fn plans(&self) -> (Vec<KindPlan>, Vec<KindPlan>) {
        let mut seen = BTreeSet::new();
        let preferred =
            self.catalog.preferred().filter(|kind| kind.is_restorable() && self.selection.collects(kind));
        let mut kinds: Vec<&Arc<Kind>> = preferred
            .filter(|kind| !kind.group_resource().is("", "namespaces"))
            .filter(|kind| !is_cohabiting(kind) || seen.insert(kind.plural.as_str()))
            .collect();
        if self.request.all_versions {
            let listed: Vec<_> = kinds.iter().map(|kind| kind.group_resource()).collect();
            for resource in &listed {
                kinds.extend(self.not_preferred(resource));
            }
        }
        let rank = |kind: &Kind| match (kind.group.as_str(), kind.plural.as_str()) {
            ("", "pods") => 0,
            ("", "persistentvolumeclaims") => 1,
            ("", "persistentvolumes") => 2,
            _ => 3,
        };
        kinds.sort_by_key(|kind| rank(kind));
        kinds.into_iter().map(|kind| self.plan(kind)).partition(|plan| rank(&plan.kind) < 3)
    }

    /// The versions of a resource besides the preferred one, as far as they are stored.
    pub(super) fn other_versions(&self, resource: &GroupResource) -> Vec<KindPlan> {
        if !self.request.all_versions {
            return Vec::new();
        }
        self.not_preferred(resource).into_iter().map(|kind| self.plan(kind)).collect()
    }

    fn not_preferred(&self, resource: &GroupResource) -> Vec<&Arc<Kind>> {
        let preferred = self.catalog.get(resource).map(|kind| kind.version.as_str());
        let is_other = |kind: &&Arc<Kind>| {
            kind.group_resource() == *resource && preferred.is_some_and(|version| version != kind.version)
        };
        self.catalog.all().iter().filter(is_other).collect()
    }

    /// Reports something about an object, and places it as Velero does: cluster-scoped objects have no place of their own.
    pub(super) fn report(
        &self,
        level: Level,
        resource: &GroupResource,
        head: &Head,
        message: impl Into<String>,
    ) {
        self.report_named(level, resource, head.namespace.as_deref(), &head.name, message);
    }

    pub(super) fn report_named(
        &self,
        level: Level,
        resource: &GroupResource,
        namespace: Option<&str>,
        name: &str,
        message: impl Into<String>,
    ) {
        let mut finding = Finding::about(level, resource, namespace, name, message);
        if finding.place == Place::Cluster {
            finding.place = Place::Velero;
        }
        self.findings.add(finding);
    }
}

/// Kinds that an API server may serve under two groups, with the same objects in both.
fn is_cohabiting(kind: &Kind) -> bool {
    matches!(
        (kind.plural.as_str(), kind.group.as_str()),
        ("deployments" | "daemonsets" | "replicasets", "apps" | "extensions")
            | ("networkpolicies", "networking.k8s.io" | "extensions")
            | ("events", "" | "events.k8s.io")
    )
}
