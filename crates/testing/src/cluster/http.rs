//! The memory cluster behind a real client of `kube`: requests by path, answers and errors as the real server words them.
//!
//! Served: discovery in both forms, get, list with pages, watch with bookmarks, create, replace, the patches, status, delete with
//! preconditions. Not served: exec, proxies, collections' deletion, protobuf, tables.

mod answer;
mod discovery;
mod route;
mod watch;

use std::sync::Arc;

use bowline_engine::port::{ClusterError, ListQuery, ObjectRef, PageRequest, Patch, WriteOptions};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::MemoryCluster;
use super::change::decode;
use super::port::{bare, list, version};
use super::state::State;
use crate::fault::Call;
use crate::process::Process;
use route::{Incoming, Objects, Route};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Response<answer::Content>, ClusterError>;

impl MemoryCluster {
    /// A client of this cluster in the hands of a process: when the process is dead, its requests have no effect and no answer.
    pub fn client(self: &Arc<Self>, process: &Process) -> kube::Client {
        let (cluster, process) = (Arc::clone(self), process.clone());
        let service = tower::service_fn(move |request| {
            let (cluster, process) = (Arc::clone(&cluster), process.clone());
            async move { cluster.answer(&process, request).await }
        });
        kube::Client::new(service, "default")
    }

    /// Forgets what has changed so far: watches from before get "410 Gone".
    pub fn compact(&self) {
        self.lock().forget_changes();
    }

    async fn answer(
        self: Arc<Self>,
        process: &Process,
        request: Request<Body>,
    ) -> Result<Response<answer::Content>, BoxError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let incoming = Incoming { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        let Some(route) = route::find(&self.lock().catalog(), incoming.uri.path()) else {
            return Ok(answer::no_page());
        };
        let call = call(&incoming, &route);
        let answer = process.call(&call, self.respond(&call, &incoming, &route)).await;
        match answer {
            Ok(response) => Ok(response),
            // No HTTP answer stands for these: the connection breaks.
            Err(error @ (ClusterError::Timeout | ClusterError::Unavailable { .. })) => Err(error.into()),
            Err(error) => Ok(answer::failure(&error, &route)),
        }
    }

    async fn respond(self: &Arc<Self>, call: &Call, incoming: &Incoming, route: &Route) -> Answer {
        let objects = match route {
            Route::Version => return self.call(call, |_| Ok(answer::version(&version()))).await,
            Route::Discovery(path) => {
                let aggregated = incoming.accepts("APIGroupDiscoveryList");
                return self.call(call, |state| discovery::answer(&state.catalog(), path, aggregated)).await;
            }
            Route::Objects(objects) => objects,
        };
        if call.verb == "watch" {
            let from = incoming.parameter("resourceVersion").unwrap_or_default();
            let query = query(incoming, objects);
            return self
                .call(call, |state| Ok(watch::start(self, state, incoming, objects, query, &from)))
                .await;
        }
        self.call(call, |state| act(state, incoming, objects)).await
    }
}

/// What the log of calls says.
fn call(incoming: &Incoming, route: &Route) -> Call {
    let objects = match route {
        Route::Version => return bare("version"),
        Route::Discovery(path) => return Call { name: path.clone(), ..bare("discover") },
        Route::Objects(objects) => objects,
    };
    let status = objects.subresource.as_deref() == Some("status");
    let verb = match incoming.method {
        Method::POST => "create",
        Method::PUT if status => "status",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ if objects.name.is_some() => "get",
        _ if incoming.is_set("watch") => "watch",
        _ => "list",
    };
    let name = objects.name.clone().or_else(|| {
        let body: Value = serde_json::from_slice(&incoming.body).ok()?;
        Some(body["metadata"]["name"].as_str()?.to_owned())
    });
    Call {
        verb,
        resource: objects.kind.group_resource().to_string(),
        namespace: objects.namespace.clone().unwrap_or_default(),
        name: name.unwrap_or_default(),
    }
}

fn act(state: &mut State, incoming: &Incoming, objects: &Objects) -> Answer {
    let options = WriteOptions {
        field_manager: incoming.parameter("fieldManager").unwrap_or_default(),
        dry_run: incoming.is_set("dryRun"),
    };
    let subresource = objects.subresource.as_deref();
    match (&incoming.method, &objects.name) {
        (&Method::POST, None) => create(state, incoming, objects, &options),
        (&Method::GET, None) => page(state, incoming, objects),
        (&Method::GET, Some(name)) => {
            let key = state.locate(&objects.reference(name))?;
            Ok(answer::object(200, state.existing(&key)?))
        }
        (&Method::PUT, Some(name)) => {
            let (key, body) = (state.locate(&objects.reference(name))?, decode(&incoming.body)?);
            let stored = state.replace(&key, body, subresource, &options)?;
            Ok(answer::object(200, &stored))
        }
        (&Method::PATCH, Some(name)) => {
            let (reference, patch) = (objects.reference(name), patch(incoming)?);
            let is_new = state.locate(&reference).is_ok_and(|key| !state.objects.contains_key(&key));
            let stored = state.patch(&reference, subresource, &patch, &options)?;
            Ok(answer::object(if is_new { 201 } else { 200 }, &stored))
        }
        (&Method::DELETE, Some(name)) => delete(state, incoming, &objects.reference(name)),
        _ => Err(ClusterError::Server {
            code: 405,
            message: "the server does not allow this method on the requested resource".into(),
        }),
    }
}

fn create(state: &mut State, incoming: &Incoming, objects: &Objects, options: &WriteOptions) -> Answer {
    let mut body = decode(&incoming.body)?;
    // Typed clients may leave them out, and a stored object has them.
    body["apiVersion"] = objects.kind.api_version().into();
    body["kind"] = objects.kind.kind.clone().into();
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let stored = state.create(&objects.reference(name), body.clone(), options)?;
    Ok(answer::object(201, &stored))
}

fn page(state: &State, incoming: &Incoming, objects: &Objects) -> Answer {
    let limit = incoming.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or_default();
    let continue_token = incoming.parameter("continue").filter(|token| !token.is_empty());
    let page = PageRequest { limit, continue_token, max_bytes: usize::MAX };
    let query = query(incoming, objects);
    let mut body = list(state, &objects.kind, &query, &page, Value::clone)?;
    body["kind"] = format!("{}List", objects.kind.kind).into();
    body["apiVersion"] = objects.kind.api_version().into();
    Ok(answer::object(200, &body))
}

fn query(incoming: &Incoming, objects: &Objects) -> ListQuery {
    ListQuery {
        namespace: objects.namespace.clone(),
        label_selector: incoming.parameter("labelSelector").unwrap_or_default(),
        field_selector: incoming.parameter("fieldSelector").unwrap_or_default(),
    }
}

fn patch(incoming: &Incoming) -> Result<Patch, ClusterError> {
    let body = incoming.body.clone();
    match incoming.content_type() {
        "application/merge-patch+json" => Ok(Patch::Merge(body)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(body)),
        "application/json-patch+json" => Ok(Patch::Json(body)),
        "application/apply-patch+yaml" => Ok(Patch::Apply(body)),
        other => Err(ClusterError::Server { code: 415, message: format!("{other:?} is no patch") }),
    }
}

fn delete(state: &mut State, incoming: &Incoming, reference: &ObjectRef) -> Answer {
    let key = state.locate(reference)?;
    let before = state.existing(&key)?.clone();
    let options = if incoming.body.is_empty() { json!({}) } else { decode(&incoming.body)? };
    let metadata = &before["metadata"];
    for (field, name) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let wanted = &options["preconditions"][field];
        if !wanted.is_null() && *wanted != metadata[field] {
            let (wanted, found) = (text(wanted), text(&metadata[field]));
            return Err(ClusterError::Conflict {
                message: format!(
                    "Operation cannot be fulfilled on {} {:?}: Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {found}",
                    key.0, key.2
                ),
            });
        }
    }
    state.delete(reference)?;
    match state.existing(&key) {
        Ok(held) => Ok(answer::object(200, held)),
        Err(_) => Ok(answer::deleted(reference, &before)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
