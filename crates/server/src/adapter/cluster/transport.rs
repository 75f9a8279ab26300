//! One request, one answer, in bounded time and memory.

use std::sync::Arc;
use std::time::Duration;

use bowline_engine::port::ClusterError;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::de::DeserializeOwned;

use super::failure;
use crate::adapter::connect::{Connection, transport_error};
use crate::adapter::limit::RateLimit;

const JSON: &str = "application/json";
/// Most bytes of an answer that says what went wrong.
const MAX_FAILURE_BYTES: usize = 64 << 10;
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// Discovery of a cluster with thousands of CRDs is a few MiB.
const DEFAULT_MAX_BYTES: usize = 64 << 20;

/// The way to the API server.
#[derive(Clone)]
pub(super) struct Transport {
    client: kube::Client,
    limit: Option<Arc<RateLimit>>,
}

/// A request with its limits.
pub(super) struct Call {
    method: Method,
    path: String,
    accept: &'static str,
    content: Option<(&'static str, Bytes)>,
    deadline: Duration,
    max_bytes: usize,
}

impl Call {
    /// Reads a path.
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: JSON,
            content: None,
            deadline: DEFAULT_DEADLINE,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }

    /// Sends a body of a media type.
    pub(super) fn write(method: Method, path: String, media_type: &'static str, body: Bytes) -> Self {
        Self { method, content: Some((media_type, body)), ..Self::get(path) }
    }

    /// Asks for another media type than JSON.
    pub(super) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// Sets the longest time and the largest answer.
    pub(super) fn within(self, deadline: Duration, max_bytes: usize) -> Self {
        Self { deadline, max_bytes, ..self }
    }

    fn into_request(self) -> Result<Request<Body>, http::Error> {
        let request = Request::builder().method(self.method).uri(self.path).header(ACCEPT, self.accept);
        match self.content {
            Some((media_type, body)) => request.header(CONTENT_TYPE, media_type).body(Body::from(body)),
            None => request.body(Body::empty()),
        }
    }
}

impl Transport {
    pub(super) fn new(connection: &Connection) -> Self {
        Self { client: connection.client.clone(), limit: connection.limit.clone() }
    }

    /// Sends the request once and returns the whole body of a successful answer.
    pub(super) async fn send(&self, call: Call) -> Result<Bytes, ClusterError> {
        if let Some(limit) = &self.limit {
            limit.pass().await;
        }
        tokio::time::timeout(call.deadline, self.exchange(call)).await.unwrap_or(Err(ClusterError::Timeout))
    }

    async fn exchange(&self, call: Call) -> Result<Bytes, ClusterError> {
        let max_bytes = call.max_bytes;
        let request =
            call.into_request().map_err(|error| ClusterError::Invalid { message: error.to_string() })?;
        let response = self.client.send(request).await.map_err(|error| transport_error(&error))?;
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return collect(body, announced(&parts), max_bytes).await;
        }
        let body = collect(body, 0, MAX_FAILURE_BYTES).await.unwrap_or_default();
        Err(failure::read(&parts, &body))
    }
}

/// The size that the server promises; 0 where it does not know yet.
fn announced(parts: &Parts) -> usize {
    parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

async fn collect(mut body: Body, announced: usize, max_bytes: usize) -> Result<Bytes, ClusterError> {
    if announced > max_bytes {
        return Err(ClusterError::PageTooLarge { max_bytes });
    }
    let mut bytes = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| transport_error(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > max_bytes {
            return Err(ClusterError::PageTooLarge { max_bytes });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Reads an answer of a known shape.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClusterError> {
    serde_json::from_slice(body).map_err(|error| ClusterError::Decode { message: error.to_string() })
}
