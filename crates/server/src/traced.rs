//! Spans for traces: those of the operations, and a view of a store that adds one for each call inside an operation.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::trace::TARGET;
use bowline_api::{Backup, Restore};
use bowline_store::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, Result, SignedUrl,
};
use kube::ResourceExt;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// The span of a backup, or of a part of its life that is another run, such as its deletion.
pub(crate) fn of_backup(what: &str, backup: &Backup) -> Span {
    tracing::info_span!(
        target: TARGET,
        "backup",
        otel.name = what,
        backup.namespace = backup.namespace(),
        backup.name = backup.name_any(),
        backup.location = backup.spec.storage_location,
        backup.phase = Empty,
        backup.items = Empty,
        backup.errors = Empty,
        backup.warnings = Empty,
        otel.status_code = Empty,
    )
}

/// The span of a restore, or of a part of its life that is another run.
pub(crate) fn of_restore(what: &str, restore: &Restore) -> Span {
    tracing::info_span!(
        target: TARGET,
        "restore",
        otel.name = what,
        restore.namespace = restore.namespace(),
        restore.name = restore.name_any(),
        backup.name = restore.spec.backup_name,
        restore.phase = Empty,
        restore.items = Empty,
        restore.errors = Empty,
        restore.warnings = Empty,
        otel.status_code = Empty,
    )
}

/// Notes how the span's backup ended.
pub(crate) fn backup_ended(span: &Span, backup: &Backup) {
    let (phase, status) = (backup.phase().to_string(), &backup.status);
    span.record("backup.phase", &phase);
    span.record("backup.items", status.progress.as_ref().map_or(0, |progress| progress.items_backed_up));
    span.record("backup.errors", status.errors);
    span.record("backup.warnings", status.warnings);
    failed(span, &phase);
}

/// Notes how the span's restore ended.
pub(crate) fn restore_ended(span: &Span, restore: &Restore) {
    let (phase, status) = (restore.phase().to_string(), &restore.status);
    span.record("restore.phase", &phase);
    span.record("restore.items", status.progress.as_ref().map_or(0, |progress| progress.items_restored));
    span.record("restore.errors", status.errors);
    span.record("restore.warnings", status.warnings);
    failed(span, &phase);
}

fn failed(span: &Span, phase: &str) {
    if phase.contains("Failed") {
        span.record("otel.status_code", "ERROR");
    }
}

/// The same objects; calls that belong to an operation are in its trace.
#[derive(Debug)]
pub(crate) struct Traced(Arc<dyn ObjectStore>);

impl Traced {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self(inner)
    }
}

async fn call<T>(verb: &'static str, key: &str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    // What belongs to no operation, such as looking for new backups every minute, would be a trace of its own for each object.
    if Span::current().is_none() {
        return work.await;
    }
    let span = tracing::info_span!(
        target: TARGET,
        "store",
        otel.name = verb,
        otel.kind = "client",
        store.key = key,
        "error.type" = Empty,
        otel.status_code = Empty
    );
    let done = work.instrument(span.clone()).await;
    if let Err(error) = &done {
        span.record("error.type", tracing::field::display(error.kind()));
        // To ask for what may not be there is no failure.
        if !error.is_not_found() {
            span.record("otel.status_code", "ERROR");
        }
    }
    done
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Traced {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        call("store put", key, self.0.put(key, body, options)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        call("store get", key, self.0.get(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        call("store head", key, self.0.head(key)).await
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        call("store list", &request.prefix, self.0.list_page(request)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        call("store delete", key, self.0.delete(key)).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.0.signed_url(key, ttl).await
    }
}
