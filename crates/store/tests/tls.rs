//! How the S3 driver judges the certificate of a server, and what it says about it.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use bowline_store::{Credentials, Error, ErrorKind, ListRequest, LocationConfig, open};
use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const REFUSAL: &str = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>";

fn testdata(file: &str) -> Vec<u8> {
    fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(file)).unwrap()
}

fn answer(mut stream: impl Read + Write) {
    // One read takes a whole request, or what a client of the other scheme begins with.
    if !stream.read(&mut [0; 8192]).is_ok_and(|read| read > 0) {
        return;
    }
    let length = REFUSAL.len();
    let reply =
        format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{REFUSAL}");
    let _ = stream.write_all(reply.as_bytes()).and_then(|()| stream.flush());
}

/// A server that refuses everything it understands, with this certificate, or without TLS.
fn server(certificate: Option<&str>) -> SocketAddr {
    let config = certificate.map(|file| {
        let chain = CertificateDer::pem_slice_iter(&testdata(file)).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&testdata("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            match &config {
                Some(config) => {
                    answer(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream));
                }
                None => answer(stream),
            }
        }
    });
    address
}

async fn list(url: &str, ca: Option<&str>, settings: &[(&str, &str)]) -> Error {
    let config = [("s3Url", url), ("s3ForcePathStyle", "true"), ("region", "here")];
    let config =
        config.iter().chain(settings).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let keys = Bytes::from_static(b"[default]\naws_access_key_id=a\naws_secret_access_key=s\n");
    let location = LocationConfig {
        provider: "aws".into(),
        bucket: "bkt".into(),
        config,
        ca_cert: ca.map(|file| testdata(file).into()),
        credentials: Some(Credentials::Contents(keys)),
        ..LocationConfig::default()
    };
    let store = open(&location).await.unwrap();
    store.list_page(&ListRequest::default()).await.unwrap_err()
}

/// The server's answer: TLS was fine.
fn assert_connected(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn a_certificate_of_the_given_authority_is_trusted() {
    let url = format!("https://{}", server(Some("good.pem")));
    assert_connected(&list(&url, Some("ca.pem"), &[]).await);
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_named_with_its_remedy() {
    let cases = [
        ("good.pem", None, "unknown authority", "caCert"),
        ("self-signed.pem", None, "unknown authority", "caCert"),
        ("expired.pem", Some("ca.pem"), "has expired", "renew"),
        ("other-name.pem", Some("ca.pem"), "for another name", "s3Url"),
    ];
    for (certificate, ca, reason, remedy) in cases {
        let error = list(&format!("https://{}", server(Some(certificate))), ca, &[]).await;
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{certificate}: {error}");
        assert!(error.to_string().contains(reason), "{certificate}: {error}");
        assert!(error.hint().unwrap().contains(remedy), "{certificate}: {:?}", error.hint());
    }
}

#[tokio::test]
async fn verification_is_skipped_only_when_asked_for() {
    for certificate in ["good.pem", "self-signed.pem", "expired.pem", "other-name.pem"] {
        let url = format!("https://{}", server(Some(certificate)));
        assert_connected(&list(&url, None, &[("insecureSkipTLSVerify", "true")]).await);
    }
}

#[tokio::test]
async fn a_url_with_the_wrong_scheme_is_told() {
    let error = list(&format!("https://{}", server(None)), None, &[]).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.hint().unwrap().contains("http or https"), "{error}: {:?}", error.hint());
    let error = list(&format!("http://{}", server(Some("good.pem"))), None, &[]).await;
    assert!(error.hint().unwrap().contains("s3Url"), "{error}: {:?}", error.hint());
}
