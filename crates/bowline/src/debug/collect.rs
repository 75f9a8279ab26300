//! Objects of the server's namespace and the logs of its pods.

use futures::AsyncReadExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::Collection;

/// What is listed, by path. Secrets come without their content.
const RESOURCES: [(&str, &str); 21] = [
    ("velero.io/v1", "backuprepositories"),
    ("velero.io/v1", "backups"),
    ("velero.io/v1", "backupstoragelocations"),
    ("velero.io/v1", "deletebackuprequests"),
    ("velero.io/v1", "downloadrequests"),
    ("velero.io/v1", "podvolumebackups"),
    ("velero.io/v1", "podvolumerestores"),
    ("velero.io/v1", "restores"),
    ("velero.io/v1", "schedules"),
    ("velero.io/v1", "serverstatusrequests"),
    ("velero.io/v1", "volumesnapshotlocations"),
    ("velero.io/v2alpha1", "datadownloads"),
    ("velero.io/v2alpha1", "datauploads"),
    ("v1", "configmaps"),
    ("v1", "events"),
    ("v1", "pods"),
    ("v1", "secrets"),
    ("v1", "serviceaccounts"),
    ("apps/v1", "daemonsets"),
    ("apps/v1", "deployments"),
    ("batch/v1", "jobs"),
];
/// Objects in one page of a list.
const PAGE: u32 = 500;
/// Most bytes of a container's log, its end.
const MAX_LOG: u64 = 32 << 20;

impl Collection<'_> {
    /// Lists of all objects.
    pub(super) async fn objects(&mut self) -> anyhow::Result<()> {
        for (version, resource) in RESOURCES {
            self.begin(resource);
            let list = self.list(version, resource).await;
            let path = format!("{}/{resource}-{}.json", self.folder(version), self.stamp);
            self.add(&path, list.and_then(|list| Ok(serde_json::to_vec_pretty(&list)?)))?;
        }
        Ok(())
    }

    /// `kubecapture/velero.io_v1/NAMESPACE`.
    fn folder(&self, version: &str) -> String {
        let (group, version) = version.split_once('/').unwrap_or(("core", version));
        format!("kubecapture/{group}_{version}/{}", self.cluster.namespace)
    }

    async fn list(&self, version: &str, resource: &str) -> anyhow::Result<Value> {
        let root = if version.contains('/') { "/apis" } else { "/api" };
        let path = format!("{root}/{version}/namespaces/{}/{resource}", self.cluster.namespace);
        let mut params = ListParams::default().limit(PAGE);
        let mut all: Option<Value> = None;
        loop {
            let request = kube::core::Request::new(path.as_str()).list(&params);
            let mut page = self.cluster.send_raw(request.map_err(kube::Error::BuildRequest)).await?;
            let next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            let items: Vec<Value> = match page["items"].take() {
                Value::Array(items) => items.into_iter().map(|item| redacted(resource, item)).collect(),
                _ => Vec::new(),
            };
            if let Some(list) = all.as_mut().and_then(|all| all["items"].as_array_mut()) {
                list.extend(items);
            } else {
                page["items"] = Value::Array(items);
                all = Some(page);
            }
            if next.is_empty() {
                return Ok(all.unwrap_or_default());
            }
            params.continue_token = Some(next);
        }
    }

    /// The logs of all containers of the namespace, also those before a restart.
    pub(super) async fn logs(&mut self) -> anyhow::Result<()> {
        let pods = self.list("v1", "pods").await.unwrap_or_default();
        for pod in pods["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            for list in ["initContainerStatuses", "containerStatuses"] {
                for container in pod["status"][list].as_array().into_iter().flatten() {
                    let restarted = container["restartCount"].as_u64().unwrap_or(0) > 0;
                    let container = container["name"].as_str().unwrap_or_default();
                    self.log(name, container, false).await?;
                    if restarted {
                        self.log(name, container, true).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn log(&mut self, pod: &str, container: &str, previous: bool) -> anyhow::Result<()> {
        self.begin(&format!("the log of {pod}/{container}"));
        let namespace = &self.cluster.namespace;
        let request = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&limitBytes={MAX_LOG}&previous={previous}"
        );
        let content = async {
            let mut text = Vec::new();
            let stream =
                self.cluster.client.request_stream(http::Request::get(request).body(Vec::new())?).await?;
            Box::pin(stream).take(MAX_LOG).read_to_end(&mut text).await?;
            Ok(text)
        };
        let content = content.await;
        let kind = if previous { "previous.log" } else { "log" };
        let path = format!("{}/{pod}/{container}/{container}.{kind}", self.folder("v1"));
        self.add(&path, content)
    }
}

/// Without what gives access: the content of Secrets, also where `kubectl apply` has copied it, and signed addresses.
fn redacted(resource: &str, mut object: Value) -> Value {
    let hide = |value: &mut Value| {
        *value = json!(format!("<redacted: {} characters>", value.as_str().unwrap_or_default().len()));
    };
    if resource == "secrets"
        && let Some(data) = object["data"].as_object_mut()
    {
        data.values_mut().for_each(hide);
    }
    if let Some(url) = object.pointer_mut("/status/downloadURL") {
        hide(url);
    }
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn the_content_of_secrets_stays_behind() {
        let applied = json!({ "kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0", "a": "b" });
        let secret = json!({ "metadata": { "name": "s", "annotations": applied }, "type": "Opaque", "data": { "cloud": "c2VjcmV0" } });
        let text = super::redacted("secrets", secret).to_string();
        assert!(
            !text.contains("c2VjcmV0")
                && text.contains("redacted: 8 characters")
                && text.contains(r#""a":"b""#),
            "{text}"
        );
        let config = json!({ "metadata": { "name": "c" }, "data": { "a": "b" } });
        assert_eq!(super::redacted("configmaps", config)["data"]["a"], "b");
        let request = json!({ "metadata": {}, "status": { "downloadURL": "https://x?sig=y" } });
        assert!(!super::redacted("downloadrequests", request).to_string().contains("sig"));
    }
}
