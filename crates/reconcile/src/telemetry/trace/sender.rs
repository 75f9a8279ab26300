//! The HTTP client of the exporter. It lives on a thread without a runtime, so the requests are made on the process's own.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use thiserror::Error;
use tokio::runtime::Handle;

use super::{Collector, TraceError};

const CONNECT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are looked at.
const MAX_ANSWER: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    /// Without user and password.
    address: String,
    /// Whether the last spans were lost.
    is_away: AtomicBool,
}

/// The collector answered, but not with yes.
#[derive(Debug, Error)]
#[error("it answered {0}")]
struct Refused(StatusCode);

impl Sender {
    pub(super) fn new(collector: &Collector) -> Result<Self, TraceError> {
        collector.check()?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(collector.timeout)
            // Headers with a token are for this host.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &collector.certificates {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(TraceError::Client)?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            client: builder.build().map_err(TraceError::Client)?,
            runtime: Handle::current(),
            address: collector.address(),
            is_away: AtomicBool::new(false),
        })
    }

    fn lost(&self, error: &(dyn StdError + 'static)) {
        let collector = self.address.as_str();
        if self.is_away.swap(true, Relaxed) {
            tracing::debug!(collector, error, "spans are lost");
        } else {
            tracing::warn!(
                collector,
                error,
                "the collector of traces does not take spans, so they are lost; nothing else is kept up"
            );
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(exchange(self.client.clone(), request)).await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| sent);
        match &sent {
            Ok(response) if response.status().is_success() => {
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!(collector = self.address, "the collector of traces takes spans again");
                }
            }
            Ok(response) => self.lost(&Refused(response.status())),
            Err(error) => self.lost(&**error),
        }
        sent
    }
}

async fn exchange(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = request.into_parts();
    // A user and a password in the URL become a header here, and must not get into errors.
    let sending = client.request(head.method, head.uri.to_string()).headers(head.headers).body(body).send();
    let mut answer = sending.await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + piece.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&piece);
    }
    Ok(response.body(body.freeze())?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::{RunLogs, Settings, layer};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Write::write(&mut *self.0.lock().unwrap(), bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Gives each connection the next of these answers.
    async fn collector(answers: &'static [&'static str]) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:hunter2@{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for status in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Collector { url, certificates: None, timeout: Duration::from_secs(5), attributes: Vec::new() }
    }

    #[tokio::test]
    async fn a_collector_that_takes_nothing_is_told_of_once_until_it_takes_some() {
        let collector = collector(&["503 Busy", "401 No", "200 OK", "500 Oh"]).await;
        let log = Log::default();
        let writer = log.clone();
        let lines = layer(Settings::default(), RunLogs::default(), move || Box::new(writer.clone()));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        let sender = Sender::new(&collector).unwrap();
        // The fifth finds nobody there.
        for _ in 0..5 {
            let request = Request::post(&collector.url).body(Bytes::from_static(b"spans")).unwrap();
            let _ = sender.send_bytes(request).await;
        }
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let levels: Vec<_> = text.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(levels, ["level=warning", "level=info", "level=warning"], "{text}");
        assert!(text.contains("503 Service Unavailable") && !text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn an_address_that_is_no_url_is_refused() {
        for url in ["collector:4318", "", "ftp://collector"] {
            let (url, timeout) = (url.to_owned(), Duration::from_secs(1));
            let collector = Collector { url, certificates: None, timeout, attributes: Vec::new() };
            assert!(matches!(Sender::new(&collector), Err(TraceError::Address)), "{collector:?}");
        }
    }
}
