//! What is there before a server is removed: whose its namespace is, who installed it, and who else needs the definitions.

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::attempt;
use crate::cli::install::objects::NAME;
use crate::cluster::Cluster;
use crate::config::DEFAULT_NAMESPACE;
use crate::failure::Failure;

/// The label by which Helm says that an object is its own, and its value.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
/// Where Helm notes the name of the release.
const RELEASE: &str = "meta.helm.sh/release-name";

/// What a removal depends on.
pub(super) struct Surroundings {
    /// Whether the namespace goes too: it or a Deployment in it has the server's name, `install` labelled it, or it is not there.
    pub(super) namespace_is_ours: bool,
    /// Namespace of a server that stays.
    pub(super) other_server: Option<String>,
    /// Helm's name for the server.
    release: Option<String>,
}

impl Surroundings {
    pub(super) async fn look(cluster: &Cluster) -> anyhow::Result<Self> {
        let labelled = servers(cluster).await?;
        let other =
            labelled.iter().filter_map(ResourceExt::namespace).find(|name| *name != cluster.namespace);
        // By its name also one that lacks the label: a mistyped namespace must not cost an application, but this is none.
        let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let named = api.get_opt(NAME).await;
        let named = named.map_err(|error| attempt(cluster, "get", "deployments.apps").explain(error))?;
        let here = labelled.iter().find(|server| server.namespace().as_ref() == Some(&cluster.namespace));
        Ok(Self {
            namespace_is_ours: named.is_some() || is_named_or_labelled(cluster).await?,
            other_server: other,
            release: here.or(named.as_ref()).and_then(release),
        })
    }

    /// Helm would go on believing in what is gone, and would keep what only it knows of.
    pub(super) fn check_helm(&self, namespace: &str) -> anyhow::Result<()> {
        match &self.release {
            None => Ok(()),
            Some(release) => Err(Failure::new(format!(
                "the server in the namespace {namespace:?} was installed by Helm, as {release:?}"
            ))
            .hint(format!(
                "first `helm uninstall {release} --namespace {namespace}`; run this again for what Helm leaves: the definitions \
                 with their objects"
            ))
            .into()),
        }
    }

    /// Says what will go and what stays.
    pub(super) fn question(&self, namespace: &str, crds_only: bool) -> String {
        let mut gone = Vec::new();
        if !crds_only && self.namespace_is_ours {
            gone.push(format!("the namespace {namespace:?} with everything in it"));
        } else if !crds_only {
            gone.push(format!("what the server made in the namespace {namespace:?}, but not the namespace"));
        }
        gone.push(match &self.other_server {
            None => "all custom resources of velero.io with their definitions".to_owned(),
            Some(other) => format!("no definitions, as the server in {other:?} needs them"),
        });
        format!("To be deleted: {}. The backups in the object store stay.", gone.join("; "))
    }
}

/// The Deployments of servers in all namespaces. Who may not look into others sees those of this one.
async fn servers(cluster: &Cluster) -> anyhow::Result<Vec<Deployment>> {
    let params = ListParams::default().labels(&format!("{COMPONENT}={COMPONENT_VALUE}"));
    let everywhere: Api<Deployment> = Api::all(cluster.client.clone());
    let explain = |error| attempt(cluster, "list", "deployments.apps").explain(error);
    match everywhere.list(&params).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let here: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
            Ok(here.list(&params).await.map_err(explain)?.items)
        }
        Err(error) => Err(explain(error)),
    }
}

fn release(server: &Deployment) -> Option<String> {
    let (label, helm) = MANAGED_BY;
    (server.labels().get(label)? == helm)
        .then(|| server.annotations().get(RELEASE).cloned().unwrap_or_else(|| server.name_any()))
}

/// Whether the namespace has the server's own name or label. One with the name is the server's also without one: an installation that
/// got no further must not block the next.
async fn is_named_or_labelled(cluster: &Cluster) -> anyhow::Result<bool> {
    if cluster.namespace == DEFAULT_NAMESPACE {
        return Ok(true);
    }
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let found = namespaces.get_opt(&cluster.namespace).await;
    let found = found.map_err(|error| attempt(cluster, "get", "namespaces").explain(error))?;
    Ok(found.is_none_or(|found| found.labels().get(COMPONENT).is_some_and(|value| value == COMPONENT_VALUE)))
}
