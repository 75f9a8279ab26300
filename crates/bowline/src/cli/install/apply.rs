//! Makes the objects of an installation, or brings existing ones up to date, by server-side apply.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::binding;
use crate::cluster::{Attempt, Cluster};
use crate::failure::Failure;
use crate::follow::SERVER;
use crate::session::Session;

/// Field manager of everything that is installed, the same as Velero's, so that either can upgrade the other.
const MANAGER: &str = "velero-cli";
/// How long a definition may take until its kind is served.
const SERVED: Duration = Duration::from_mins(1);
/// How long the server may take to be available.
const AVAILABLE: Duration = Duration::from_mins(3);
/// How often to look.
const PACE: Duration = Duration::from_millis(500);

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `Kind/name`, for messages.
pub(super) fn name(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// Applies all objects in order. The kinds of the definitions are served before objects of them are made.
pub(super) async fn all(session: &Session, cluster: &Cluster, objects: &[Value]) -> anyhow::Result<()> {
    let mut definitions = Vec::new();
    for object in objects {
        if text(object, "/kind") == "CustomResourceDefinition" {
            definitions.push(text(object, "/metadata/name"));
        } else {
            for definition in definitions.drain(..) {
                served(cluster, definition).await?;
            }
        }
        one(session, cluster, object).await?;
        session.screen.note(format!("{}: applied", name(object)));
    }
    for definition in definitions {
        served(cluster, definition).await?;
    }
    Ok(())
}

async fn one(session: &Session, cluster: &Cluster, object: &Value) -> anyhow::Result<()> {
    let former = binding::make_way(session, cluster, object).await?;
    let done = server_side(cluster, object).await;
    if let (Err(_), Some(former)) = (&done, former) {
        binding::put_back(cluster, object, former).await?;
    }
    done
}

async fn server_side(cluster: &Cluster, object: &Value) -> anyhow::Result<()> {
    let resource = resource(object);
    let attempt = Attempt { cluster, verb: "apply", resource: resource.plural.clone() };
    let api = api(&cluster.client, text(object, "/metadata/namespace"), &resource);
    let params = PatchParams::apply(MANAGER).force();
    let done = api.patch(text(object, "/metadata/name"), &params, &Patch::Apply(object)).await;
    done.map(drop).map_err(|error| attempt.explain(error))
}

/// The resource of an object.
pub(super) fn resource(object: &Value) -> ApiResource {
    let (group, version) = match text(object, "/apiVersion").split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text(object, "/apiVersion")),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text(object, "/kind")))
}

pub(super) fn api(client: &Client, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        "" => Api::all_with(client.clone(), resource),
        namespace => Api::namespaced_with(client.clone(), namespace, resource),
    }
}

/// Waits until the kind of a definition is served.
async fn served(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let attempt = Attempt { cluster, verb: "get", resource: "customresourcedefinitions".to_owned() };
    let start = Instant::now();
    loop {
        let found = api.get(name).await.map_err(|error| attempt.explain(error))?;
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        if conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
            return Ok(());
        }
        if start.elapsed() > SERVED {
            return Err(Failure::new(format!("{name} is not served after {}s", SERVED.as_secs()))
                .hint(format!("see why: `kubectl describe crd {name}`"))
                .into());
        }
        sleep(PACE).await;
    }
}

/// Waits until the server is available, and says what it waits for.
pub(super) async fn wait_for_server(session: &Session, cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let attempt = Attempt { cluster, verb: "get", resource: "deployments.apps".to_owned() };
    let start = Instant::now();
    let mut said = String::new();
    loop {
        let found = api.get(name).await.map_err(|error| attempt.explain(error))?;
        if is_available(&found) {
            session.screen.note(format!("Deployment/{name}: available after {}s", start.elapsed().as_secs()));
            return Ok(());
        }
        let state = state(cluster, &found).await;
        if state != said {
            session.screen.note(format!("Deployment/{name}: {state}"));
            if state.contains("ImagePull") && !said.contains("ImagePull") {
                session.screen.note(format!("hint: {}", unpulled(&found)));
            }
            said = state;
        }
        if start.elapsed() > AVAILABLE {
            let namespace = &cluster.namespace;
            return Err(Failure::new(format!(
                "the server is not available after {}s: {said}",
                AVAILABLE.as_secs()
            ))
            .hint(format!("see why: `kubectl -n {namespace} describe pods -l deploy=velero`"))
            .into());
        }
        sleep(PACE).await;
    }
}

/// What to do about an image that the node does not get.
fn unpulled(deployment: &Deployment) -> String {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let image = pod.and_then(|pod| pod.containers.first()?.image.as_deref()).unwrap_or_default();
    format!(
        "the node can't get the image {image:?}: push it to a registry that the cluster can reach, and name it there with --image"
    )
}

/// How far the server is: how many pods are available, and what holds up the others.
async fn state(cluster: &Cluster, deployment: &Deployment) -> String {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let mut state = format!("{} of {wanted} available", status.available_replicas.unwrap_or(0));
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    // Who may install may mostly also look at pods; otherwise the number has to do.
    let list =
        pods.list(&ListParams::default().labels(SERVER)).await.map(|list| list.items).unwrap_or_default();
    for reason in list.iter().filter_map(held_up_by) {
        state.push_str(", ");
        state.push_str(&reason);
    }
    state
}

/// Why a pod does not run yet, such as `velero-5d: ImagePullBackOff`.
fn held_up_by(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let waiting =
        containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let unscheduled =
        status.conditions.iter().flatten().filter(|condition| condition.type_ == "PodScheduled");
    let unscheduled = unscheduled.filter(|condition| condition.status == "False");
    let mut reasons = waiting.chain(unscheduled.filter_map(|condition| condition.reason.clone()));
    let reason = reasons.find(|reason| reason != "PodInitializing")?;
    Some(format!("{}: {reason}", pod.metadata.name.as_deref().unwrap_or_default()))
}

/// Whether the newest version of the server runs and answers.
fn is_available(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) > 0
        && status.available_replicas.unwrap_or(0) > 0
        && status.unavailable_replicas.unwrap_or(0) == 0
}

/// Refuses a ConfigMap that does not exist or whose entries are not JSON.
pub(super) async fn check_config_map(cluster: &Cluster, flag: &str, name: &str) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let attempt = Attempt { cluster, verb: "get", resource: "configmaps".to_owned() };
    let found = api.get_opt(name).await.map_err(|error| attempt.explain(error))?;
    let namespace = &cluster.namespace;
    let Some(found) = found else {
        return Err(Failure::new(format!(
            "{flag}: there is no ConfigMap {name:?} in the namespace {namespace:?}"
        ))
        .hint("make it first")
        .into());
    };
    for (key, value) in found.data.unwrap_or_default() {
        if let Err(error) = serde_json::from_str::<Value>(&value) {
            return Err(
                Failure::new(format!("{flag}: the entry {key:?} of {name:?} is not JSON: {error}")).into()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::unpulled;

    #[test]
    fn an_image_that_the_node_cannot_get_is_named() {
        let template =
            serde_json::json!({"spec": {"containers": [{"name": "velero", "image": "bowline:v9"}]}});
        let deployment =
            serde_json::from_value(serde_json::json!({"spec": {"selector": {}, "template": template}}));
        let hint = unpulled(&deployment.unwrap());
        assert!(hint.contains("\"bowline:v9\"") && hint.contains("--image"), "{hint}");
    }
}
