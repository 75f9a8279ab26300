//! The S3 driver on a real S3 server.

use anyhow::Result;
use bowline_e2e::Cluster;
use bowline_store::conformance::s3::{Server, check};

#[tokio::test]
async fn the_s3_driver_keeps_its_contract() -> Result<()> {
    let cluster = Cluster::shared()?;
    let setting = |name| cluster.setting(name).map(str::to_owned);
    let config = [
        ("s3Url", setting("BOWLINE_S3_URL")?),
        ("region", setting("BOWLINE_S3_REGION")?),
        ("s3ForcePathStyle", "true".to_owned()),
    ];
    check(&Server {
        config: config.map(|(name, value)| (name.to_owned(), value)).into(),
        bucket: setting("BOWLINE_S3_BUCKET")?,
        access_key: setting("AWS_ACCESS_KEY_ID")?,
        secret_key: setting("AWS_SECRET_ACCESS_KEY")?,
        ca_cert: None,
    })
    .await;
    Ok(())
}
