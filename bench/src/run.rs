//! One set of objects through backup and restore.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bowline_e2e::Bowline;
use serde_json::{Value, json};

use crate::client::Client;
use crate::limit::Limit;
use crate::report::{Report, Row, say};
use crate::workload::Set;
use crate::{Arguments, SERVER, floor, process, workload};

const VELERO: &str = "/apis/velero.io/v1/namespaces/velero";
/// What namespaces are called that a set is restored into, behind their own names.
const RESTORED: &str = "-r";
const ENDED: [&str; 2] = ["Completed", "PartiallyFailed"];

/// The server under test and a client.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) pid: u32,
}

impl Bench {
    /// Creates what all sets need.
    pub(crate) async fn prepare(&self) -> Result<()> {
        self.client
            .create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &workload::definition())
            .await?;
        while self.client.get("/apis/bench.example.io/v1/things").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Creates a set, backs it up, restores it into new namespaces, and again onto what is there.
    pub(crate) async fn measure(&self, set: &Set, report: &mut Report) -> Result<()> {
        say(&format!("{}: creating {} objects", set.name, set.objects));
        let namespaces = set.namespaces("");
        self.client.create_namespaces(&namespaces).await?;
        self.client.create_all(set.items(""), 16).await?;
        for round in 1..=3 {
            let floor = floor::list_and_gzip(&self.client).await?.as_secs_f64();
            let spec = json!({"includedNamespaces": namespaces, "snapshotVolumes": false});
            let row = self.timed("Backup", "backups", &format!("{}-{round}", set.name), spec).await?;
            report.add(Row { floor: Some((floor, "list + gzip".into())), ..row });
        }
        let (floor, in_flight) = floor::create(&self.client, set).await?;
        let created = (floor.as_secs_f64(), format!("create, {in_flight} in flight"));
        let row = self.restored(set, "new", "none").await?;
        report.add(Row { floor: Some(created), ..row });
        report.add(self.restored(set, "existing-none", "none").await?);
        let row = self.restored(set, "existing-update", "update").await?;
        // After the restore, because it makes the objects differ from their backup.
        let patched = floor::patch(&self.client, set, RESTORED, in_flight).await?;
        let patched = (patched.as_secs_f64(), format!("patch, {in_flight} in flight"));
        report.add(Row { floor: Some(patched), ..row });
        self.client.delete_namespaces(&[set.namespaces(RESTORED), namespaces].concat()).await
    }

    async fn restored(&self, set: &Set, case: &str, policy: &str) -> Result<Row> {
        let spec = restore(set, RESTORED, policy);
        self.timed("Restore", "restores", &format!("{}-{case}", set.name), spec).await
    }

    /// Restores a set that was measured before by a new server with little memory, and says so where that is not possible.
    pub(crate) async fn measure_limited(
        &mut self,
        bowline: &Bowline<'_>,
        arguments: &Arguments,
        set: &Set,
        report: &mut Report,
    ) -> Result<()> {
        let mib = arguments.memory_limit;
        let limit = match Limit::new(mib) {
            _ if mib == 0 => return Ok(()),
            Ok(limit) => limit,
            Err(error) => {
                say(&format!(
                    "NOT RUN: a restore within {mib} MiB, because there is no limit here: {error:#}"
                ));
                return Ok(());
            }
        };
        let server = bowline.server_under(&limit.launcher(), &arguments.flags())?;
        // The shell before it takes a moment to become the server.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.pid = process::find(SERVER, bowline.program())?;
        let name = format!("{}-in-{mib}-mib", set.name);
        let row = self.timed("Restore", "restores", &name, restore(set, "-l", "none")).await;
        server.ensure_running().with_context(|| format!("a restore within {mib} MiB"))?;
        report.add(row?);
        self.client.delete_namespaces(&set.namespaces("-l")).await
    }

    /// Creates a Backup or Restore and waits for its end.
    async fn timed(&self, kind: &str, plural: &str, name: &str, spec: Value) -> Result<Row> {
        process::reset_peak(self.pid)?;
        let cpu = process::cpu_seconds(self.pid)?;
        let start = Instant::now();
        let body =
            json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.client.create(&format!("{VELERO}/{plural}"), &body).await?;
        let ended =
            self.client.await_phase("velero.io/v1", "velero", &format!("{plural}/{name}"), &ENDED).await?;
        let wall = start.elapsed().as_secs_f64();
        let progress = &ended["status"]["progress"];
        let objects =
            progress["itemsBackedUp"].as_u64().or(progress["itemsRestored"].as_u64()).unwrap_or_default();
        Ok(Row {
            case: format!("{} {name}", kind.to_lowercase()),
            objects: usize::try_from(objects)?,
            wall,
            cpu: process::cpu_seconds(self.pid)? - cpu,
            peak_mib: process::peak_mib(self.pid)?,
            floor: None,
            phase: ended["status"]["phase"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// The spec of a restore of a set into namespaces with `suffix`.
fn restore(set: &Set, suffix: &str, policy: &str) -> Value {
    let (from, to) = (set.namespaces(""), set.namespaces(suffix));
    let mapping: serde_json::Map<_, _> = from.into_iter().zip(to.into_iter().map(Value::from)).collect();
    json!({"backupName": format!("{}-3", set.name), "namespaceMapping": mapping, "existingResourcePolicy": policy})
}
