//! Traces: the spans of [`bowline_api::trace::TARGET`], sent to a collector by OTLP over HTTP. Off unless a collector is named.
//!
//! A run never waits for the collector: spans stand in a bounded queue (`OTEL_BSP_MAX_QUEUE_SIZE`, 2,048), which a thread empties; what
//! does not fit, and what the collector does not take, is forgotten. That is said once, and again only after it has taken some.

mod sender;

use std::time::Duration;

use bowline_api::trace::TARGET;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use sender::Sender;

/// How long the last spans may take at the end of the process.
const FAREWELL: Duration = Duration::from_secs(3);
const SERVICE: Key = Key::from_static_str("service.name");

/// Where spans go. The rest is said by OpenTelemetry's own variables: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
/// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and its argument, `OTEL_BSP_*`.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector {
    /// The whole URL for spans, such as `http://collector:4318/v1/traces`. It may hold a user and a password.
    pub url: String,
    /// Certificates in PEM form that are trusted besides the system's.
    pub certificates: Option<Vec<u8>>,
    /// How long the collector may take for an answer.
    pub timeout: Duration,
    /// What is said of this process, such as its version and pod.
    pub attributes: Vec<(&'static str, String)>,
}

/// Why spans can't be sent at all.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The URL is none.
    #[error("the collector's address is not an http:// or https:// URL")]
    Address,
    /// The certificates can't be used.
    #[error("failed to prepare the connection to the collector")]
    Client(#[source] reqwest::Error),
    /// One of OpenTelemetry's variables can't be used.
    #[error("failed to prepare what sends spans")]
    Exporter(#[source] ExporterBuildError),
}

/// Sends spans while it lives.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send what the layer gets. Call it inside the runtime that is to do the sending.
    pub fn start(collector: &Collector) -> Result<Self, TraceError> {
        let sender = Sender::new(collector)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&collector.url)
            .with_timeout(collector.timeout)
            .build()
            .map_err(TraceError::Exporter)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource(&collector.attributes))
            .build();
        Ok(Self { provider })
    }

    /// The layer that takes the spans.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("bowline"))
            // Where in the source and on which thread says nothing to those who read traces.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    }

    /// Sends what is left, for a short time.
    pub async fn end(self) {
        let farewell = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FAREWELL));
        if let Ok(Err(error)) = farewell.await {
            tracing::debug!(error = %error, "the last spans are lost");
        }
    }
}

/// What is said of this process; the user's words stand above ours.
fn resource(attributes: &[(&'static str, String)]) -> Resource {
    let given = Resource::builder().build();
    let is_named = given.get(&SERVICE).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let mut ours: Vec<_> = attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect();
    ours.retain(|attribute| given.get(&attribute.key).is_none());
    if !is_named {
        ours.push(KeyValue::new(SERVICE, "bowline"));
    }
    Resource::builder().with_attributes(ours).build()
}

impl Collector {
    /// Whether the address is one.
    pub fn check(&self) -> Result<(), TraceError> {
        let url = reqwest::Url::parse(&self.url).map_err(|_| TraceError::Address)?;
        let is_known = ["http", "https"].contains(&url.scheme()) && url.has_host();
        if is_known { Ok(()) } else { Err(TraceError::Address) }
    }

    /// The address without what might be secret in it.
    pub fn address(&self) -> String {
        let Ok(url) = reqwest::Url::parse(&self.url) else { return String::new() };
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", url.scheme(), url.path())
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("address", &self.address()).finish_non_exhaustive()
    }
}
