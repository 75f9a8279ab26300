//! The server's own listener: metrics, health, and the downloads of stores that have no URLs.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bowline_engine::finding::chain;
use futures::TryStreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::download::Download;

/// Listens until the server stops.
pub(crate) async fn serve(context: Arc<Context>) -> io::Result<()> {
    let (address, stop) = (context.config.metrics_address.clone(), context.stop.clone());
    listen(&address, router(context), stop, "metrics, health and downloads").await
}

/// Answers at an address until the stop.
pub(crate) async fn listen(
    at: &str,
    router: Router,
    stop: CancellationToken,
    what: &'static str,
) -> io::Result<()> {
    let address = address(at);
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("address {address}: {error}")))?;
    tracing::info!(address, "listening for {what}");
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// `:8085` means every interface, as in Go.
fn address(text: &str) -> String {
    if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() }
}

fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/download/{location}/{kind}/{name}", get(download))
        .with_state(context)
}

async fn metrics(State(context): State<Arc<Context>>) -> Response {
    match context.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Ready means that the objects have been read once and nobody has said stop.
async fn ready(State(context): State<Arc<Context>>) -> Response {
    if context.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response();
    }
    let caches = &context.caches;
    let all = async {
        caches.backups.ready().await;
        caches.restores.ready().await;
        caches.locations.ready().await;
    };
    match tokio::time::timeout(std::time::Duration::from_secs(1), all).await {
        Ok(()) => "ok".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "objects are still being read").into_response(),
    }
}

#[derive(Deserialize)]
struct Signed {
    expires: i64,
    signature: String,
}

async fn download(
    State(context): State<Arc<Context>>,
    Path((location, kind, name)): Path<(String, String, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let refused = || (StatusCode::FORBIDDEN, "the URL is not valid, or not any more").into_response();
    let Ok(expires) = Timestamp::from_second(signed.expires) else { return refused() };
    let download = Download::new(&location, &kind, &name, expires);
    if !context.signer.check(&download, &signed.signature, context.now()) {
        return refused();
    }
    send(&context, &download).await.unwrap_or_else(|(status, message)| (status, message).into_response())
}

async fn send(context: &Context, download: &Download) -> Result<Response, (StatusCode, String)> {
    let location =
        context.location(&download.location).map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))?;
    let store = context.store(&location).await.map_err(|error| (StatusCode::BAD_GATEWAY, chain(&error)))?;
    let object = store.download(&download.target).await.map_err(|error| {
        let status = if error.is_not_found() { StatusCode::NOT_FOUND } else { StatusCode::BAD_GATEWAY };
        (status, chain(&error))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, object.meta.size.to_string()),
    ];
    Ok((headers, Body::from_stream(object.body.map_err(io::Error::other))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_is_every_interface() {
        assert_eq!(address(":8085"), "0.0.0.0:8085");
        assert_eq!(address("127.0.0.1:1"), "127.0.0.1:1");
    }
}
