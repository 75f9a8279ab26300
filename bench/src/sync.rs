//! A bucket with thousands of backups that a new cluster has to get to know, beside the least that this takes: every metadata file read
//! once, and an object created for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bowline_e2e::{Bowline, Cluster, location};
use bowline_store::{Credentials, LocationConfig, ObjectStore, ObjectStoreExt as _, PutOptions};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::client::Client;
use crate::process;
use crate::report::{Report, Row, say};

/// Namespaces of the server under test and of the floor.
const NAMESPACES: [&str; 2] = ["synced", "synced-floor"];
const PREFIX: &str = "synced";
const REQUESTS: &str = "bowline_backup_sync_requests_total";
/// Requests of the floor in flight; the server reads as many backups at once.
const IN_FLIGHT: usize = 8;
/// How often the server looks, and how often it is looked whether it has done.
const PERIOD: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(200);

/// Fills a bucket with the metadata of so many backups, measures the floor, and then a server that finds them, and finds nothing new.
pub(crate) async fn measure(
    cluster: &Cluster,
    client: &Client,
    backups: usize,
    report: &mut Report,
) -> Result<()> {
    let store = open(cluster).await?;
    say(&format!("sync: storing {backups} backups"));
    let names = (0..backups).map(|number| format!("daily-{number:05}"));
    stream::iter(names)
        .map(|name| put(&store, name))
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    client.create_namespaces(&NAMESPACES.map(ToOwned::to_owned)).await?;
    let read = read_all(&store).await?;
    let (floor, reading) = floor(&store, client, &read).await?;
    say(&format!("sync: floor {floor:.2} s, of which reading the bucket took {reading:.2} s"));

    let bowline = Bowline::new(cluster, NAMESPACES[0])?;
    bowline.install()?;
    let period = format!("{}s", PERIOD.as_secs());
    let server = bowline.server(&["--backup-sync-period", &period])?;
    let secret_key = cluster.setting("AWS_SECRET_ACCESS_KEY")?;
    location::create_credentials(&bowline, "cloud-credentials", secret_key)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = process::find(&format!("{} server", NAMESPACES[0]), bowline.program())?;
    process::reset_peak(pid)?;
    let (cpu, start) = (process::cpu_seconds(pid)?, Instant::now());
    let config = location::s3_config(cluster)?;
    let bucket = cluster.setting("BOWLINE_S3_BUCKET")?;
    let create = ["backup-location", "create", "default", "--default", "--provider", "aws"];
    let place = ["--bucket", bucket, "--prefix", PREFIX, "--config", &config];
    bowline.ok(&[&create[..], &place, &["--credential", "cloud-credentials=cloud"]].concat())?;
    while known(client).await? < backups {
        server.ensure_running()?;
        tokio::time::sleep(LOOK).await;
    }
    let wall = start.elapsed().as_secs_f64();
    // Counted when the pass is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = requests(server.metrics_address()).await?;
    report.add(Row {
        case: "sync, a bucket that is new".into(),
        objects: backups,
        wall,
        cpu: process::cpu_seconds(pid)? - cpu,
        peak_mib: process::peak_mib(pid)?,
        floor: Some((floor, format!("read once and create, {IN_FLIGHT} in flight"))),
        phase: format!("{requests} requests,"),
    });
    report.add(known_pass(pid, server.metrics_address(), backups).await?);
    Ok(())
}

/// A pass that finds nothing new: its requests and CPU time.
async fn known_pass(pid: u32, metrics: &str, backups: usize) -> Result<Row> {
    let before = requests(metrics).await?;
    process::reset_peak(pid)?;
    let (cpu, start) = (process::cpu_seconds(pid)?, Instant::now());
    while requests(metrics).await? == before {
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = requests(metrics).await? - before;
    Ok(Row {
        case: "sync, nothing new (wall: until it was seen)".into(),
        objects: backups,
        wall: start.elapsed().as_secs_f64(),
        cpu: process::cpu_seconds(pid)? - cpu,
        peak_mib: process::peak_mib(pid)?,
        floor: None,
        phase: format!("{asked} requests"),
    })
}

async fn open(cluster: &Cluster) -> Result<Arc<dyn ObjectStore>> {
    let setting = |name: &str| cluster.setting(name).map(ToOwned::to_owned);
    let keys = format!(
        "[default]\naws_access_key_id={}\naws_secret_access_key={}\n",
        setting("AWS_ACCESS_KEY_ID")?,
        setting("AWS_SECRET_ACCESS_KEY")?
    );
    let config = BTreeMap::from([
        ("region".to_owned(), setting("BOWLINE_S3_REGION")?),
        ("s3Url".to_owned(), setting("BOWLINE_S3_URL")?),
        ("s3ForcePathStyle".to_owned(), "true".to_owned()),
    ]);
    let location = LocationConfig {
        provider: "aws".into(),
        bucket: setting("BOWLINE_S3_BUCKET")?,
        prefix: PREFIX.into(),
        config,
        credentials: Some(Credentials::Contents(keys.into())),
        ..LocationConfig::default()
    };
    Ok(bowline_store::open(&location).await?)
}

/// As Velero stores it, with a spec and a status of a usual length.
async fn put(store: &Arc<dyn ObjectStore>, name: String) -> Result<()> {
    let namespaces: Vec<_> = (0..20).map(|number| format!("application-{number}")).collect();
    let metadata = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {
            "name": name, "namespace": "velero", "uid": name,
            "labels": {"velero.io/schedule-name": "daily", "velero.io/storage-location": "default"},
            "annotations": {"velero.io/source-cluster-k8s-gitversion": "v1.34.2", "velero.io/resource-timeout": "10m0s"},
        },
        "spec": {"storageLocation": "default", "includedNamespaces": namespaces, "ttl": "720h0m0s"},
        "status": {
            "version": 1, "formatVersion": "1.1.0", "phase": "Completed", "expiration": "2036-01-01T00:00:00Z",
            "startTimestamp": "2026-01-01T00:00:00Z", "completionTimestamp": "2026-01-01T00:01:00Z",
            "progress": {"totalItems": 1000, "itemsBackedUp": 1000},
        },
    });
    let key = format!("backups/{name}/velero-backup.json");
    Ok(store.put(&key, metadata.to_string().into(), PutOptions::default()).await?)
}

/// Lists the backups and reads the metadata of each once.
async fn read_all(store: &Arc<dyn ObjectStore>) -> Result<Vec<Value>> {
    let directories = store.common_prefixes("backups/").await?;
    let read = |name: String| async move {
        let key = format!("backups/{name}/velero-backup.json");
        let text = store.get_bytes(&key, 1 << 20).await?;
        serde_json::from_slice(&text).context("read metadata")
    };
    stream::iter(directories).map(read).buffer_unordered(IN_FLIGHT).try_collect().await
}

/// Reads the bucket once more, and creates an object for each backup in another namespace. Seconds of both together, and of the reading.
async fn floor(store: &Arc<dyn ObjectStore>, client: &Client, backups: &[Value]) -> Result<(f64, f64)> {
    let start = Instant::now();
    read_all(store).await?;
    let reading = start.elapsed().as_secs_f64();
    let path = format!("/apis/velero.io/v1/namespaces/{}/backups", NAMESPACES[1]);
    let create = |backup: &Value| {
        let (path, mut body) = (path.clone(), backup.clone());
        body["metadata"]["namespace"] = NAMESPACES[1].into();
        async move { client.create(&path, &body).await }
    };
    let creations: Vec<_> = backups.iter().map(create).collect();
    stream::iter(creations).buffer_unordered(IN_FLIGHT).try_for_each(|()| async { Ok(()) }).await?;
    Ok((start.elapsed().as_secs_f64(), reading))
}

/// How many backups are objects of the server's namespace.
async fn known(client: &Client) -> Result<usize> {
    let path = format!("/apis/velero.io/v1/namespaces/{}/backups?limit=1", NAMESPACES[0]);
    let list = client.get_json(&path).await?;
    let shown = list["items"].as_array().map_or(0, Vec::len);
    let remaining = list["metadata"]["remainingItemCount"].as_u64().unwrap_or_default();
    Ok(shown + usize::try_from(remaining)?)
}

/// Requests to the store that looking for backups has made so far.
async fn requests(metrics: &str) -> Result<u64> {
    let text = reqwest::get(format!("http://{metrics}/metrics")).await?.text().await?;
    let line = text.lines().find(|line| line.starts_with(REQUESTS)).unwrap_or_default();
    Ok(line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default())
}
