//! What is in the object store, seen past the proxy.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::Cluster;
use bowline_store::{BackupStore, Credentials, LocationConfig};

/// The part of the bucket below a prefix.
pub(super) struct Bucket {
    store: BackupStore,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Bucket {
    pub(super) fn open(cluster: &Cluster, prefix: &str) -> Result<Self> {
        let (key, secret) =
            (cluster.setting("AWS_ACCESS_KEY_ID")?, cluster.setting("AWS_SECRET_ACCESS_KEY")?);
        let credentials = format!("[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n");
        let settings = [
            ("region", cluster.setting("BOWLINE_S3_REGION")?),
            ("s3ForcePathStyle", "true"),
            ("s3Url", cluster.setting("BOWLINE_S3_URL")?),
        ];
        let config = LocationConfig {
            provider: "aws".into(),
            bucket: cluster.setting("BOWLINE_S3_BUCKET")?.into(),
            prefix: prefix.into(),
            config: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            credentials: Some(Credentials::Contents(credentials.into())),
            ..LocationConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = BackupStore::new(runtime.block_on(bowline_store::open(&config))?);
        Ok(Self { store, runtime: Arc::new(runtime) })
    }

    /// Completed backups are whole, failed ones have at most a log, deleted ones have nothing, and there is nothing else.
    pub(super) fn check(
        &self,
        completed: &BTreeSet<String>,
        failed: &BTreeSet<String>,
        deleted: &BTreeSet<String>,
    ) -> Result<()> {
        self.runtime.block_on(async {
            for name in completed {
                let verification = self.store.verify(name).await.with_context(|| format!("verify {name}"))?;
                ensure!(verification.is_intact(), "{name} is damaged: {verification:?}");
            }
            for name in self.store.list_backups().await?.iter().filter(|name| !completed.contains(*name)) {
                ensure!(!deleted.contains(name), "something of the deleted backup {name} is left");
                ensure!(failed.contains(name), "{name} is in the bucket and nowhere else");
                ensure!(!self.store.exists(name).await?, "the failed backup {name} can be read");
            }
            Ok(())
        })
    }
}
