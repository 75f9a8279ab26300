//! What happens before the first controller: connect, check that the cluster is prepared, build what all share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bowline_api::Kind;
use bowline_engine::finding::chain;
use bowline_engine::port::Ports;
use bowline_reconcile::{Cache, Fence, Reporter, fenced_client};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapter::{self, ApiServer, ConnectError, Connection};
use crate::config::Config;
use crate::context::{Caches, Context};
use crate::download::Signer;
use crate::failure::ApiError;
use crate::fenced::{FencedExec, FencedStores};
use crate::host::Host;
use crate::location::Stores;
use crate::metrics::Metrics;

/// How long a server that starts waits for an API server that does not answer yet.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(3);

/// Why the server can't start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("{source} ({})", .source.hint())]
    Connect { source: ConnectError },
    #[error("the namespace {0:?} does not exist (create it, or name another with --namespace)")]
    Namespace(String),
    #[error("the cluster does not serve {} (apply the output of `bowline install --crds-only --dry-run -o yaml`)", .0.join(", "))]
    Kinds(Vec<String>),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("failed to prepare the metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("the server was stopped before it had started")]
    Stopped,
}

/// Connects; an API server that is not up yet gets some time.
pub(crate) async fn connect(config: &Config, stop: &CancellationToken) -> Result<Connection, StartError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match adapter::connect(&config.connect).await {
            Ok((connection, version)) => {
                tracing::info!(
                    url = connection.url,
                    version = version.git_version,
                    "connected to the API server"
                );
                return Ok(connection);
            }
            Err(ConnectError::Server { url, source })
                if source.is_retryable() && tokio::time::Instant::now() < deadline =>
            {
                tracing::warn!(
                    url,
                    error = chain(&source),
                    "the API server does not answer, will be tried again"
                );
            }
            Err(source) => return Err(StartError::Connect { source }),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return Err(StartError::Stopped),
        }
    }
}

/// Checks that the namespace exists and that every kind is served.
pub(crate) async fn check(client: &kube::Client, namespace: &str) -> Result<(), StartError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get_opt(namespace).await;
    if found.map_err(|error| ApiError::new(format!("read the namespace {namespace}"), error))?.is_none() {
        return Err(StartError::Namespace(namespace.to_owned()));
    }
    let mut missing = Vec::new();
    for (version, kinds) in needed() {
        let served = match client.list_api_group_resources(&version).await {
            Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
            Err(kube::Error::Api(status)) if status.code == 404 => BTreeSet::new(),
            Err(error) => return Err(ApiError::new(format!("read the kinds of {version}"), error).into()),
        };
        missing.extend(kinds.difference(&served).map(|kind| format!("{kind} ({version})")));
    }
    if missing.is_empty() { Ok(()) } else { Err(StartError::Kinds(missing)) }
}

/// The kinds by `group/version`.
fn needed() -> BTreeMap<String, BTreeSet<String>> {
    let mut needed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for crd in bowline_api::crd::crds() {
        for version in crd.spec.versions {
            let version = format!("{}/{}", crd.spec.group, version.name);
            needed.entry(version).or_default().insert(crd.spec.names.plural.clone());
        }
    }
    needed
}

/// Builds what all controllers share, and starts the watches.
pub(crate) async fn context(
    config: Config,
    host: &Host,
    watches: &mut JoinSet<()>,
) -> Result<Context, StartError> {
    // Who may lead has no right yet; who is alone always has.
    let fence = if config.election.is_some() { Fence::closed() } else { Fence::open() };
    let signer = Signer::shared(&host.connection.client, &config.namespace).await;
    let client = fenced_client(&host.connection.client, &fence);
    let mut starter = Starter { client: &client, namespace: &config.namespace, watches };
    let caches = starter.caches();
    Ok(Context {
        ports: ports(host, &client, &fence),
        caches,
        stores: Arc::new(Stores::new(Arc::new(FencedStores::new(Arc::clone(&host.stores), fence.clone())))),
        metrics: Arc::new(Metrics::new(host.registry.clone())?),
        reporter: Reporter::new(client.clone(), "bowline", config.instance.clone()),
        logs: host.logs.clone(),
        signer: Arc::new(signer),
        stop: host.stop.clone(),
        client,
        fence,
        config,
    })
}

fn ports(host: &Host, client: &kube::Client, fence: &Fence) -> Ports {
    let connection = host.connection.through(client.clone());
    Ports {
        cluster: Arc::new(ApiServer::new(&connection)),
        exec: Arc::new(FencedExec::new(Arc::clone(&host.exec), fence.clone())),
        clock: Arc::clone(&host.clock),
    }
}

struct Starter<'a> {
    client: &'a kube::Client,
    namespace: &'a str,
    watches: &'a mut JoinSet<()>,
}

impl Starter<'_> {
    fn caches(&mut self) -> Caches {
        Caches {
            backups: self.cache(),
            restores: self.cache(),
            schedules: self.cache(),
            locations: self.cache(),
            delete_requests: self.cache(),
            download_requests: self.cache(),
            status_requests: self.cache(),
        }
    }

    fn cache<K: Kind>(&mut self) -> Cache<K> {
        let (cache, watch) = Cache::start(self.client, self.namespace);
        self.watches.spawn(watch);
        cache
    }
}
