//! `uninstall`: removes what `install` made. The backups in the object store stay.

use std::time::Duration;

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::install::objects::{NAME as DEPLOYMENT, binding_name};
use crate::cluster::{Attempt, Cluster, is_not_found};
use crate::config::DEFAULT_NAMESPACE;
use crate::failure::Failure;
use crate::session::Session;

/// Kinds whose objects hold finalizers that a running server removes.
const WITH_FINALIZERS: [(&str, &str); 3] =
    [("v1", "Restore"), ("v2alpha1", "DataUpload"), ("v2alpha1", "DataDownload")];
/// How long the server may take to remove them.
const GRACE: Duration = Duration::from_mins(1);
/// How long the namespace may take to vanish.
const NAMESPACE_LIMIT: Duration = Duration::from_mins(5);
/// How often to look.
const PACE: Duration = Duration::from_millis(500);

/// Remove the server and the custom resources from the cluster
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Uninstall {
    /// Do not ask
    #[arg(long)]
    force: bool,
    /// Wait until everything is gone: this is always done
    #[arg(long)]
    wait: bool,
}

const EXAMPLES: &str = "
# Asks first. The backups stay in their bucket, and are there again after the next installation
{program} uninstall
# From another namespace, without a question
{program} uninstall --namespace backups --force";

impl Uninstall {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        if !self.force && !session.environment.stdin_terminal {
            return Err(Failure::new("nobody is here to confirm that the server is removed")
                .hint("add --force to remove it without being asked")
                .into());
        }
        if !self.force
            && !session.screen.confirm(&format!(
                "The namespace {namespace:?} with everything in it and all custom resources of velero.io will be deleted, the \
                 backups in the object store stay. Continue?"
            ))?
        {
            return Err(Failure::new("nothing is deleted").hint("--force does not ask").into());
        }
        let cluster = session.cluster().await?;
        for (version, kind) in WITH_FINALIZERS {
            release(&cluster, version, kind).await?;
        }
        if is_ours(&cluster).await? {
            delete_namespace(session, &cluster).await?;
        } else {
            session.screen.note(format!("Namespace/{namespace}: kept, no server is installed in it"));
        }
        let bindings: Api<ClusterRoleBinding> = Api::all(cluster.client.clone());
        delete(session, &cluster, &bindings, "ClusterRoleBinding", &binding_name(namespace)).await?;
        let roles: Api<ClusterRole> = Api::all(cluster.client.clone());
        delete(session, &cluster, &roles, "ClusterRole", &binding_name(namespace)).await?;
        delete_definitions(session, &cluster).await?;
        Ok(session
            .screen
            .line("The server is uninstalled. The backups in the object store are still there.")?)
    }
}

fn attempt<'a>(cluster: &'a Cluster, verb: &'static str, resource: &str) -> Attempt<'a> {
    Attempt { cluster, verb, resource: resource.to_owned() }
}

/// Deletes all objects of a kind in the server's namespace. What the server does not let go in time is taken from it.
async fn release(cluster: &Cluster, version: &str, kind: &str) -> anyhow::Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(bowline_api::GROUP, version, kind));
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
    for object in remaining(cluster, &api, &resource).await? {
        ignore_missing(api.delete(&object.name_any(), &DeleteParams::default()).await)
            .map_err(|error| attempt(cluster, "delete", &resource.plural).explain(error))?;
    }
    let start = Instant::now();
    while !remaining(cluster, &api, &resource).await?.is_empty() && start.elapsed() < GRACE {
        sleep(PACE).await;
    }
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    for object in remaining(cluster, &api, &resource).await? {
        ignore_missing(api.patch(&object.name_any(), &PatchParams::default(), &free).await)
            .map_err(|error| attempt(cluster, "patch", &resource.plural).explain(error))?;
    }
    Ok(())
}

/// The objects that are there; none where the kind is not known.
async fn remaining(
    cluster: &Cluster,
    api: &Api<DynamicObject>,
    resource: &ApiResource,
) -> anyhow::Result<Vec<DynamicObject>> {
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(error) if is_not_found(&error) => Ok(Vec::new()),
        Err(error) => Err(attempt(cluster, "list", &resource.plural).explain(error)),
    }
}

fn ignore_missing<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Err(error) if !is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}

async fn delete<K>(
    session: &Session,
    cluster: &Cluster,
    api: &Api<K>,
    kind: &str,
    name: &str,
) -> anyhow::Result<()>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => session.screen.note(format!("{kind}/{name}: deleted")),
        Err(error) if is_not_found(&error) => session.screen.note(format!("{kind}/{name}: not there")),
        Err(error) => return Err(attempt(cluster, "delete", kind).explain(error)),
    }
    Ok(())
}

/// Whether the namespace is that of a server: a mistyped name must not cost an application. One that is not there is, and so is the
/// one that is named for the server, with or without one: an installation that got no further must not block the next.
async fn is_ours(cluster: &Cluster) -> anyhow::Result<bool> {
    if cluster.namespace == DEFAULT_NAMESPACE {
        return Ok(true);
    }
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let found = namespaces.get_opt(&cluster.namespace).await;
    let found = found.map_err(|error| attempt(cluster, "get", "namespaces").explain(error))?;
    let Some(found) = found else { return Ok(true) };
    if found.labels().get(COMPONENT).is_some_and(|value| value == COMPONENT_VALUE) {
        return Ok(true);
    }
    let servers: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let server = servers.get_opt(DEPLOYMENT).await;
    Ok(server.map_err(|error| attempt(cluster, "get", "deployments.apps").explain(error))?.is_some())
}

async fn delete_namespace(session: &Session, cluster: &Cluster) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = &cluster.namespace;
    delete(session, cluster, &api, "Namespace", name).await?;
    let start = Instant::now();
    while api
        .get_opt(name)
        .await
        .map_err(|error| attempt(cluster, "get", "namespaces").explain(error))?
        .is_some()
    {
        if start.elapsed() > NAMESPACE_LIMIT {
            return Err(Failure::new(format!("the namespace {name:?} is still there after 5 minutes"))
                .hint(format!(
                    "see what holds it: `kubectl get namespace {name} -o yaml`; then run this again"
                ))
                .into());
        }
        sleep(PACE).await;
    }
    Ok(())
}

async fn delete_definitions(session: &Session, cluster: &Cluster) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let params = ListParams::default().labels(&format!("{COMPONENT}={COMPONENT_VALUE}"));
    let list = async || {
        let list = api.list(&params).await;
        list.map_err(|error| attempt(cluster, "list", "customresourcedefinitions").explain(error))
    };
    for definition in list().await?.items {
        delete(session, cluster, &api, "CustomResourceDefinition", &definition.name_any()).await?;
    }
    let start = Instant::now();
    while let Some(definition) = list().await?.items.first() {
        if start.elapsed() > GRACE {
            let name = definition.name_any();
            return Err(Failure::new(format!("{name} is still there after {}s", GRACE.as_secs()))
                .hint(format!("objects with finalizers may hold it: `kubectl get {name} -A -o yaml`"))
                .into());
        }
        sleep(PACE).await;
    }
    Ok(())
}
