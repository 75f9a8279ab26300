//! The S3 driver against a real server. `cluster/up DIR --with-minio` starts one and writes these variables to
//! `DIR/env`; the end-to-end tests do the same by themselves.

use bowline_store::conformance::s3::{Server, check};

#[expect(clippy::disallowed_methods, reason = "a test takes its server from the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).expect(name)
}

#[tokio::test]
#[ignore = "needs an S3 server: cluster/up DIR --with-minio, . DIR/env, then cargo test -p bowline-store -- --ignored"]
async fn a_bucket_keeps_the_contract() {
    let config = [
        ("s3Url", variable("BOWLINE_S3_URL")),
        ("region", variable("BOWLINE_S3_REGION")),
        ("s3ForcePathStyle", "true".to_owned()),
    ];
    let server = Server {
        config: config.map(|(key, value)| (key.to_owned(), value)).into(),
        bucket: variable("BOWLINE_S3_BUCKET"),
        access_key: variable("AWS_ACCESS_KEY_ID"),
        secret_key: variable("AWS_SECRET_ACCESS_KEY"),
        ca_cert: None,
    };
    check(&server).await;
}
