//! `install --adopt`: takes over the server that runs in the namespace. Everything of it stays but its image, so that going back is
//! the same command with the other image.

mod survey;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::objects::pull_policy;
use super::{apply, objects};
use crate::cli::plugin::server::{Server, attempt};
use crate::cluster::{Attempt, Cluster};
use crate::failure::Failure;
use crate::session::Session;
use survey::Survey;

/// Where the image before the change is kept.
const FORMER_IMAGE: &str = "bowline.io/former-image";
/// The program's name in Velero's image and in ours.
const PROGRAM: &str = "/velero";
/// How long the old server may take to stop.
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// How often to look.
const PACE: Duration = Duration::from_millis(500);

/// What is asked for.
pub(super) struct Adoption<'a> {
    pub(super) image: &'a str,
    pub(super) wait: bool,
    pub(super) dry_run: bool,
}

/// Looks at what is there, refuses what would lose something, stops the old server, and starts the new one in its place.
pub(super) async fn run(
    session: &Session,
    adoption: &Adoption<'_>,
    definitions: &[Value],
) -> anyhow::Result<()> {
    let cluster = session.cluster().await?;
    let server = Server::get(&cluster).await?;
    let survey = Survey::make(&cluster, &server).await?;
    let to_velero = is_velero(adoption.image);
    if !to_velero {
        survey.check(session.program())?;
    }
    survey.check_idle()?;
    session.screen.print(survey.report(adoption.image))?;
    if adoption.dry_run {
        return Ok(session.screen.line("Nothing was changed (--dry-run).")?);
    }
    if !to_velero {
        apply::all(session, &cluster, definitions).await?;
    }
    let name = server.name();
    stop(session, &cluster, &server).await?;
    let arguments = if to_velero { survey.arguments_for_velero() } else { survey.arguments.clone() };
    change(&cluster, &server, adoption.image, &arguments, survey.replicas).await?;
    session.screen.note(format!("Deployment/{name}: started with the image {}", adoption.image));
    if adoption.wait {
        apply::wait_for_server(session, &cluster, &name).await?;
    }
    let (program, namespace, former) = (session.program(), session.namespace(), &survey.image);
    session
        .screen
        .line(format!("The server runs with the image {}; everything else is as before.", adoption.image))?;
    session
        .screen
        .line(format!("See that it reaches its backups: `{program} -n {namespace} backup-location get`"))?;
    Ok(session
        .screen
        .line(format!("Go back: `{program} -n {namespace} install --adopt --image {former}`"))?)
}

/// Whether an image is one of Velero's own.
fn is_velero(image: &str) -> bool {
    let path = image.split(['@']).next().unwrap_or(image);
    path.rsplit('/').next().unwrap_or(path).split(':').next() == Some(objects::NAME)
}

/// Two servers at once would run every backup twice, so that the old one stops before the new one starts.
async fn stop(session: &Session, cluster: &Cluster, server: &Server) -> anyhow::Result<()> {
    let name = server.name();
    scale(cluster, server, 0).await?;
    let start = Instant::now();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let labels = server.deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.clone());
    let selector =
        labels.unwrap_or_default().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    let params = ListParams::default().labels(&selector.join(","));
    let attempt = Attempt { cluster, verb: "list", resource: "pods".to_owned() };
    while !pods.list(&params).await.map_err(|error| attempt.explain(error))?.items.is_empty() {
        if start.elapsed() > STOP_LIMIT {
            let replicas = server.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            scale(cluster, server, replicas).await?;
            return Err(Failure::new(format!(
                "the old server still runs after {}s; it stays",
                STOP_LIMIT.as_secs()
            ))
            .hint(format!("see why: `kubectl -n {} describe pods -l deploy=velero`", cluster.namespace))
            .into());
        }
        sleep(PACE).await;
    }
    session.screen.note(format!("Deployment/{name}: the old server has stopped"));
    Ok(())
}

async fn scale(cluster: &Cluster, server: &Server, replicas: i32) -> anyhow::Result<()> {
    merge(cluster, server, json!({ "spec": { "replicas": replicas } })).await
}

/// Image, command and arguments of the server's container; what the Deployment has besides stays.
async fn change(
    cluster: &Cluster,
    server: &Server,
    image: &str,
    arguments: &[String],
    replicas: i32,
) -> anyhow::Result<()> {
    let container = server.container();
    let former = container.and_then(|container| container.image.clone());
    let container = json!({
        "name": container.map(|container| container.name.clone()),
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": [PROGRAM],
        "args": arguments,
    });
    let patch = json!({
        "metadata": { "annotations": { FORMER_IMAGE: former } },
        "spec": { "replicas": replicas, "template": { "spec": { "containers": [container] } } },
    });
    merge(cluster, server, patch).await
}

/// A strategic merge: containers are matched by their names.
async fn merge(cluster: &Cluster, server: &Server, patch: Value) -> anyhow::Result<()> {
    let done = server.api.patch(&server.name(), &PatchParams::default(), &Patch::Strategic(patch)).await;
    done.map(drop).map_err(|error| attempt(cluster, "change").explain(error))
}

#[cfg(test)]
mod tests {
    use super::is_velero;

    #[test]
    fn images_of_velero_are_known_by_their_last_word() {
        for (image, expected) in [
            ("velero/velero:v1.18.2", true),
            ("registry.example:5000/mirror/velero@sha256:ab", true),
            ("bowline:v0.1.0", false),
            ("registry.example/velero/bowline:v1", false),
        ] {
            assert_eq!(is_velero(image), expected, "{image}");
        }
    }
}
