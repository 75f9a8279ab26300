//! A binding to another role than before. The API server lets nobody change the role of a binding, so it is made anew.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PostParams, Preconditions};
use serde_json::Value;

use super::apply::{api, name, resource, text};
use crate::cluster::{Attempt, Cluster};
use crate::failure::Failure;
use crate::session::Session;

/// Deletes the binding of this name if it is our server's and has another role. Says what to put back should the new one fail.
pub(super) async fn make_way(
    session: &Session,
    cluster: &Cluster,
    wanted: &Value,
) -> anyhow::Result<Option<DynamicObject>> {
    if text(wanted, "/roleRef/name").is_empty() {
        return Ok(None);
    }
    let resource = resource(wanted);
    let attempt = |verb| Attempt { cluster, verb, resource: resource.plural.clone() };
    let api = api(&cluster.client, text(wanted, "/metadata/namespace"), &resource);
    let found = api.get_opt(text(wanted, "/metadata/name")).await;
    let Some(found) = found.map_err(|error| attempt("get").explain(error))? else { return Ok(None) };
    let former = &found.data["roleRef"];
    if *former == wanted["roleRef"] {
        return Ok(None);
    }
    check_ours(wanted, &found)?;
    let (uid, version) = (found.metadata.uid.clone(), found.metadata.resource_version.clone());
    let params = DeleteParams::default().preconditions(Preconditions { uid, resource_version: version });
    api.delete(text(wanted, "/metadata/name"), &params)
        .await
        .map_err(|error| attempt("delete").explain(error))?;
    session.screen.note(format!(
        "{}: made anew, from the role {} to {}: a binding's role can't be changed",
        name(wanted),
        former["name"],
        wanted["roleRef"]["name"]
    ));
    Ok(Some(found))
}

/// Puts a binding back whose successor could not be made, so that the server keeps its rights.
pub(super) async fn put_back(
    cluster: &Cluster,
    wanted: &Value,
    mut former: DynamicObject,
) -> anyhow::Result<()> {
    let resource = resource(wanted);
    let api: Api<DynamicObject> = api(&cluster.client, text(wanted, "/metadata/namespace"), &resource);
    former.metadata.resource_version = None;
    former.metadata.uid = None;
    former.metadata.managed_fields = None;
    let attempt = Attempt { cluster, verb: "create", resource: resource.plural.clone() };
    api.create(&PostParams::default(), &former).await.map(drop).map_err(|error| attempt.explain(error))
}

/// A binding of somebody else may have the same name.
fn check_ours(wanted: &Value, found: &DynamicObject) -> anyhow::Result<()> {
    let who = |subject: &Value| ["kind", "namespace", "name"].map(|field| subject[field].clone());
    let ours: Vec<_> = wanted["subjects"].as_array().into_iter().flatten().map(who).collect();
    let theirs = found.data["subjects"]
        .as_array()
        .into_iter()
        .flatten()
        .map(who)
        .find(|subject| !ours.contains(subject));
    let Some([kind, _, subject]) = theirs else { return Ok(()) };
    Err(Failure::new(format!(
        "{} binds {} {} to the role {}, and is not the server's alone",
        name(wanted),
        kind.as_str().unwrap_or_default(),
        subject.as_str().unwrap_or_default(),
        found.data["roleRef"]["name"].as_str().unwrap_or_default()
    ))
    .hint("give them a binding of another name and delete this one, or install into another namespace")
    .into())
}
