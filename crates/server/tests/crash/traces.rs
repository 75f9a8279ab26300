//! What a collector of traces is told of backups and restores, and what one that is away costs.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use bowline_reconcile::telemetry::{self, Collector, RunLogs, Traces};
use bowline_testing::Process;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::json;
use tokio::runtime::Runtime;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::reports::{completed, story};
use crate::scenario::request_backup;
use crate::world::World;

/// Its value is in the application's Secret.
const SECRET: &str = "dmFsdWU";

#[derive(Clone, Debug)]
struct Span {
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    trace: Vec<u8>,
    attributes: BTreeMap<String, String>,
    failed: bool,
}

/// A collector, and all that it was sent.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

/// A log line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Received {
    /// Listens on loopback; the port.
    async fn listen(self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let take = move |headers: HeaderMap, body: Bytes| async move {
            self.0.lock().unwrap().push((headers, body));
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        port
    }

    /// What all requests together say of the process.
    fn resource(&self) -> BTreeMap<String, String> {
        let (_, body) = self.0.lock().unwrap()[0].clone();
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        texts(&request.resource_spans[0].resource.clone().unwrap().attributes)
    }

    fn spans(&self) -> Vec<Span> {
        let all = self.0.lock().unwrap().clone();
        let requests = all.into_iter().map(|(_, body)| ExportTraceServiceRequest::decode(body).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|it| it.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(span).collect()
    }
}

fn span(span: opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    Span {
        attributes: texts(&span.attributes),
        failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        name: span.name,
        id: span.span_id,
        parent: span.parent_span_id,
        trace: span.trace_id,
    }
}

fn texts(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |it: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        it.value.as_ref().and_then(|value| value.value.as_ref()).map(text).unwrap_or_default()
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

/// With a single subscriber in the process, `tracing` asks that of the thread which comes to a span first, and remembers the answer; it
/// may be a thread of another test, which has none.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Tells a story whose spans go to a collector at this port; returns the log.
fn traced(runtime: &Runtime, port: u16, tell: impl AsyncFnOnce(World)) -> String {
    let collector = Collector {
        url: format!("http://user:hunter2@127.0.0.1:{port}/v1/traces"),
        certificates: None,
        timeout: Duration::from_secs(5),
        attributes: vec![("service.version", "v1".into())],
    };
    // On a runtime of its own: in the world's time hours pass while an answer is on its way.
    let traces = runtime.block_on(async { Traces::start(&collector).unwrap() });
    let log = Log::default();
    let writer = log.clone();
    let lines = telemetry::layer(telemetry::Settings::default(), RunLogs::default(), move || {
        Box::new(writer.clone())
    });
    LazyLock::force(&ANOTHER);
    let subscriber = tracing_subscriber::registry().with(lines).with(traces.layer());
    tracing::subscriber::with_default(subscriber, || story(tell));
    runtime.block_on(traces.end());
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

/// The path of names from the root to each span of a trace.
fn paths(spans: &[Span], trace: &[u8]) -> Vec<String> {
    let path = |span: &Span| {
        let mut names = vec![span.name.as_str()];
        let mut parent = &span.parent;
        while let Some(next) = spans.iter().find(|other| !parent.is_empty() && other.id == *parent) {
            names.insert(0, &next.name);
            parent = &next.parent;
        }
        names.join(" > ")
    };
    spans.iter().filter(|span| span.trace == trace).map(path).collect()
}

fn root<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut roots = spans.iter().filter(|span| span.name == name && span.parent.is_empty());
    let root = roots.next().unwrap_or_else(|| panic!("there is no {name} in {spans:#?}"));
    assert!(roots.next().is_none(), "there are two of {name}");
    root
}

#[test]
fn a_collector_receives_the_tree_of_a_backup_a_restore_and_a_deletion_without_secrets() {
    let runtime = Runtime::new().unwrap();
    let received = Received::default();
    let port = runtime.block_on(received.clone().listen());
    let log = traced(&runtime, port, async |world| {
        let _server = world.start(Process::default());
        request_backup(&world, "b");
        completed(&world, "backups", "b").await;
        let spec = json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}});
        world.create("Restore", "restores", "r", &spec);
        completed(&world, "restores", "r").await;
        let gone = json!({"backupName": "b"});
        world.create("DeleteBackupRequest", "deletebackuprequests", "d", &gone);
        world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
    });
    let spans = received.spans();
    let backup = root(&spans, "backup");
    let wanted = [
        ("backup.namespace", "velero"),
        ("backup.name", "b"),
        ("backup.location", "default"),
        ("backup.phase", "Completed"),
        ("backup.errors", "0"),
    ];
    for (key, value) in wanted {
        assert_eq!(backup.attributes.get(key).map(String::as_str), Some(value), "{backup:#?}");
    }
    assert!(!backup.failed);
    let parts = paths(&spans, &backup.trace);
    for part in [
        "backup > archive > prepare",
        "backup > archive > collect > collect kind > api list",
        "backup > archive > store put",
        "backup > artifacts > store put",
        "backup > store put",
    ] {
        assert!(parts.iter().any(|path| path == part), "{part} is not in {parts:#?}");
    }
    let secrets = spans.iter().find(|span| {
        span.name == "collect kind" && span.attributes.get("resource").is_some_and(|it| it == "secrets")
    });
    assert_eq!(secrets.unwrap().attributes["retrieved"], "1", "{secrets:#?}");

    let restore = root(&spans, "restore");
    assert_eq!((&*restore.attributes["restore.name"], &*restore.attributes["backup.name"]), ("r", "b"));
    assert_eq!(restore.attributes["restore.phase"], "Completed");
    let parts = paths(&spans, &restore.trace);
    for part in [
        "restore > read archive > store get",
        "restore > prepare",
        "restore > wave",
        "restore > artifacts > store put",
    ] {
        assert!(parts.iter().any(|path| path == part), "{part} is not in {parts:#?}");
    }
    let deletion = root(&spans, "delete backup");
    assert!(paths(&spans, &deletion.trace).iter().any(|path| path == "delete backup > store delete"));

    let roots: Vec<_> = spans.iter().filter(|span| span.parent.is_empty()).map(|span| &span.name).collect();
    assert_eq!(roots.len(), 3, "what is no operation has no trace: {roots:?}");
    assert_eq!(received.resource()["service.name"], "bowline");
    assert_eq!(received.resource()["service.version"], "v1");
    for (headers, body) in received.0.lock().unwrap().iter() {
        assert!(headers["authorization"].to_str().unwrap().starts_with("Basic "), "{headers:?}");
        let body = String::from_utf8_lossy(body);
        assert!(!body.contains(SECRET) && !body.contains("hunter2") && !body.contains("freeze"), "{body}");
    }
    assert!(log.contains("backup completed"), "{log}");
    for trace in ["hunter2", "otel", "collect kind", "store.key"] {
        assert!(!log.contains(trace), "{trace} is in the log");
    }
}

#[test]
fn a_collector_that_is_away_keeps_nothing_up() {
    let runtime = Runtime::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let log = traced(&runtime, port, async |world| {
        let _server = world.start(Process::default());
        for name in ["a", "b", "c"] {
            request_backup(&world, name);
            completed(&world, "backups", name).await;
        }
    });
    assert_eq!(log.matches("backup completed").count(), 3, "{log}");
    assert!(!log.contains("level=error") && !log.contains("level=warning"), "{log}");
}
