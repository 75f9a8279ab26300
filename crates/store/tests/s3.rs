//! The S3 driver against a real server. `cluster/up DIR --with-minio` starts one and writes these variables to
//! `DIR/env`; the end-to-end tests do the same by themselves.

use bowline_store::conformance::s3::{Server, check, check_encryption};

#[expect(clippy::disallowed_methods, reason = "a test takes its server from the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).expect(name)
}

fn server() -> Server {
    let config = [
        ("s3Url", variable("BOWLINE_S3_URL")),
        ("region", variable("BOWLINE_S3_REGION")),
        ("s3ForcePathStyle", "true".to_owned()),
    ];
    Server {
        config: config.map(|(key, value)| (key.to_owned(), value)).into(),
        bucket: variable("BOWLINE_S3_BUCKET"),
        access_key: variable("AWS_ACCESS_KEY_ID"),
        secret_key: variable("AWS_SECRET_ACCESS_KEY"),
        ca_cert: None,
    }
}

#[tokio::test]
#[ignore = "needs an S3 server: cluster/up DIR --with-minio, . DIR/env, then cargo test -p bowline-store -- --ignored contract"]
async fn a_bucket_keeps_the_contract() {
    check(&server()).await;
}

#[tokio::test]
#[ignore = "needs an S3 server with TLS (its CA in the file BOWLINE_S3_CA) and a key service with the key BOWLINE_S3_KMS_KEY"]
async fn a_bucket_encrypts() {
    let ca_cert = fs_err::read(variable("BOWLINE_S3_CA")).expect("the CA");
    let server = Server { ca_cert: Some(ca_cert.into()), ..server() };
    check(&server).await;
    check_encryption(&server, &variable("BOWLINE_S3_KMS_KEY")).await;
}
