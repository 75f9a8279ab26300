//! `install`, `install --adopt` and `uninstall` on a cluster of their own: what they make, change and leave. No pod runs here.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::{Bowline, Cluster, Output, Snapshot};
use serde_json::{Value, json};

const NAMESPACE: &str = "velero";
/// One that `install` did not make.
const HELMS: &str = "helms";
const OURS: &str = "registry.example/bowline:v9";
const VELEROS: &str = "velero/velero:v1.18.2";

/// The cluster, for one test at a time, without an installation.
struct Stage {
    cluster: &'static Cluster,
    bowline: Bowline<'static>,
    before: Snapshot,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    fn enter() -> Result<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        static SHARED: OnceLock<Result<Cluster>> = OnceLock::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = match SHARED.get_or_init(|| Cluster::start("installation")) {
            Ok(cluster) => cluster,
            Err(error) => bail!("the cluster for installations is not usable: {error:#}"),
        };
        let bowline = Bowline::new(cluster, NAMESPACE)?;
        // Also where a test before has left something; with nothing installed it is no error.
        bowline.ok(&["uninstall", "--force"])?;
        Ok(Self { cluster, bowline, before: Snapshot::everything(cluster)?, _turn: turn })
    }

    fn install(&self, flags: &[&str]) -> Result<Output> {
        let base = ["install", "--provider", "aws", "--bucket", "b", "--no-secret", "--image", VELEROS];
        self.bowline.run(&[&base[..], flags].concat())
    }

    fn object(&self, what: &[&str]) -> Result<Value> {
        self.cluster.get(&[&["-n", NAMESPACE], what].concat())
    }

    fn apply(&self, kind: &str, name: &str, spec: &Value, status: &Value) -> Result<()> {
        let metadata = json!({"name": name, "namespace": NAMESPACE});
        let object = json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status});
        self.cluster.apply(&object.to_string())
    }

    /// An installation as Velero's own, with objects as they are in use.
    fn with_velero(&self) -> Result<()> {
        let credentials = self.cluster.dir().join("keys").display().to_string();
        std::fs::write(&credentials, "[default]\n")?;
        let place = [
            "install",
            "--provider",
            "aws",
            "--bucket",
            "b",
            "--image",
            VELEROS,
            "--secret-file",
            &credentials,
        ];
        let rest = ["--plugins", "velero/velero-plugin-for-aws:v1.13.0", "--features", "EnableCSI"];
        self.bowline.ok(&[&place[..], &rest].concat())?;
        let name = ["-n", NAMESPACE, "patch", "deployment", "velero", "--type=json", "-p"];
        // What Velero's own command line makes of it.
        let command = r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["/velero"]},
            {"op": "remove", "path": "/spec/template/spec/containers/0/args/1"}]"#;
        self.cluster.kubectl_reading(&[&name[..], &[command]].concat(), "")?.ok()?;
        let template = json!({"includedNamespaces": ["shop"], "hooks": {}, "metadata": {}});
        self.apply(
            "Schedule",
            "daily",
            &json!({"schedule": "0 1 * * *", "template": template}),
            &json!({"phase": "Enabled"}),
        )?;
        self.apply(
            "Backup",
            "daily-1",
            &json!({"storageLocation": "default"}),
            &json!({"phase": "Completed"}),
        )?;
        self.apply("Restore", "back", &json!({"backupName": "daily-1"}), &json!({"phase": "Completed"}))
    }

    fn adopt(&self, image: &str, flags: &[&str]) -> Result<Output> {
        self.bowline.run(&[&["install", "--adopt", "--image", image], flags].concat())
    }

    /// Everything in the namespace that is neither a pod nor made by a controller, with its version. That of a Deployment is of its
    /// spec: its status changes by itself.
    fn versions(&self) -> Result<Vec<String>> {
        let kinds = "deployments,secrets,configmaps,serviceaccounts,backups,restores,schedules,backupstoragelocations,volumesnapshotlocations";
        let list = self.object(&[kinds])?;
        let version = |object: &Value| {
            let metadata = &object["metadata"];
            let field = if object["kind"] == "Deployment" { "generation" } else { "resourceVersion" };
            format!("{} {} {}", object["kind"], metadata["name"], metadata[field])
        };
        Ok(list["items"].as_array().into_iter().flatten().map(version).collect())
    }
}

#[test]
fn a_binding_gets_another_role_in_both_directions() -> Result<()> {
    let stage = Stage::enter()?;
    stage.install(&[])?.ok()?;
    for (rbac, role) in [("minimal", "velero"), ("minimal", "velero"), ("cluster-admin", "cluster-admin")] {
        let output = stage.install(&["--rbac", rbac])?;
        let said = output.stderr.clone();
        output.ok()?;
        let binding = stage.cluster.get(&["clusterrolebinding", "velero"])?;
        ensure!(binding["roleRef"]["name"] == role, "{rbac}: {binding}");
        ensure!(binding["subjects"][0]["namespace"] == NAMESPACE, "{binding}");
        ensure!(said.contains("applied"), "{said}");
    }
    Ok(())
}

#[test]
fn an_adopted_server_keeps_everything_but_its_image() -> Result<()> {
    let stage = Stage::enter()?;
    stage.with_velero()?;
    let before = stage.object(&["deployment", "velero"])?;
    let others = |versions: Vec<String>| -> Vec<String> {
        versions.into_iter().filter(|version| !version.contains("Deployment")).collect()
    };
    let kept = others(stage.versions()?);
    let report = stage.adopt(OURS, &[])?.ok()?;
    for line in ["default (aws)", "Schedules:", "velero-velero-plugin-for-aws", VELEROS, OURS, "Go back: "] {
        ensure!(report.contains(line), "{line:?} is not in the report:\n{report}");
    }
    let after = stage.object(&["deployment", "velero"])?;
    ensure!(others(stage.versions()?) == kept, "an object was changed");
    let container = |object: &Value| object["spec"]["template"]["spec"]["containers"][0].clone();
    ensure!(
        container(&after)["image"] == OURS && container(&after)["command"] == json!(["/velero"]),
        "{after}"
    );
    ensure!(after["metadata"]["annotations"]["bowline.io/former-image"] == VELEROS, "{after}");
    same_but_for_the_image(&before, &after)?;

    // And back, by the command that the report names.
    let hint = report
        .lines()
        .find_map(|line| line.split("install --adopt --image ").nth(1))
        .context("no way back")?;
    stage.adopt(hint.trim_end_matches('`'), &[])?.ok()?;
    let back = stage.object(&["deployment", "velero"])?;
    ensure!(container(&back)["image"] == VELEROS, "{back}");
    same_but_for_the_image(&before, &back)?;
    ensure!(others(stage.versions()?) == kept, "an object was changed on the way back");
    Ok(())
}

/// The specs of two Deployments, but for image and pull policy, and that it is the same object.
fn same_but_for_the_image(before: &Value, after: &Value) -> Result<()> {
    let plain = |object: &Value| {
        let mut spec = object["spec"].clone();
        for field in ["image", "imagePullPolicy"] {
            spec["template"]["spec"]["containers"][0][field] = Value::Null;
        }
        (object["metadata"]["uid"].clone(), spec)
    };
    ensure!(plain(before) == plain(after), "more than the image has changed:\n{before}\n{after}");
    Ok(())
}

#[test]
fn what_would_be_lost_by_an_adoption_is_refused_before_anything_changes() -> Result<()> {
    let stage = Stage::enter()?;
    ensure!(stage.adopt(OURS, &[])?.refused(1)?.contains("does not exist"), "there is nothing to adopt");
    stage.with_velero()?;
    let before = stage.versions()?;
    ensure!(stage.adopt(OURS, &["--dry-run"])?.ok()?.contains("Nothing was changed"), "a dry run says so");
    ensure!(stage.versions()? == before, "a dry run has changed something");

    let refused = |words: &str| -> Result<()> {
        let versions = stage.versions()?;
        let message = stage.adopt(OURS, &[])?.refused(1)?;
        ensure!(message.contains(words) && message.contains("hint: "), "{words:?}: {message}");
        ensure!(stage.versions()? == versions, "{words:?}: something was changed");
        Ok(())
    };
    stage.apply(
        "Backup",
        "running",
        &json!({"storageLocation": "default"}),
        &json!({"phase": "InProgress"}),
    )?;
    refused("the backup \"running\" is not over")?;
    stage.cluster.kubectl(["-n", NAMESPACE, "delete", "backup.velero.io", "running"])?.ok()?;
    let storage = json!({"provider": "velero.io/gcp", "objectStorage": {"bucket": "b"}});
    stage.apply("BackupStorageLocation", "cloud", &storage, &json!({}))?;
    refused("needs the provider \"velero.io/gcp\"")?;
    stage.cluster.kubectl(["-n", NAMESPACE, "delete", "backupstoragelocation", "cloud"])?.ok()?;
    let argument =
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--of-tomorrow"}]"#;
    stage
        .cluster
        .kubectl(["-n", NAMESPACE, "patch", "deployment", "velero", "--type=json", "-p", argument])?
        .ok()?;
    refused("--of-tomorrow")
}

#[test]
fn nothing_is_left_of_an_installation() -> Result<()> {
    let stage = Stage::enter()?;
    for rbac in ["cluster-admin", "minimal"] {
        stage.install(&["--rbac", rbac])?.ok()?;
        stage.apply("Backup", "b", &json!({}), &json!({"phase": "Completed"}))?;
        if rbac == "minimal" {
            // No server lets the restore go.
            let held = json!({"apiVersion": "velero.io/v1", "kind": "Restore", "spec": {"backupName": "b"},
                "metadata": {"name": "held", "namespace": NAMESPACE, "finalizers": ["restores.velero.io/external-resources-finalizer"]}});
            stage.cluster.apply(&held.to_string())?;
        }
        stage.bowline.ok(&["uninstall", "--force"])?;
        let left = Snapshot::left_in(stage.cluster, &stage.before)?;
        ensure!(left.is_empty(), "{rbac}: still there: {left:#?}");
    }
    Ok(())
}

#[test]
fn a_namespace_that_helm_made_stays_without_what_the_server_made_in_it() -> Result<()> {
    let stage = Stage::enter()?;
    let cluster = stage.cluster;
    let bowline = Bowline::new(cluster, HELMS)?;
    cluster.kubectl(["create", "namespace", HELMS])?.ok()?;
    cluster.kubectl(["-n", HELMS, "create", "secret", "generic", "somebodys"])?.ok()?;
    cluster
        .kubectl(["wait", "serviceaccount/default", "-n", HELMS, "--for=create", "--timeout=20s"])?
        .ok()?;
    let before = Snapshot::everything(cluster)?;
    bowline.ok(&["install", "--crds-only"])?;
    cluster.kubectl(["-n", HELMS, "create", "secret", "generic", "bowline-download-key"])?.ok()?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "bowline", "namespace": HELMS}});
    cluster.apply(&lease.to_string())?;
    let output = bowline.run(&["uninstall", "--force"])?;
    ensure!(output.stderr.contains("kubectl delete namespace helms"), "{}", output.stderr);
    output.ok()?;
    let left = Snapshot::left_in(cluster, &before)?;
    ensure!(left.is_empty(), "{left:#?}");
    cluster.kubectl(["-n", HELMS, "get", "secret", "somebodys"])?.ok()?;
    cluster.kubectl(["delete", "namespace", HELMS, "--timeout=60s"])?.ok().map(drop)
}

#[test]
fn the_definitions_can_be_applied_by_kubectl_and_a_second_plugin_of_a_name_is_a_duplicate() -> Result<()> {
    let stage = Stage::enter()?;
    let list = stage.bowline.ok(&["install", "--crds-only", "--dry-run", "--output", "json"])?;
    let list = &list[list.find('{').context("there is no JSON")?..];
    stage.cluster.kubectl_reading(&["apply", "-f", "-"], list)?.ok()?;
    let established = ["wait", "--for", "condition=established", "--timeout=30s", "-f", "-"];
    stage.cluster.kubectl_reading(&established, list)?.ok()?;
    let served = stage.cluster.kubectl(["api-versions"])?.ok()?;
    ensure!(served.contains("velero.io/v1\n") && served.contains("velero.io/v2alpha1\n"), "{served}");

    stage.install(&[])?.ok()?;
    stage.bowline.ok(&["plugin", "add", "example/plugin:v1", "--confirm"])?;
    let again = stage.bowline.run(&["plugin", "add", "example/plugin:v1", "--confirm"])?.refused(1)?;
    ensure!(again.contains("Duplicate value"), "{again}");
    stage.bowline.ok(&["plugin", "remove", "example/plugin:v1"]).map(drop)
}
