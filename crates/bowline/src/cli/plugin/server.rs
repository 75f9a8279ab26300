//! The server's Deployment, whose init containers are its plugins.

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::cluster::{Attempt, Cluster};
use crate::failure::Failure;

/// Name of the container that runs the server.
const CONTAINER: &str = "velero";

/// The Deployment of a server, ours or Velero's.
pub(in crate::cli) struct Server {
    pub(in crate::cli) deployment: Deployment,
    pub(in crate::cli) api: Api<Deployment>,
}

impl Server {
    /// Finds it by its label and its container, whatever its name is.
    pub(in crate::cli) async fn find(cluster: &Cluster) -> anyhow::Result<Option<Self>> {
        let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let params = ListParams::default().labels(&format!("{COMPONENT}={COMPONENT_VALUE}"));
        let list = api.list(&params).await.map_err(|error| attempt(cluster, "list").explain(error))?;
        let found = list.items.into_iter().find(|deployment| container(deployment).is_some());
        Ok(found.map(|deployment| Self { deployment, api }))
    }

    /// [`Self::find`], for a server that has to be there.
    pub(in crate::cli) async fn get(cluster: &Cluster) -> anyhow::Result<Self> {
        if let Some(server) = Self::find(cluster).await? {
            return Ok(server);
        }
        cluster.check_namespace().await?;
        let Cluster { namespace, program, .. } = cluster;
        Err(Failure::new(format!("there is no Deployment of a server in the namespace {namespace:?}"))
            .hint("name the server's namespace with --namespace")
            .hint(format!("or install one: `{program} install --help`"))
            .into())
    }

    /// Name of the Deployment.
    pub(in crate::cli) fn name(&self) -> String {
        self.deployment.name_any()
    }

    /// What its pods are.
    pub(in crate::cli) fn pod(&self) -> Option<&PodSpec> {
        self.deployment.spec.as_ref()?.template.spec.as_ref()
    }

    /// The container that runs the server.
    pub(in crate::cli) fn container(&self) -> Option<&Container> {
        container(&self.deployment)
    }

    /// The plugins.
    pub(in crate::cli) fn init_containers(&self) -> &[Container] {
        self.pod().and_then(|pod| pod.init_containers.as_deref()).unwrap_or_default()
    }

    /// Changes the Deployment by a JSON patch: all operations, or none when a test in it fails.
    pub(in crate::cli) async fn patch(&self, cluster: &Cluster, operations: Value) -> anyhow::Result<()> {
        let patch = Patch::Json::<()>(serde_json::from_value(operations)?);
        let done = self.api.patch(&self.name(), &PatchParams::default(), &patch).await;
        done.map(drop).map_err(|error| attempt(cluster, "change").explain(error))
    }
}

/// For errors of requests about Deployments.
pub(in crate::cli) fn attempt<'a>(cluster: &'a Cluster, verb: &'static str) -> Attempt<'a> {
    Attempt { cluster, verb, resource: "deployments.apps".to_owned() }
}

fn container(deployment: &Deployment) -> Option<&Container> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.iter().find(|container| container.name == CONTAINER)
}
