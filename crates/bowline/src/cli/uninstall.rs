//! `uninstall`: removes what `install` made. The backups in the object store stay.

mod surroundings;

use std::time::Duration;

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use bowline_server::{DOWNLOAD_KEY, Election};
use surroundings::Surroundings;

use super::install::objects::binding_name;
use crate::cluster::{Attempt, Cluster, is_not_found};
use crate::failure::Failure;
use crate::output::screen::Answer;
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
///
/// The namespace goes with everything in it when it is called `velero` or `install` labelled it; another one stays, and only what the server
/// itself made is deleted from it. The custom resource definitions stay as long as a server in another namespace needs them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Uninstall {
    /// Remove the custom resource definitions with all objects of their kinds, and nothing else
    #[arg(long)]
    crds_only: bool,
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
        let asks_first = !self.force && !session.environment.stdin_terminal;
        if asks_first && !agreed(session, "")? {
            return Ok(());
        }
        let cluster = session.cluster().await?;
        let surroundings = Surroundings::look(&cluster).await?;
        if !self.crds_only {
            surroundings.check_helm(namespace)?;
        }
        let asks_now = !self.force && !asks_first;
        if asks_now && !agreed(session, &surroundings.question(namespace, self.crds_only))? {
            return Ok(());
        }
        for (version, kind) in WITH_FINALIZERS {
            release(&cluster, version, kind).await?;
        }
        if !self.crds_only {
            remove_server(session, &cluster, &surroundings).await?;
        }
        match &surroundings.other_server {
            None => delete_definitions(session, &cluster).await?,
            Some(other) => session.screen.note(format!(
                "CustomResourceDefinition: kept, the server in the namespace {other:?} needs them"
            )),
        }
        let what = match surroundings.namespace_is_ours {
            _ if self.crds_only => "The definitions are deleted.".to_owned(),
            true => "The server is uninstalled.".to_owned(),
            false => format!("No server is in the namespace {namespace:?} any more."),
        };
        Ok(session.screen.line(format!("{what} The backups in the object store are still there."))?)
    }
}

fn agreed(session: &Session, question: &str) -> anyhow::Result<bool> {
    match session.screen.confirm(question)? {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::Nobody => Err(Failure::new("nobody is here to confirm that the server is removed")
            .hint("add --force to remove it without being asked")
            .into()),
    }
}

/// Its namespace, or what it made in somebody else's, and its rights.
async fn remove_server(
    session: &Session,
    cluster: &Cluster,
    surroundings: &Surroundings,
) -> anyhow::Result<()> {
    if surroundings.namespace_is_ours {
        delete_namespace(session, cluster).await?;
    } else {
        clear_namespace(session, cluster).await?;
    }
    let name = binding_name(&cluster.namespace);
    let bindings: Api<ClusterRoleBinding> = Api::all(cluster.client.clone());
    delete(session, cluster, &bindings, "ClusterRoleBinding", &name).await?;
    let roles: Api<ClusterRole> = Api::all(cluster.client.clone());
    delete(session, cluster, &roles, "ClusterRole", &name).await
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

/// Deletes from a namespace that somebody else made what the server made in it. Its definitions take their objects with them.
async fn clear_namespace(session: &Session, cluster: &Cluster) -> anyhow::Result<()> {
    let namespace = &cluster.namespace;
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
    delete(session, cluster, &secrets, "Secret", DOWNLOAD_KEY).await?;
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    delete(session, cluster, &leases, "Lease", Election::LEASE).await?;
    session.screen.note(format!(
        "Namespace/{namespace}: kept, `install` did not make it; `kubectl delete namespace {namespace}` deletes it with \
         everything in it"
    ));
    Ok(())
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
