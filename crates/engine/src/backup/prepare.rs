//! Before the first list: what the cluster serves, which namespaces exist, and what the spec makes of them.

use std::collections::BTreeSet;

use bowline_api::label;
use futures::future::{BoxFuture, try_join_all};

use super::page::Lists;
use super::{BackupError, BackupRequest};
use crate::catalog::{Catalog, GroupResource};
use crate::finding::{Finding, Findings, Level};
use crate::object::Object;
use crate::port::{ClusterError, ListQuery, ObjectRef, Ports};
use crate::retry::Retry;
use crate::select::namespace::{LiveNamespaces, NamespaceLists};
use crate::select::{CheckedSpec, Selection};

/// Most included names for which each namespace is read on its own; for more, one list is cheaper.
const FEW: usize = 16;

/// By Argo CD, on a namespace that it manages.
const ARGO_CD_MANAGED_BY: &str = "argocd.argoproj.io/managed-by";

/// What a run starts from.
pub(super) struct Prepared {
    pub(super) catalog: Catalog,
    pub(super) selection: Selection,
    /// Active namespaces that the spec includes.
    pub(super) namespaces: Vec<Object>,
}

pub(super) async fn prepare(
    request: &BackupRequest,
    ports: &Ports,
    lists: &Lists,
    findings: &Findings,
) -> Result<Prepared, BackupError> {
    let spec = &request.backup.spec;
    let checked = CheckedSpec::new(spec).map_err(BackupError::Invalid)?;
    let catalog = discover(ports).await?;
    for group in catalog.broken() {
        let message = format!(
            "API group {} can't be read, its objects are not in this backup: {}",
            group.api_version, group.message
        );
        findings.add(Finding::general(Level::Warning, message));
    }
    let (namespaces, complete) = read_namespaces(&checked.namespaces, &catalog, ports, lists).await?;
    let names = |labelled: bool| {
        let chosen = namespaces.iter().map(Object::head);
        let chosen =
            chosen.filter(|head| !labelled || head.label(label::EXCLUDE_FROM_BACKUP) == Some("true"));
        chosen.map(|head| head.name.clone()).collect::<BTreeSet<_>>()
    };
    let live = LiveNamespaces { names: names(false), labelled: names(true), complete };
    let missing: Vec<_> =
        checked.namespaces.named().filter(|name| !live.names.contains(*name)).map(str::to_owned).collect();
    let policies = request.policies.as_deref().cloned().unwrap_or_default();
    let (selection, problems) = Selection::resolve(spec, checked, policies, &live, &catalog);
    if !problems.errors.is_empty() {
        return Err(BackupError::Invalid(problems.errors));
    }
    problems.warnings.into_iter().for_each(|warning| findings.add(Finding::general(Level::Warning, warning)));
    report_missing(&missing, &selection, &catalog, findings);
    let namespaces = included(namespaces, &selection, findings);
    Ok(Prepared { catalog, selection, namespaces })
}

/// A run that reads single objects again: what belongs to the backup was chosen when it was made.
pub(super) async fn prepare_to_finalize(ports: &Ports) -> Result<Prepared, BackupError> {
    let catalog = discover(ports).await?;
    Ok(Prepared { selection: Selection::everything(&catalog), catalog, namespaces: Vec::new() })
}

async fn discover(ports: &Ports) -> Result<Catalog, BackupError> {
    Retry::API.run(&*ports.clock, || ports.cluster.discover()).await.map_err(BackupError::Discover)
}

/// A mistyped name must not look like a good backup: where namespaces are saved themselves a missing one is an error, as in Velero,
/// else a warning.
fn report_missing(missing: &[String], selection: &Selection, catalog: &Catalog, findings: &Findings) {
    let collected =
        catalog.get(&GroupResource::new("", "namespaces")).is_some_and(|kind| selection.collects(kind));
    let level = if collected { Level::Error } else { Level::Warning };
    for name in missing {
        let message = format!("namespace {name:?} is included but does not exist; is its name right?");
        findings.add(Finding::general(level, message));
    }
}

/// Drops the namespaces that are not included or not active, and warns where that is unexpected.
fn included(namespaces: Vec<Object>, selection: &Selection, findings: &Findings) -> Vec<Object> {
    let selected: Vec<Object> = namespaces
        .into_iter()
        .filter(|object| selection.namespaces().contains(&object.head().name))
        .collect();
    if selected.is_empty() {
        let message = "no namespace is included, so no namespaced object is saved; check the patterns";
        findings.add(Finding::general(Level::Warning, message));
    }
    let managed = selected.iter().filter(|object| object.head().label(ARGO_CD_MANAGED_BY).is_some());
    let managed: Vec<_> = managed.map(|object| object.head().name.as_str()).collect();
    if !managed.is_empty() {
        let message = format!(
            "namespaces managed by Argo CD are included, which may undo a restore: {}",
            managed.join(", ")
        );
        findings.add(Finding::general(Level::Warning, message));
    }
    selected.into_iter().filter(is_active).collect()
}

pub(super) fn is_active(namespace: &Object) -> bool {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct View {
        status: Status,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Status {
        phase: Option<String>,
    }
    namespace.view::<View>().is_ok_and(|view| view.status.phase.as_deref() == Some("Active"))
}

/// The namespaces that matter, and whether these are all that exist: all, or those that are named. A user who may not list namespaces
/// can still back up named ones.
async fn read_namespaces(
    wanted: &NamespaceLists,
    catalog: &Catalog,
    ports: &Ports,
    lists: &Lists,
) -> Result<(Vec<Object>, bool), BackupError> {
    let resource = GroupResource::new("", "namespaces");
    let failed = |source| BackupError::List { resource: resource.to_string(), source };
    let kind = catalog.get(&resource).ok_or_else(|| {
        failed(ClusterError::NotFound { message: "the cluster does not serve namespaces".into() })
    })?;
    let named: Vec<&str> = wanted.named().collect();
    let few = !wanted.needs_all() && named.len() <= FEW;
    let mut list = lists.open(ports, kind, ListQuery::default());
    let mut found = Vec::new();
    let result = loop {
        match list.next().await {
            Ok(Some((page, _))) => {
                // The first page is worth a look: mostly it holds them all.
                let more = page.continue_token.is_some();
                found.extend(page.items);
                if more && few {
                    break Ok(false);
                }
            }
            Ok(None) => break Ok(true),
            Err(error) => break Err(error),
        }
    };
    match result {
        Ok(true) => return Ok((found, true)),
        Ok(false) => {}
        Err(ClusterError::Forbidden { .. }) if !wanted.needs_all() => {}
        Err(error) => return Err(failed(error)),
    }
    let get =
        named.iter().map(|name| ObjectRef { kind: kind.clone(), namespace: None, name: (*name).to_owned() });
    let get = get.map(|namespace| -> BoxFuture<'_, _> {
        Box::pin(async move {
            match Retry::API.run(&*ports.clock, || ports.cluster.get(&namespace)).await {
                Ok(object) => Ok(Some(object)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
    });
    let found = try_join_all(get.collect::<Vec<_>>()).await.map_err(failed)?;
    Ok((found.into_iter().flatten().collect(), false))
}
