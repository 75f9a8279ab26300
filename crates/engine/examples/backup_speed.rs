//! How much CPU time the engine needs to back up many small objects, without a network: pages come ready from memory.
//!
//! `cargo run --release -p bowline-engine --example backup_speed -- [OBJECTS] [NAMESPACES]`

#![expect(clippy::print_stdout, reason = "an example prints its figures")]

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bowline_api::Backup;
use bowline_engine::action::backup::builtin;
use bowline_engine::action::item_block;
use bowline_engine::archive::pipe;
use bowline_engine::backup::{BackupRequest, run};
use bowline_engine::catalog::{Catalog, Kind};
use bowline_engine::object::{Object, Page};
use bowline_engine::port::{
    Clock, Cluster, ClusterError, Condition, ExecError, ExecRequest, ListQuery, ObjectRef, PageRequest,
    Patch, PodExec, Ports, ServerVersion, WriteOptions,
};
use bowline_engine::progress::Progress;
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// `(group, kind, plural, how many of 20)`.
const KINDS: [(&str, &str, &str, usize); 6] = [
    ("", "ConfigMap", "configmaps", 8),
    ("", "Secret", "secrets", 6),
    ("apps", "Deployment", "deployments", 1),
    ("apps", "ReplicaSet", "replicasets", 1),
    ("", "Service", "services", 2),
    ("bench.example.com", "Widget", "widgets", 2),
];

/// Lists that never end in anything but success.
struct Canned {
    catalog: Catalog,
    items: Vec<(String, Vec<String>)>,
    lists: AtomicUsize,
    listed: AtomicUsize,
}

impl Canned {
    fn new(objects: usize, namespaces: usize) -> Self {
        let mut kinds = vec![Kind::builtin("", "v1", "Namespace", "namespaces", false)];
        let mut items = vec![(
            "namespaces".to_owned(),
            (0..namespaces).map(|index| body("Namespace", index, 0, "")).collect(),
        )];
        for (group, kind, plural, share) in KINDS {
            let served = Kind::builtin(group, "v1", kind, plural, true);
            let count = objects * share / 20;
            let text = (0..count).map(|index| body(kind, index, namespaces, "x")).collect();
            items.push((served.group_resource().to_string(), text));
            kinds.push(served);
        }
        Self {
            catalog: Catalog::new(kinds, Vec::new()),
            items,
            lists: AtomicUsize::new(0),
            listed: AtomicUsize::new(0),
        }
    }
}

/// About 1 KiB; a third of it does not compress, as in real objects.
fn body(kind: &str, index: usize, namespaces: usize, data: &str) -> String {
    let namespace = if namespaces == 0 {
        String::new()
    } else {
        format!(r#","namespace":"ns-{:02}""#, index % namespaces)
    };
    let mut seed = index as u64 ^ (kind.len() as u64) << 32 | 1;
    let mut noise = String::new();
    while !data.is_empty() && noise.len() < 340 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let _ = write!(noise, "{seed:016x}");
    }
    let name = if namespaces == 0 { format!("ns-{index:02}") } else { format!("object-{index:06}") };
    format!(
        r#"{{"metadata":{{"name":"{name}"{namespace},"uid":"{index:08x}-0000-4000-8000-{index:012x}","resourceVersion":"{index}","creationTimestamp":"2026-01-02T03:04:05Z","labels":{{"app":"bench","set":"s{}","tier":"back"}},"annotations":{{"example.com/note":"made for a benchmark of the engine"}},"managedFields":[{{"manager":"bench","operation":"Update","apiVersion":"v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{".":{{}},"f:key":{{}}}},"f:metadata":{{"f:labels":{{".":{{}},"f:app":{{}},"f:set":{{}},"f:tier":{{}}}}}}}}}}]}},"data":{{"key":"{noise}"}},"status":{{"phase":"Active"}}}}"#,
        index % 7
    )
}

#[async_trait]
impl Cluster for Canned {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        Ok(ServerVersion::default())
    }

    async fn discover(&self) -> Result<Catalog, ClusterError> {
        Ok(self.catalog.clone())
    }

    async fn list(&self, kind: &Kind, query: &ListQuery, page: &PageRequest) -> Result<Page, ClusterError> {
        let name = kind.group_resource().to_string();
        let items = self.items.iter().find(|(own, _)| *own == name).map(|(_, items)| items.as_slice());
        let wanted = query.namespace.as_ref().map(|namespace| format!(r#""namespace":"{namespace}""#));
        let fits = |item: &&String| wanted.as_ref().is_none_or(|wanted| item.contains(wanted));
        let items: Vec<&str> = items.unwrap_or_default().iter().filter(fits).map(String::as_str).collect();
        let start: usize =
            page.continue_token.as_deref().and_then(|token| token.parse().ok()).unwrap_or_default();
        let end = items.len().min(start + page.limit as usize);
        let next = if end < items.len() { end.to_string() } else { String::new() };
        let remaining = items.len() - end;
        self.lists.fetch_add(1, Relaxed);
        self.listed.fetch_add(end - start, Relaxed);
        let items = items[start..end].join(",");
        let body = format!(
            r#"{{"metadata":{{"continue":"{next}","remainingItemCount":{remaining}}},"items":[{items}]}}"#
        );
        tokio::task::yield_now().await;
        Page::parse(&Bytes::from(body), kind)
            .map_err(|error| ClusterError::Decode { message: error.to_string() })
    }

    async fn get(&self, object: &ObjectRef) -> Result<Object, ClusterError> {
        Err(ClusterError::NotFound { message: format!("{object} not found") })
    }

    async fn create(&self, _: &ObjectRef, _: Bytes, _: &WriteOptions) -> Result<Object, ClusterError> {
        Err(ClusterError::Timeout)
    }

    async fn patch(
        &self,
        _: &ObjectRef,
        _: Option<&str>,
        _: &Patch,
        _: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        Err(ClusterError::Timeout)
    }

    async fn replace_status(
        &self,
        _: &ObjectRef,
        _: Bytes,
        _: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        Err(ClusterError::Timeout)
    }

    async fn delete(&self, _: &ObjectRef) -> Result<(), ClusterError> {
        Err(ClusterError::Timeout)
    }

    async fn wait(&self, _: &ObjectRef, _: Condition, _: Duration) -> Result<(), ClusterError> {
        Err(ClusterError::Timeout)
    }
}

struct NoExec;

#[async_trait]
impl PodExec for NoExec {
    async fn exec(&self, _: &ExecRequest) -> Result<String, ExecError> {
        Err(ExecError::NotRunning(String::new()))
    }
}

struct FixedClock;

#[async_trait]
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// CPU seconds of this process so far, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<f64>().ok()).sum();
    ticks / 100.0
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (objects, namespaces) = (numbers.next().unwrap_or(35_000), numbers.next().unwrap_or(20));
    let cluster = Arc::new(Canned::new(objects, namespaces));
    let ports =
        Ports { cluster: Arc::clone(&cluster) as _, exec: Arc::new(NoExec), clock: Arc::new(FixedClock) };
    let spec = (0..namespaces).map(|index| format!("ns-{index:02}")).collect();
    let mut backup = Backup::default();
    backup.spec.included_namespaces = spec;
    for _ in 0..3 {
        let request = BackupRequest {
            backup: Arc::new(backup.clone()),
            actions: builtin(),
            block_actions: item_block::builtin(),
            memory_budget: 32 << 20,
            page_size: 500,
            workers: 1,
            ..BackupRequest::default()
        };
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        let (sink, source) = pipe::pipe();
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let read = source.try_fold(0, |size, block: Bytes| async move { Ok(size + block.len()) });
        let (outcome, size) = tokio::join!(run(&request, &ports, sink, &progress, &cancel), read);
        match (outcome, size) {
            (Ok(outcome), Ok(size)) => println!(
                "{} objects ({} in {} pages), {:.2} s, {:.2} CPU s, archive {:.1} MiB",
                outcome.stored_items,
                cluster.listed.swap(0, Relaxed),
                cluster.lists.swap(0, Relaxed),
                begin.elapsed().as_secs_f64(),
                cpu_seconds() - cpu,
                size as f64 / f64::from(1 << 20)
            ),
            (outcome, _) => println!("failed: {:?}", outcome.err()),
        }
    }
}
