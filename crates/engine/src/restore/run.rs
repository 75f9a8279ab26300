//! A run of a restore from its request to its outcome, and what its tasks share.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bowline_api::artifact::RestoreOperation;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::client::Client;
use super::crew::Crew;
use super::hook::{self, HookCounter, HookSender};
use super::ledger::Ledger;
use super::namespace::Namespaces;
use super::plan::{LeftOut, Plan};
use super::rules::Rules;
use super::scene::Scene;
use super::volume::Reprovisioned;
use super::{RestoreError, RestoreOutcome, RestoreRequest, unknown};
use crate::archive::spool::Spool;
use crate::budget::Budget;
use crate::catalog::{Catalog, GroupResource, Kind};
use crate::finding::{Finding, Findings, Level};
use crate::port::Ports;
use crate::progress::Progress;
use crate::trace::phase;

/// Everything that the tasks of one run share.
pub(super) struct Run {
    pub(super) request: RestoreRequest,
    pub(super) spool: Spool,
    pub(super) ports: Ports,
    pub(super) client: Client,
    pub(super) ledger: Ledger,
    pub(super) namespaces: Namespaces,
    pub(super) reprovisioned: Reprovisioned,
    pub(super) budget: Budget,
    pub(super) is_dry: bool,
    rules: Rules,
    scene: RwLock<Arc<Scene>>,
    pub(super) findings: Findings,
    operations: Mutex<Vec<RestoreOperation>>,
    places: Arc<Semaphore>,
    ticks: UnboundedSender<Tick>,
    expected: Mutex<Vec<Kind>>,
    pub(super) pods_with_hooks: HookSender,
    pub(super) hook_counter: HookCounter,
}

/// Progress on its way to the observer.
pub(super) enum Tick {
    Found(u64),
    Finished(u64),
}

/// Restores what the request asks for. Objects that exist already are left alone, changed or merged, as its policy says; running it
/// again after a failure goes on where it ended.
pub async fn run(
    request: &RestoreRequest,
    spool: &Spool,
    ports: &Ports,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<RestoreOutcome, RestoreError> {
    let (run, _) = execute(request, spool, ports, progress, cancel, false).await?;
    let (total_items, restored_items) = progress.snapshot();
    let (resource_list, _) = run.ledger.take();
    Ok(RestoreOutcome {
        resource_list,
        volume_infos: Vec::new(),
        operations: std::mem::take(&mut *lock(&run.operations)),
        findings: run.findings,
        total_items,
        restored_items,
        hooks: run.hook_counter.counts(),
    })
}

/// Finds out what [`run`] would do, and changes nothing in the cluster.
pub async fn dry_run(
    request: &RestoreRequest,
    spool: &Spool,
    ports: &Ports,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Plan, RestoreError> {
    let (run, left_out) = execute(request, spool, ports, progress, cancel, true).await?;
    let (_, items) = run.ledger.take();
    Ok(Plan { items, left_out, findings: run.findings.list() })
}

async fn execute(
    request: &RestoreRequest,
    spool: &Spool,
    ports: &Ports,
    progress: &Progress,
    cancel: &CancellationToken,
    dry_run: bool,
) -> Result<(Run, Vec<LeftOut>), RestoreError> {
    let (ticks, mut ticked) = mpsc::unbounded_channel();
    let (pods_with_hooks, pods) = mpsc::unbounded_channel();
    let run = Run::begin(request, spool, ports, (ticks, pods_with_hooks), cancel, dry_run);
    let run = run.instrument(phase("prepare")).await?;
    let run = Arc::new(run);
    let work = async {
        let waves = async {
            let result = Arc::clone(&run).waves().await;
            // The last pod has been announced; only fails when nobody runs hooks any more.
            let _ = run.pods_with_hooks.send(None);
            result
        };
        let (result, ()) = tokio::join!(waves, hook::run_all(Arc::clone(&run), pods));
        (result, run)
    };
    tokio::pin!(work);
    let (result, run) = loop {
        tokio::select! {
            biased;
            Some(tick) = ticked.recv() => tick.tell(progress),
            ended = &mut work => break ended,
        }
    };
    while let Ok(tick) = ticked.try_recv() {
        tick.tell(progress);
    }
    let left_out = result?;
    let run = Arc::into_inner(run).ok_or(RestoreError::Cancelled)?;
    run.verdict(progress)?;
    Ok((run, left_out))
}

impl Tick {
    fn tell(self, progress: &Progress) {
        match self {
            Self::Found(items) => progress.found(items),
            Self::Finished(items) => progress.finished(items),
        }
    }
}

impl Run {
    async fn begin(
        request: &RestoreRequest,
        spool: &Spool,
        ports: &Ports,
        (ticks, pods_with_hooks): (UnboundedSender<Tick>, HookSender),
        cancel: &CancellationToken,
        dry_run: bool,
    ) -> Result<Self, RestoreError> {
        let client = Client::new(ports, request.max_in_flight, cancel);
        let catalog = client.call(|| client.cluster.discover()).await.map_err(RestoreError::Discover)?;
        let rules = Rules::resolve(request, spool, &catalog)?;
        let findings = Findings::default();
        report_broken_groups(&catalog, &findings);
        if spool.is_empty() {
            findings
                .add(Finding::general(Level::Warning, "the backup holds no objects, so nothing is restored"));
        } else {
            unknown::report(&request.restore.spec, spool, &catalog, &findings);
        }
        let scene = Scene::resolve(catalog, &request.actions).await.map_err(RestoreError::Action)?;
        Ok(Self {
            request: request.clone(),
            spool: spool.clone(),
            ports: ports.clone(),
            client,
            ledger: Ledger::new(spool.len(), dry_run),
            namespaces: Namespaces::default(),
            reprovisioned: Reprovisioned::default(),
            budget: Budget::new(request.memory_budget),
            is_dry: dry_run,
            rules,
            scene: RwLock::new(Arc::new(scene)),
            findings,
            operations: Mutex::default(),
            places: Arc::new(Semaphore::new(request.max_in_flight.max(1) * 2)),
            ticks,
            expected: Mutex::default(),
            pods_with_hooks,
            hook_counter: HookCounter::default(),
        })
    }

    /// Tasks for objects, bounded over the whole run.
    pub(super) fn crew(&self) -> Crew {
        Crew::new(&self.places)
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn scene(&self) -> Arc<Scene> {
        Arc::clone(&self.scene.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_scene(&self, scene: Scene) {
        *self.scene.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(scene);
    }

    /// Whether the run was cancelled, or has lost the API server.
    pub(super) fn is_stopped(&self) -> bool {
        self.client.is_stopped()
    }

    /// Notes what restored CRDs will serve.
    pub(super) fn expect_kinds(&self, kinds: Vec<Kind>) {
        lock(&self.expected).extend(kinds);
    }

    /// Takes what was noted.
    pub(super) fn take_expected(&self) -> Vec<Kind> {
        std::mem::take(&mut *lock(&self.expected))
    }

    pub(super) fn add_operation(&self, operation: RestoreOperation) {
        lock(&self.operations).push(operation);
    }

    pub(super) fn add_finding(
        &self,
        level: Level,
        resource: &GroupResource,
        namespace: Option<&str>,
        name: &str,
        message: String,
    ) {
        self.findings.add(Finding::about(level, resource, namespace, name, message));
    }

    /// Counts an object as dealt with. What a stop interrupted is not.
    pub(super) fn finished_one(&self) {
        if !self.is_stopped() {
            self.tick(Tick::Finished(1));
        }
    }

    pub(super) fn tick(&self, tick: Tick) {
        // The receiver lives as long as the run.
        let _ = self.ticks.send(tick);
    }

    fn verdict(&self, progress: &Progress) -> Result<(), RestoreError> {
        if let Some(source) = self.client.lost() {
            let (total, handled) = progress.snapshot();
            return Err(RestoreError::ClusterLost { handled, total, source });
        }
        if self.is_stopped() { Err(RestoreError::Cancelled) } else { Ok(()) }
    }
}

fn report_broken_groups(catalog: &Catalog, findings: &Findings) {
    for broken in catalog.broken() {
        let message = format!(
            "the kinds of {} can't be read and are not restored: {}",
            broken.api_version, broken.message
        );
        findings.add(Finding::general(Level::Warning, message));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
