//! An application that runs: one pod of a Deployment, which keeps the traces of hooks in a volume of its own.

use anyhow::{Context as _, Result};
use bowline_e2e::Output;
use serde_json::{Value, json};

use crate::stage::Stage;

/// An image with a shell, which `cluster/up` gives to the node.
pub(crate) const SHELL: &str = "docker.io/local/busybox:1";

/// The application in a namespace of its own.
pub(crate) struct Application<'a> {
    stage: &'a Stage,
    pub(crate) namespace: String,
}

impl<'a> Application<'a> {
    /// Creates it and waits until it runs. The annotations are those of its pod.
    pub(crate) fn run(stage: &'a Stage, purpose: &str, annotations: &Value) -> Result<Self> {
        let namespace = stage.cluster.namespace(purpose)?;
        let container = json!({
            "name": "web", "image": SHELL, "command": ["sh", "-c", "touch /data/trace; exec httpd -f -h /data -p 8080"],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        });
        let pod = json!({
            "metadata": {"labels": {"app": "web"}, "annotations": annotations},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]},
        });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": pod},
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        });
        stage.cluster.apply(
            &json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]}).to_string(),
        )?;
        let application = Self { stage, namespace };
        application.is_running()?;
        Ok(application)
    }

    /// Waits until its pod runs and answers under the service's name.
    pub(crate) fn is_running(&self) -> Result<()> {
        self.stage.wait("deployment/web", &self.namespace, "condition=Available")?;
        let fetch = format!(
            "for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://web.{}/trace && exit; sleep 1; done; exit 1",
            self.namespace
        );
        self.shell(&fetch)?.ok().context("the service has no answer").map(drop)
    }

    /// Deletes it, as an administrator in a hurry would.
    pub(crate) fn lose(&self) -> Result<()> {
        self.stage.cluster.kubectl(["delete", "namespace", &self.namespace, "--timeout=60s"])?.ok().map(drop)
    }

    /// What hooks have left behind, line by line.
    pub(crate) fn trace(&self) -> Result<Vec<String>> {
        Ok(self.shell("cat /data/trace")?.ok()?.lines().map(str::to_owned).collect())
    }

    /// Its pod.
    pub(crate) fn pod(&self) -> Result<Value> {
        let list = self.stage.cluster.get(&["-n", &self.namespace, "pods", "-l", "app=web"])?;
        Ok(list["items"][0].clone())
    }

    fn shell(&self, script: &str) -> Result<Output> {
        self.stage.cluster.kubectl([
            "exec",
            "-n",
            &self.namespace,
            "deployment/web",
            "--",
            "sh",
            "-c",
            script,
        ])
    }
}

/// A command that leaves a line behind, as an annotation has it.
pub(crate) fn leaving(line: &str) -> String {
    json!(command_leaving(line)).to_string()
}

/// The same, as a spec has it.
pub(crate) fn command_leaving(line: &str) -> [String; 3] {
    ["sh".to_owned(), "-c".to_owned(), format!("echo {line} >>/data/trace")]
}
