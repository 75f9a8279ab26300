//! Lists the objects of a kind, across the cluster or namespace by namespace, whichever is less work.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bowline_api::trace::TARGET;
use futures::future::BoxFuture;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::BackupError;
use super::each::each;
use super::held::UNORDERED;
use super::page::PagedList;
use super::run::Run;
use super::store::Mode;
use crate::action::chain::{ResolvedAction, ResolvedBlockAction};
use crate::budget::Share;
use crate::catalog::{GroupResource, Kind};
use crate::finding::{Finding, Level, Place, chain};
use crate::object::{Object, Page};
use crate::port::{ClusterError, ListQuery};
use crate::retry::is_away;

/// Namespaces of one kind that are listed at once.
const NAMESPACES_AT_ONCE: usize = 4;

/// What is known of a kind before its first object.
pub(super) struct KindPlan {
    pub(super) kind: Arc<Kind>,
    pub(super) resource: GroupResource,
    /// `plural.group`.
    pub(super) name: String,
    /// Whether this is the version that the server prefers.
    pub(super) preferred: bool,
    /// Whether the resource lists allow the kind.
    pub(super) allowed: bool,
    pub(super) role: Role,
    /// Indices of the actions that are for the kind.
    pub(super) actions: Vec<usize>,
    /// Indices of the item block actions that are for the kind; none for versions that are not preferred.
    pub(super) block_actions: Vec<usize>,
}

/// What is special about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Pod,
    Claim,
    Volume,
    Namespace,
    Other,
}

/// A kind that is being listed.
struct Listing<'p> {
    plan: &'p KindPlan,
    /// Objects that the lists held so far.
    retrieved: &'p AtomicU64,
}

impl Deref for Listing<'_> {
    type Target = KindPlan;

    fn deref(&self) -> &KindPlan {
        self.plan
    }
}

/// What is left to list.
enum Scope<'n> {
    Cluster,
    Namespaces(Vec<&'n str>),
    Done,
}

impl Run<'_> {
    pub(super) fn plan(&self, kind: &Arc<Kind>) -> KindPlan {
        let resource = kind.group_resource();
        let is_for = |(index, action): (usize, &ResolvedAction)| action.is_for(&resource).then_some(index);
        let preferred = self.catalog.get(&resource).is_none_or(|preferred| preferred.version == kind.version);
        let blocks = |(index, action): (usize, &ResolvedBlockAction)| {
            (preferred && action.is_for(&resource)).then_some(index)
        };
        let role = match resource.to_string().as_str() {
            "pods" => Role::Pod,
            "persistentvolumeclaims" => Role::Claim,
            "persistentvolumes" => Role::Volume,
            "namespaces" => Role::Namespace,
            _ => Role::Other,
        };
        KindPlan {
            name: resource.to_string(),
            preferred,
            allowed: role == Role::Namespace || self.selection.allows(kind),
            role,
            actions: self.actions.iter().enumerate().filter_map(is_for).collect(),
            block_actions: self.block_actions.iter().enumerate().filter_map(blocks).collect(),
            kind: Arc::clone(kind),
            resource,
        }
    }

    /// Pods, then claims, then volumes; the blocks of pods that have hooks as soon as their pods are known: a claim or volume of a block
    /// must not be stored outside of its hooks.
    pub(super) async fn collect_workloads(&self, plans: Vec<KindPlan>) -> Result<(), BackupError> {
        for plan in plans {
            self.collect_kind(&plan).await?;
            self.store_blocks().await?;
        }
        Ok(())
    }

    /// Lists and stores all objects of a kind.
    pub(super) async fn collect_kind(&self, plan: &KindPlan) -> Result<(), BackupError> {
        let span = tracing::info_span!(
            target: TARGET,
            "kind",
            otel.name = "collect kind",
            resource = plan.name,
            version = plan.kind.version,
            retrieved = Empty
        );
        self.list_kind(plan, &span).instrument(span.clone()).await
    }

    async fn list_kind(&self, plan: &KindPlan, span: &Span) -> Result<(), BackupError> {
        self.store_ordered(plan).await?;
        let retrieved = AtomicU64::new(0);
        let plan = &Listing { plan, retrieved: &retrieved };
        for labels in self.selection.label_queries() {
            let query = ListQuery { namespace: None, label_selector: labels, field_selector: String::new() };
            let scope = match self.selection.namespaces().named().filter(|_| plan.kind.namespaced) {
                None => Scope::Cluster,
                Some(names) if names.len() < 2 => Scope::Namespaces(names),
                Some(names) => self.choose_scope(plan, &query, names).await?,
            };
            match scope {
                Scope::Cluster => self.list_cluster(plan, &query).await?,
                Scope::Namespaces(names) => self.list_namespaces(plan, &query, names).await?,
                Scope::Done => {}
            }
        }
        span.record("retrieved", retrieved.load(Relaxed));
        self.log_kind(plan, retrieved.load(Relaxed));
        Ok(())
    }

    fn log_kind(&self, plan: &KindPlan, retrieved: u64) {
        let (group, resource) = (plan.kind.api_version(), plan.resource.resource.as_str());
        if retrieved == 0 {
            tracing::debug!(group, resource, "Retrieved 0 items");
            return;
        }
        tracing::info!(group, resource, "Retrieved {retrieved} items");
        let (total, done) = self.progress.snapshot();
        tracing::info!(
            group,
            resource,
            progress = "",
            "Backed up {done} items out of an estimated total of {total} (estimate will change throughout the backup)"
        );
    }

    /// Looks at the first page across the cluster. Where most of a large cluster's objects are not wanted, they are not read: the
    /// answer is then to list by namespace. Otherwise everything is stored already when this returns.
    async fn choose_scope<'n>(
        &self,
        plan: &Listing<'_>,
        query: &ListQuery,
        names: Vec<&'n str>,
    ) -> Result<Scope<'n>, BackupError> {
        let mut list = self.lists.open(self.ports, &plan.kind, query.clone());
        let Ok(first) = list.next().await else {
            // The list by namespace meets the same trouble, and reports it by namespace.
            return Ok(Scope::Namespaces(names));
        };
        let found = first.as_ref().map_or(0, |(page, _)| total(page, !query.label_selector.is_empty()));
        if found > 1000.max(500 * names.len() as u64) {
            return Ok(Scope::Namespaces(names));
        }
        self.take_pages(plan, list, first).await?;
        Ok(Scope::Done)
    }

    async fn list_cluster(&self, plan: &Listing<'_>, query: &ListQuery) -> Result<(), BackupError> {
        let mut list = self.lists.open(self.ports, &plan.kind, query.clone());
        match list.next().await {
            Ok(first) => self.take_pages(plan, list, first).await,
            Err(ClusterError::Forbidden { .. }) if plan.kind.namespaced => {
                let names = self.namespaces.iter().map(|object| object.head().name.as_str()).collect();
                self.list_namespaces(plan, query, names).await
            }
            Err(error) => self.list_failed(plan, None, error).await,
        }
    }

    async fn list_namespaces(
        &self,
        plan: &Listing<'_>,
        query: &ListQuery,
        names: Vec<&str>,
    ) -> Result<(), BackupError> {
        let list = |name: &str| -> BoxFuture<'_, _> {
            let name = name.to_owned();
            Box::pin(async move {
                let query = ListQuery { namespace: Some(name.clone()), ..query.clone() };
                let mut list = self.lists.open(self.ports, &plan.kind, query);
                match list.next().await {
                    Ok(first) => self.take_pages(plan, list, first).await,
                    Err(error) => self.list_failed(plan, Some(&name), error).await,
                }
            })
        };
        each(NAMESPACES_AT_ONCE, names, &list).await
    }

    /// Stores a page while the next one is on its way.
    async fn take_pages(
        &self,
        plan: &Listing<'_>,
        mut list: PagedList<'_>,
        first: Option<(Page, Share)>,
    ) -> Result<(), BackupError> {
        let mut current = first;
        while let Some((page, share)) = current {
            let take = async {
                let taken = self.take(plan, page).await;
                drop(share);
                taken
            };
            let (taken, next) = tokio::join!(take, list.next());
            taken?;
            current = match next {
                Ok(next) => next,
                Err(error) => return self.list_failed(plan, list.namespace(), error).await,
            };
        }
        Ok(())
    }

    async fn take(&self, plan: &Listing<'_>, page: Page) -> Result<(), BackupError> {
        for object in page.items {
            plan.retrieved.fetch_add(1, Relaxed);
            self.take_listed(plan, object, UNORDERED).await?;
        }
        Ok(())
    }

    /// Takes an object from a list; `rank` is its place in `orderedResources`.
    pub(super) async fn take_listed(
        &self,
        plan: &KindPlan,
        object: Object,
        rank: usize,
    ) -> Result<(), BackupError> {
        if let Some(namespace) = object.head().namespace.as_deref() {
            if !self.selection.namespaces().contains(namespace) {
                return Ok(());
            }
            if self.selection.has_labels() && self.selection.wants(&plan.kind, object.head(), self.catalog) {
                self.ledger.namespace_used(namespace);
            }
        }
        self.enter(plan, object, Mode::Listed(rank)).await
    }

    /// A list failed for good. Its objects are missing, which is an error in the results; only a cluster that is gone altogether
    /// ends the backup.
    pub(super) async fn list_failed(
        &self,
        plan: &KindPlan,
        namespace: Option<&str>,
        error: ClusterError,
    ) -> Result<(), BackupError> {
        let gone = matches!(error, ClusterError::Unauthorized { .. }) || error.is_retryable();
        if gone && is_away(&*self.ports.cluster).await {
            return Err(BackupError::List { resource: plan.name.clone(), source: error });
        }
        let (level, message) = if error.is_not_found() {
            (Level::Warning, format!("{} are not served any more, so none are in this backup", plan.name))
        } else {
            let place = namespace.map(|name| format!(" in namespace {name}")).unwrap_or_default();
            let message = format!(
                "failed to list {}{place}, these objects are missing in this backup: {}",
                plan.name,
                chain(&error)
            );
            (Level::Error, message)
        };
        let place = namespace.map_or(Place::Velero, |name| Place::Namespace(name.to_owned()));
        self.findings.add(Finding {
            level,
            place,
            resource: Some(plan.resource.clone()),
            name: None,
            message,
        });
        Ok(())
    }
}

/// How many objects a list has, judged by its first page.
fn total(page: &Page, by_label: bool) -> u64 {
    let remaining = match (&page.continue_token, page.remaining) {
        (None, _) => 0,
        (Some(_), Some(remaining)) => remaining,
        // With a label selector the server does not count; but then it sends only what is selected.
        (Some(_), None) if by_label => 0,
        (Some(_), None) => u64::MAX,
    };
    remaining.saturating_add(page.items.len() as u64)
}
