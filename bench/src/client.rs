//! The simplest client of the API server: requests over kept-alive connections.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bowline_e2e::Cluster;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::workload::Item;

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Client {
    pub(crate) fn new(cluster: &Cluster) -> Result<Self> {
        let authority = fs_err::read(cluster.setting("BOWLINE_API_CA")?)?;
        let authority = reqwest::Certificate::from_pem(&authority).context("read the cluster's authority")?;
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .http1_only()
            .build()
            .context("build a client")?;
        Ok(Self {
            http,
            server: cluster.setting("BOWLINE_API_SERVER")?.to_owned(),
            token: cluster.setting("BOWLINE_API_TOKEN")?.to_owned(),
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.http.get(format!("{}{path}", self.server)).bearer_auth(&self.token).send().await?;
        if !answer.status().is_success() {
            bail!("GET {path}: {}", answer.text().await?);
        }
        Ok(answer.bytes().await?.to_vec())
    }

    pub(crate) async fn get_json(&self, path: &str) -> Result<Value> {
        serde_json::from_slice(&self.get(path).await?)
            .with_context(|| format!("read the answer to GET {path}"))
    }

    /// Creates an object; one that is there already is fine.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> Result<()> {
        let request = self.http.post(format!("{}{path}", self.server)).bearer_auth(&self.token).json(body);
        let answer = request.send().await?;
        if !answer.status().is_success() && answer.status().as_u16() != 409 {
            bail!("POST {path}: {}", answer.text().await?);
        }
        answer.bytes().await?;
        Ok(())
    }

    pub(crate) async fn create_all(
        &self,
        items: impl Iterator<Item = Item> + Send,
        in_flight: usize,
    ) -> Result<()> {
        let creations = stream::iter(items.map(Ok::<_, anyhow::Error>));
        creations
            .try_for_each_concurrent(
                in_flight,
                |item| async move { self.create(&item.path, &item.body).await },
            )
            .await
    }

    /// Changes a label of each item.
    pub(crate) async fn label_all(
        &self,
        items: impl Iterator<Item = Item> + Send,
        in_flight: usize,
    ) -> Result<()> {
        let patches = stream::iter(items.map(Ok::<_, anyhow::Error>));
        patches.try_for_each_concurrent(in_flight, |item| async move { self.label(&item).await }).await
    }

    async fn label(&self, item: &Item) -> Result<()> {
        let name = item.body["metadata"]["name"].as_str().unwrap_or_default();
        let url = format!("{}{}/{name}", self.server, item.path);
        let patch = self.http.patch(&url).bearer_auth(&self.token);
        let patch = patch.header("content-type", "application/merge-patch+json");
        let answer = patch.body(r#"{"metadata":{"labels":{"bench":"patched"}}}"#).send().await?;
        if !answer.status().is_success() {
            bail!("PATCH {url}: {}", answer.text().await?);
        }
        answer.bytes().await?;
        Ok(())
    }

    pub(crate) async fn create_namespaces(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_namespaces(&self, names: &[String]) -> Result<()> {
        stream::iter(names)
            .for_each_concurrent(20, |name| async move {
                let url = format!("{}/api/v1/namespaces/{name}", self.server);
                // What could not be deleted shows in the wait below.
                let _ = self.http.delete(url).bearer_auth(&self.token).send().await;
            })
            .await;
        for name in names {
            while self.get(&format!("/api/v1/namespaces/{name}")).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        Ok(())
    }

    /// Waits until an object's `status.phase` is one of `wanted`, looking every 50 ms, and gives the object.
    pub(crate) async fn await_phase(
        &self,
        api: &str,
        namespace: &str,
        object: &str,
        wanted: &[&str],
    ) -> Result<Value> {
        let path = format!("/apis/{api}/namespaces/{namespace}/{object}");
        for _ in 0..20 * 1200 {
            let found = self.get_json(&path).await?;
            let phase = found["status"]["phase"].as_str().unwrap_or_default();
            if wanted.contains(&phase) {
                return Ok(found);
            }
            if phase.starts_with("Failed") {
                bail!("{object} ended as {phase}: {}", found["status"]);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{object} did not reach {wanted:?} in 20 minutes")
    }
}
