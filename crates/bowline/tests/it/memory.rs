//! An API server in memory, over HTTP on loopback: its objects change as those of a real one, and a thread stands in for the server of
//! backups where a command waits for its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bowline_testing::object::{namespace, object, with};
use bowline_testing::{MemoryCluster, Process};
use serde_json::{Value, json};

use crate::Run;

/// Namespace of the server.
pub(crate) const VELERO: &str = "velero";
/// How often the stand-in looks for work.
const PACE: Duration = Duration::from_millis(20);

/// The cluster, with a bucket's files under its address. It ends with the test's process.
pub(crate) struct Memory {
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) url: String,
    /// User agents and requests, as they came.
    seen: Arc<Mutex<Vec<Seen>>>,
    files: Files,
}

/// Content by kind of the file and name of the backup: `BackupLog/web`.
type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) agent: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

#[derive(Clone)]
struct Served {
    client: kube::Client,
    seen: Arc<Mutex<Vec<Seen>>>,
    files: Files,
}

impl Memory {
    /// With Velero's kinds, its namespace, and a location that is the default one.
    pub(crate) fn start() -> Self {
        let memory = Self::empty();
        memory.cluster.serve_velero(&[]);
        memory.cluster.put(namespace(VELERO));
        memory.put_location("default", &json!({ "default": true }));
        memory
    }

    /// Without anything.
    pub(crate) fn empty() -> Self {
        let cluster = Arc::new(MemoryCluster::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, files) = (Arc::<Mutex<Vec<Seen>>>::default(), Files::default());
        let (served, log, stored) = (Arc::clone(&cluster), Arc::clone(&seen), Arc::clone(&files));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let served = Served { client: served.client(&Process::default()), seen: log, files: stored };
                let router = Router::new().route("/files/{kind}/{name}", axum::routing::get(file));
                axum::serve(listener, router.fallback(answer).with_state(served)).await.unwrap();
            });
        });
        Self { cluster, url, seen, files }
    }

    /// The program under Velero's name.
    pub(crate) fn velero(&self) -> Run {
        Run::with_server(&self.url).called("velero")
    }

    /// One of Velero's objects: `object("backups", "web")`.
    pub(crate) fn object(&self, resource: &str, name: &str) -> Option<Value> {
        self.cluster.object(&format!("{resource}.velero.io"), VELERO, name)
    }

    /// All of Velero's objects of a kind.
    pub(crate) fn objects(&self, resource: &str) -> Vec<Value> {
        self.cluster.objects(&format!("{resource}.velero.io"))
    }

    /// Stores one of Velero's objects word for word.
    pub(crate) fn put(&self, kind: &str, name: &str, rest: &Value) {
        let mut stored = object("velero.io/v1", kind, VELERO, name);
        let metadata = rest["metadata"].as_object().cloned().unwrap_or_default();
        for (key, value) in rest.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata") {
            stored[key] = value.clone();
        }
        stored["metadata"]["creationTimestamp"] = "2026-11-21T06:46:10Z".into();
        stored["metadata"].as_object_mut().unwrap().extend(metadata);
        self.cluster.put(stored);
    }

    /// A location that is available.
    pub(crate) fn put_location(&self, name: &str, more: &Value) {
        let mut spec = json!({ "provider": "aws", "objectStorage": { "bucket": "velero" } });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.put("BackupStorageLocation", name, &json!({ "spec": spec, "status": { "phase": "Available" } }));
    }

    /// A backup with this phase.
    pub(crate) fn put_backup(&self, name: &str, phase: &str) {
        let spec = json!({ "storageLocation": "default", "ttl": "720h0m0s" });
        self.put("Backup", name, &json!({ "spec": spec, "status": { "phase": phase } }));
    }

    /// A file of a backup or restore, as it is stored.
    pub(crate) fn put_file(&self, name: &str, content: Vec<u8>) {
        self.files.lock().unwrap().insert(name.to_owned(), content);
    }

    /// From now on gives every new object of a kind a status, as the server does a moment after its creation.
    pub(crate) fn answer(&self, resource: &str, status: impl Fn(&Value) -> Value + Send + 'static) {
        let (cluster, resource) = (Arc::clone(&self.cluster), format!("{resource}.velero.io"));
        std::thread::spawn(move || {
            loop {
                let new =
                    |object: &Value| object["status"]["phase"].as_str().is_none_or(|phase| phase == "New");
                for object in cluster.objects(&resource).into_iter().filter(new) {
                    let status = status(&object);
                    cluster.put(with(object, "/status", status));
                }
                std::thread::sleep(PACE);
            }
        });
    }

    /// Hands out the files that were put here.
    pub(crate) fn answer_downloads(&self) {
        let url = self.url.clone();
        self.answer("downloadrequests", move |request| {
            let target = &request["spec"]["target"];
            let [kind, name] = ["kind", "name"].map(|field| target[field].as_str().unwrap_or_default());
            json!({ "phase": "Processed", "downloadURL": format!("{url}/files/{kind}/{name}") })
        });
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn file(State(served): State<Served>, Path((kind, name)): Path<(String, String)>) -> Response {
    match served.files.lock().unwrap().get(&format!("{kind}/{name}")) {
        Some(content) => content.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let agent = parts.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    served.seen.lock().unwrap().push(Seen {
        agent: agent.to_owned(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
    });
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let request = axum::http::Request::from_parts(parts, kube::client::Body::from(body));
    match served.client.send(request).await {
        Ok(answer) => answer.map(axum::body::Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
