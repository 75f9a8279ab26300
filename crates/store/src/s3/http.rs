//! The HTTP client below the SDK. The SDK's own has no way to skip the verification of certificates and panics on a
//! bad CA file, so this one is built from the location's TLS settings. It obeys `HTTP_PROXY`, `HTTPS_PROXY` and
//! `NO_PROXY`, and speaks HTTP/1.1 (many parallel bodies over one HTTP/2 connection are slower).

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::failure;
use crate::error::{Error, Result};
use crate::location::misconfigured;

const CONNECT: Duration = Duration::from_secs(10);

/// One pool of connections for everything that a location does, credentials included.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
}

impl Http {
    /// `ca_cert` is PEM, trusted besides the system's certificates.
    pub(super) fn new(ca_cert: Option<&[u8]>, verify_certificates: bool) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let config = ClientConfig::builder_with_provider(provider as Arc<CryptoProvider>)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let config = if verify_certificates {
            config.with_root_certificates(roots(ca_cert)?)
        } else {
            config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(algorithms)))
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config.with_no_client_auth())
            .connect_timeout(CONNECT)
            // A redirected request would carry a signature for another host. S3's redirects are errors to explain.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(unusable)?;
        Ok(Self { client })
    }

    /// For requests that need no signature.
    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    misconfigured("no HTTP client can be made").with_source(cause)
}

fn roots(ca_cert: Option<&[u8]>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(pem) = ca_cert else { return Ok(roots) };
    let hint = "objectStorage.caCert and caCertRef hold certificates in PEM form, base64-encoded once";
    let bad = |why: String| misconfigured(format!("the CA certificate can't be used: {why}")).with_hint(hint);
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|cause| bad(cause.to_string()))?;
        roots.add(certificate).map_err(|cause| bad(cause.to_string()))?;
        found += 1;
    }
    if found == 0 { Err(bad("there is no certificate in it".to_owned())) } else { Ok(roots) }
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or(CONNECT));
        SharedHttpConnector::new(Connector { client: self.client.clone(), limit })
    }
}

/// The client with the time limit of one kind of request, such as the short one for the instance's metadata.
#[derive(Debug)]
struct Connector {
    client: reqwest::Client,
    limit: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        let limit = self.limit;
        HttpConnectorFuture::new(async move {
            let sending = send(client, request);
            match limit {
                None => sending.await,
                Some(limit) => tokio::time::timeout(limit, sending)
                    .await
                    .unwrap_or_else(|elapsed| Err(ConnectorError::timeout(elapsed.into()))),
            }
        })
    }
}

async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|cause| ConnectorError::user(cause.into()))?;
    let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))
        .map_err(|cause| ConnectorError::user(cause.without_url().into()))?;
    let response = client.execute(request).await.map_err(connector_error)?;
    let response = http::Response::from(response).map(SdkBody::from_body_1_x);
    HttpResponse::try_from(response).map_err(|cause| ConnectorError::other(cause.into(), None))
}

/// The SDK tries again after time-outs and broken connections, but an untrusted certificate stays one.
fn connector_error(cause: reqwest::Error) -> ConnectorError {
    // The URL is no news, and the one of a signed request is a secret.
    let cause = cause.without_url();
    if cause.is_timeout() {
        ConnectorError::timeout(cause.into())
    } else if failure::certificate_error(&cause).is_some() {
        ConnectorError::user(cause.into())
    } else {
        ConnectorError::io(cause.into())
    }
}

/// For `insecureSkipTLSVerify`: whoever answers is taken for the store. Signatures of the handshake are still checked.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_that_is_none_is_refused_with_a_hint() {
        for pem in [&b"nonsense"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = Http::new(Some(pem), true).unwrap_err();
            assert!(error.hint().unwrap().contains("caCert"), "{error}");
        }
    }
}
