//! What outlives a server: cluster, bucket, time, and the applications' containers.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::port::{Clock, ExecError, ExecRequest, PodExec};
use bowline_reconcile::telemetry::RunLogs;
use bowline_server::adapter::Connection;
use bowline_server::{Config, Election, Host, StoreRegistry};
use bowline_store::{BackupStore, LocationConfig, ObjectStore};
use bowline_testing::object::{config_map, namespace, object, with};
use bowline_testing::{Bucket, MemoryCluster, Process, ScriptedExec, TokioClock};
use prometheus::Registry;
use prometheus::proto::{Metric, MetricType};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The server's namespace.
pub(crate) const VELERO: &str = "velero";
/// Virtual time in which everything must have come to its end.
const LIMIT: Duration = Duration::from_hours(3);
const LOOK: Duration = Duration::from_millis(250);

/// Everything but the servers.
pub(crate) struct World {
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) bucket: Bucket,
    /// Commands that ran in containers.
    pub(crate) exec: Arc<ScriptedExec>,
    /// What a reader saw at some moment that must never be seen.
    seen: Arc<Mutex<Vec<String>>>,
}

/// One server process.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) stop: CancellationToken,
    registry: Registry,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// An application in the namespace `shop`, a location `default`, and nothing stored. Call it inside a paused runtime.
    pub(crate) fn new() -> Self {
        Self::without(&[])
    }

    /// As [`World::new`], where these of Velero's kinds are not served, by plural.
    pub(crate) fn without(kinds: &[&str]) -> Self {
        let clock = Arc::new(TokioClock::default());
        let cluster = Arc::new(MemoryCluster::at(Arc::clone(&clock) as _));
        cluster.serve_velero(kinds);
        cluster.put(namespace(VELERO));
        for object in application() {
            cluster.put(object);
        }
        let world = Self {
            clock,
            cluster,
            bucket: Bucket::default(),
            exec: Arc::new(ScriptedExec::default()),
            seen: Arc::default(),
        };
        world.add_location("default");
        let seen = Arc::clone(&world.seen);
        world.bucket.watch(move |keys| seen.lock().unwrap().extend(half_backups(keys)));
        world
    }

    pub(crate) fn add_location(&self, name: &str) {
        let spec = json!({"provider": "aws", "default": true, "objectStorage": {"bucket": "b"}});
        self.create("BackupStorageLocation", "backupstoragelocations", name, &spec);
    }

    /// Creates one of Velero's objects as a user does.
    pub(crate) fn create(&self, kind: &str, resource: &str, name: &str, spec: &Value) {
        let object = with(object("velero.io/v1", kind, VELERO, name), "/spec", spec.clone());
        self.cluster
            .create_object(&format!("{resource}.velero.io"), object)
            .expect("the object can be created");
    }

    /// One of Velero's objects: `object("backups", "b")`.
    pub(crate) fn object(&self, resource: &str, name: &str) -> Option<Value> {
        self.cluster.object(&format!("{resource}.velero.io"), VELERO, name)
    }

    /// Its phase; empty when there is none.
    pub(crate) fn phase(&self, resource: &str, name: &str) -> String {
        let object = self.object(resource, name).unwrap_or_default();
        object["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    /// Starts a server as this process.
    pub(crate) fn start(&self, process: Process) -> Server {
        self.start_with(process, |_| ())
    }

    /// Starts a server as this process, in a pod of this name; with an election one of several.
    pub(crate) fn start_as(&self, process: Process, instance: &str, election: Option<Election>) -> Server {
        self.start_with(process, |config| {
            config.instance = Some(instance.into());
            config.election = election;
        })
    }

    /// Starts a server as this process, with settings of its own.
    pub(crate) fn start_with(&self, process: Process, set: impl FnOnce(&mut Config)) -> Server {
        let (stop, registry) = (CancellationToken::new(), Registry::new());
        let host = Host {
            connection: Connection::over(self.cluster.client(&process)),
            stores: Arc::new(Stores { bucket: self.bucket.clone(), process: process.clone() }),
            exec: Arc::new(Exec { exec: Arc::clone(&self.exec), process: process.clone() }),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            logs: RunLogs::default(),
            registry: registry.clone(),
            stop: stop.clone(),
        };
        let mut config = Config {
            namespace: VELERO.into(),
            metrics_address: "127.0.0.1:0".into(),
            instance: Some("bowline-0".into()),
            ..Config::default()
        };
        set(&mut config);
        let task = tokio::spawn(bowline_server::run_on(config, host));
        Server { process, stop, registry, task }
    }

    /// Waits until something is so; says what the world looks like when it does not come.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(LIMIT, async {
            while !holds(self) {
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(waited.await.is_ok(), "{what}: not within {LIMIT:?}\n{}", self.describe());
    }

    /// The bucket as a client without a server reads it.
    pub(crate) fn store(&self) -> BackupStore {
        BackupStore::new(Arc::new(self.bucket.store().clone()))
    }

    /// What must be so whatever has happened.
    pub(crate) async fn check(&self) {
        let seen = self.seen.lock().unwrap().clone();
        assert!(seen.is_empty(), "a reader could see half a backup: {seen:?}");
        for backup in self.cluster.objects("backups.velero.io") {
            let name = backup["metadata"]["name"].as_str().unwrap_or_default();
            if matches!(self.phase("backups", name).as_str(), "Completed" | "PartiallyFailed") {
                let verification = self.store().verify(name).await.expect("the store works");
                assert!(verification.is_intact(), "{name} is damaged: {verification:?}");
            }
        }
        for resource in ["backups", "restores", "deletebackuprequests", "schedules"] {
            for object in self.cluster.objects(&format!("{resource}.velero.io")) {
                let deleting = &object["metadata"]["deletionTimestamp"];
                assert!(deleting.is_null(), "{resource} is held by a finalizer: {object:#}");
            }
        }
    }

    /// Velero's objects and all keys, for a failed test.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for resource in ["backupstoragelocations", "backups", "restores", "deletebackuprequests", "schedules"]
        {
            for object in self.cluster.objects(&format!("{resource}.velero.io")) {
                let (metadata, status) = (&object["metadata"], &object["status"]);
                let (name, annotations) = (&metadata["name"], &metadata["annotations"]);
                let _ = writeln!(text, "{resource} {name} {annotations} {status}");
            }
        }
        text
    }
}

impl Server {
    /// Ends it as SIGKILL does.
    pub(crate) async fn kill(self) -> Process {
        self.process.kill();
        self.task.abort();
        // The task's own words don't matter any more.
        let _ = self.task.await;
        self.process
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(self) -> Process {
        self.stop.cancel();
        self.task.await.expect("the server does not panic").expect("the server ends well");
        self.process
    }

    /// How it ended by itself.
    pub(crate) async fn ended(self) -> String {
        let ended = self.task.await.expect("the server does not panic");
        format!("{:#}", ended.expect_err("the server ended without a reason"))
    }

    /// The value of a metric with these labels; nothing when there is no such series. Of a histogram the number of observations.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name)?;
        let fits = |metric: &&Metric| {
            let has = |(name, value): &(&str, &str)| {
                metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
            };
            labels.iter().all(has)
        };
        let metric = family.get_metric().iter().find(fits)?;
        Some(match family.get_field_type() {
            MetricType::COUNTER => metric.get_counter().get_value(),
            MetricType::HISTOGRAM => metric.get_histogram().get_sample_count() as f64,
            _ => metric.get_gauge().get_value(),
        })
    }

    /// An error of the server itself; it must run as long as nobody ends it.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

/// What is lost or saved: objects of several kinds, one of them with hooks.
pub(crate) fn application() -> Vec<Value> {
    let hooks = json!({
        "pre.hook.backup.velero.io/command": "[\"freeze\"]", "pre.hook.backup.velero.io/container": "db",
        "post.hook.backup.velero.io/command": "[\"unfreeze\"]", "post.hook.backup.velero.io/container": "db",
    });
    let pod = with(object("v1", "Pod", "shop", "db"), "/metadata/annotations", hooks);
    let pod = with(pod, "/spec/containers", json!([{"name": "db", "image": "db"}]));
    vec![
        namespace("shop"),
        config_map("shop", "colours"),
        config_map("shop", "sizes"),
        with(object("v1", "Secret", "shop", "key"), "/data/key", "dmFsdWU="),
        with(pod, "/status/phase", "Running"),
    ]
}

/// Backups whose metadata are there without all of the rest.
fn half_backups(keys: &[String]) -> Vec<String> {
    const FILES: [&str; 4] = [".tar.gz", "-resource-list.json.gz", "-results.gz", "-checksums.json"];
    let metadata = keys.iter().filter_map(|key| key.strip_suffix("/velero-backup.json"));
    let lacks = |directory: &str| {
        let name = directory.rsplit('/').next().unwrap_or_default();
        FILES.iter().any(|file| !keys.contains(&format!("{directory}/{name}{file}")))
    };
    metadata.filter(|directory| lacks(directory)).map(str::to_owned).collect()
}

/// Opens the one bucket for every location.
struct Stores {
    bucket: Bucket,
    process: Process,
}

#[async_trait]
impl StoreRegistry for Stores {
    async fn open(&self, _location: &LocationConfig) -> bowline_store::Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(self.bucket.of(&self.process)))
    }
}

/// Containers that do what they are told, for as long as the one who tells it lives.
struct Exec {
    exec: Arc<ScriptedExec>,
    process: Process,
}

#[async_trait]
impl PodExec for Exec {
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError> {
        self.process.call(format!("exec {}", request.command.join(" ")), self.exec.exec(request)).await
    }
}
