//! `install` and `uninstall` against an API server in memory.

use bowline_testing::object::{namespace, object, with};
use serde_json::{Value, json};

use crate::Run;
use crate::memory::{Memory, VELERO};

const PLACE: [&str; 6] = ["install", "--provider", "aws", "--bucket", "b", "--no-secret"];

fn install(memory: &Memory, flags: &[&str]) -> crate::Printed {
    memory.velero().with(&[&PLACE[..], flags].concat())
}

/// What `install` prints of one kind, instead of doing it.
fn printed(flags: &[&str], kind: &str) -> Value {
    let run = Run::new();
    std::fs::write(run.home().join("keys"), "[default]").unwrap();
    std::fs::write(run.home().join("ca.pem"), "certificate").unwrap();
    let base = if flags.iter().any(|flag| flag.contains("secret")) { &PLACE[..5] } else { &PLACE[..] };
    let text = run.with(&[base, flags, &["--dry-run", "-o", "json"]].concat()).ok();
    let list: Value = serde_json::from_str(&text).unwrap();
    let found = list["items"].as_array().unwrap().iter().find(|item| item["kind"] == kind);
    found.cloned().unwrap_or_default()
}

/// A Deployment of a server, as Helm labels it if it is Helm's.
fn server(namespace: &str, labels: &Value) -> Value {
    let container = json!([{ "name": "velero", "image": "bowline:v1" }]);
    let server =
        with(object("apps/v1", "Deployment", namespace, "server"), "/metadata/labels", labels.clone());
    with(server, "/spec/template/spec/containers", container)
}

#[test]
fn every_flag_of_the_pod_is_in_the_deployment() {
    let plain = printed(&[], "Deployment").to_string();
    for (flags, pointer, expected) in [
        (
            &["--image", "example/bowline:v9"][..],
            "/spec/template/spec/containers/0/image",
            json!("example/bowline:v9"),
        ),
        (&["--pod-annotations", "a=b"], "/spec/template/metadata/annotations/a", json!("b")),
        (&["--pod-labels", "a=b"], "/spec/template/metadata/labels/a", json!("b")),
        (&["--service-account-name", "mine"], "/spec/template/spec/serviceAccountName", json!("mine")),
        (
            &["--velero-pod-cpu-request", "1"],
            "/spec/template/spec/containers/0/resources/requests/cpu",
            json!("1"),
        ),
        (
            &["--velero-pod-mem-request", "1Gi"],
            "/spec/template/spec/containers/0/resources/requests/memory",
            json!("1Gi"),
        ),
        (
            &["--velero-pod-cpu-limit", "2"],
            "/spec/template/spec/containers/0/resources/limits/cpu",
            json!("2"),
        ),
        (
            &["--velero-pod-mem-limit", "0"],
            "/spec/template/spec/containers/0/resources/limits/memory",
            Value::Null,
        ),
        (&["--server-priority-class-name", "high"], "/spec/template/spec/priorityClassName", json!("high")),
        (&["--plugins", "a/b:v1,c:v2"], "/spec/template/spec/initContainers/1/image", json!("c:v2")),
        (&["--replicas", "3"], "/spec/replicas", json!(3)),
    ] {
        let deployment = printed(flags, "Deployment");
        assert_eq!(deployment.pointer(pointer).cloned().unwrap_or_default(), expected, "{flags:?}");
        assert_ne!(deployment.to_string(), plain, "{flags:?}");
    }
}

#[test]
fn every_flag_for_the_server_is_among_its_arguments() {
    for (flag, argument) in [
        ("--restore-only", "--restore-only=true"),
        ("--default-snapshot-move-data", "--default-snapshot-move-data=true"),
        ("--schedule-skip-immediately", "--schedule-skip-immediately=true"),
        ("--disable-informer-cache", "--disable-informer-cache=true"),
        ("--features=EnableAPIGroupVersions", "--features=EnableAPIGroupVersions"),
        ("--default-repo-maintain-frequency=2h", "--default-repo-maintain-frequency=2h0m0s"),
        ("--garbage-collection-frequency=30m", "--garbage-collection-frequency=30m0s"),
        ("--pod-volume-operation-timeout=3h", "--fs-backup-timeout=3h0m0s"),
        ("--item-block-worker-count=4", "--item-block-worker-count=4"),
        ("--concurrent-backups=5", "--concurrent-backups=5"),
        ("--backup-repository-configmap=c", "--backup-repository-configmap=c"),
        ("--repo-maintenance-job-configmap=c", "--repo-maintenance-job-configmap=c"),
    ] {
        let deployment = printed(&[flag], "Deployment");
        let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        assert!(arguments.as_array().unwrap().iter().any(|given| given == argument), "{flag}: {arguments}");
        // What is installed starts: the server knows its arguments.
        let line = arguments.as_array().unwrap().iter().filter_map(Value::as_str);
        let line: Vec<&str> = line.chain(["--kubeconfig", "/nonexistent"]).collect();
        let refused = Run::new().with(&line);
        assert!(refused.stderr.contains("/nonexistent"), "{flag}: {}", refused.stderr);
    }
}

#[test]
fn every_flag_of_the_place_is_in_its_object() {
    let location = printed(
        &["--prefix", "p", "--backup-location-config", "region=eu,s3Url=http://x", "--cacert", "ca.pem"],
        "BackupStorageLocation",
    );
    let expected = json!({
        "provider": "aws", "default": true, "config": { "region": "eu", "s3Url": "http://x" },
        "objectStorage": { "bucket": "b", "prefix": "p", "caCert": "Y2VydGlmaWNhdGU=" },
    });
    assert_eq!((&location["spec"], &location["metadata"]["name"]), (&expected, &json!("default")));
    let secret = printed(&["--secret-file", "keys"], "Secret");
    assert_eq!(
        (&secret["metadata"]["name"], &secret["data"]["cloud"]),
        (&json!("cloud-credentials"), &json!("W2RlZmF1bHRd"))
    );
    let snapshots = printed(&["--snapshot-location-config", "region=eu"], "VolumeSnapshotLocation");
    assert_eq!(snapshots["spec"], json!({ "provider": "aws", "config": { "region": "eu" } }));
    assert_eq!(printed(&["--use-volume-snapshots=false"], "VolumeSnapshotLocation"), Value::Null);
    let account = printed(&["--sa-annotations", "role=r"], "ServiceAccount");
    assert_eq!(account["metadata"]["annotations"]["role"], "r");
    assert_eq!(printed(&["--service-account-name", "mine"], "ClusterRoleBinding"), Value::Null);
    let text = Run::new()
        .with(&[
            "install",
            "--no-default-backup-location",
            "--use-volume-snapshots=false",
            "--no-secret",
            "--dry-run",
            "-o",
            "json",
        ])
        .ok();
    assert!(!text.contains("\"BackupStorageLocation\"\n") && !text.contains("cloud-credentials"));
}

#[test]
fn the_secret_with_the_credentials_is_mounted_where_the_clouds_programs_look() {
    let deployment = printed(&["--secret-file", "keys"], "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let volume = json!({ "name": "cloud-credentials", "secret": { "secretName": "cloud-credentials", "defaultMode": 0o444 } });
    assert!(pod["volumes"].as_array().unwrap().contains(&volume));
    let variables = pod["containers"][0]["env"].as_array().unwrap();
    for name in [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AZURE_CREDENTIALS_FILE",
        "ALIBABA_CLOUD_CREDENTIALS_FILE",
    ] {
        assert!(variables.contains(&json!({ "name": name, "value": "/credentials/cloud" })), "{name}");
    }
    let without = printed(&[], "Deployment").to_string();
    assert!(!without.contains("/credentials"), "{without}");
}

#[test]
fn an_installation_can_be_repeated_in_a_namespace_that_holds_more() {
    let memory = Memory::empty();
    memory.cluster.put(namespace(VELERO));
    let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "backup-repository-config", "namespace": VELERO }, "data": { "kopia": "{}" } });
    memory.cluster.put(settings.clone());
    for _ in 0..2 {
        let printed = install(&memory, &["--backup-repository-configmap", "backup-repository-config"]);
        let said = printed.stderr.clone();
        assert!(printed.ok().contains("The server is installed."), "{said}");
    }
    let binding =
        memory.cluster.object("clusterrolebindings.rbac.authorization.k8s.io", "", "velero").unwrap();
    assert_eq!(binding["roleRef"]["name"], "cluster-admin");
    assert_eq!(memory.cluster.objects("customresourcedefinitions.apiextensions.k8s.io").len(), 13);
    assert_eq!(
        memory.cluster.object("configmaps", VELERO, "backup-repository-config").unwrap()["data"],
        settings["data"]
    );
}

#[test]
fn a_config_map_that_is_missing_or_is_no_json_is_refused_before_anything_is_made() {
    let memory = Memory::empty();
    memory.cluster.put(namespace(VELERO));
    let broken = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "broken", "namespace": VELERO }, "data": { "x": "{" } });
    memory.cluster.put(broken);
    for (name, error) in [("missing", "there is no ConfigMap"), ("broken", "is not JSON")] {
        for flag in ["--backup-repository-configmap", "--repo-maintenance-job-configmap"] {
            let printed = install(&memory, &[flag, name]);
            assert!(printed.code == 1 && printed.stderr.contains(error), "{flag}: {}", printed.stderr);
        }
    }
    assert!(memory.cluster.objects("customresourcedefinitions.apiextensions.k8s.io").is_empty());
}

const BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

#[test]
fn a_binding_to_another_role_is_made_anew_and_that_is_said() {
    let memory = Memory::empty();
    install(&memory, &[]).ok();
    let before = memory.cluster.object(BINDINGS, "", "velero").unwrap();
    for (rbac, role) in [("minimal", "velero"), ("minimal", "velero"), ("cluster-admin", "cluster-admin")] {
        let printed = install(&memory, &["--rbac", rbac]);
        let binding = memory.cluster.object(BINDINGS, "", "velero").unwrap();
        assert_eq!((printed.code, &binding["roleRef"]["name"]), (0, &json!(role)), "{}", printed.stderr);
        assert_eq!(binding["subjects"], before["subjects"]);
    }
    let deletions: Vec<String> =
        memory.seen().into_iter().filter(|seen| seen.method == "DELETE").map(|seen| seen.path).collect();
    assert_eq!(deletions.len(), 2, "only a binding whose role changes is made anew: {deletions:?}");
}

#[test]
fn a_binding_of_somebody_else_is_left_alone() {
    let memory = Memory::empty();
    let theirs = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "velero" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "kind": "User", "name": "jane" }],
    });
    memory.cluster.put(theirs);
    install(&memory, &[]).assert_refused_with("User jane", "another name");
    assert_eq!(memory.cluster.object(BINDINGS, "", "velero").unwrap()["roleRef"]["name"], "view");
}

#[test]
fn where_nothing_is_installed_there_is_nothing_to_remove_and_no_error() {
    let memory = Memory::empty();
    let said = memory.velero().with(&["uninstall", "--force", "--namespace", "none"]).ok();
    assert!(said.contains("uninstalled"), "{said}");
}

#[test]
fn an_installation_is_removed_without_a_trace() {
    let memory = Memory::empty();
    let before = memory.cluster.keys();
    for rbac in ["cluster-admin", "minimal"] {
        install(&memory, &["--rbac", rbac]).ok();
        let said = memory.velero().with(&["uninstall", "--force"]).ok();
        assert!(said.contains("The server is uninstalled."), "{said}");
        assert_eq!(memory.cluster.keys(), before, "{rbac}");
    }
}

#[test]
fn a_mistyped_namespace_costs_no_application() {
    let memory = Memory::empty();
    memory.cluster.put(namespace("shop"));
    memory.cluster.put(with(object("v1", "ConfigMap", "shop", "settings"), "/data/a", "b"));
    let printed = memory.velero().with(&["uninstall", "--force", "--namespace", "shop"]);
    assert!(printed.code == 0 && printed.stderr.contains("Namespace/shop: kept"), "{}", printed.stderr);
    assert!(memory.cluster.object("configmaps", "shop", "settings").is_some());
    assert!(printed.stdout.contains("No server is in the namespace \"shop\" any more"), "{}", printed.stdout);
}

#[test]
fn what_helm_installed_is_helms_to_remove_and_the_rest_goes_afterwards() {
    let memory = Memory::start();
    memory.cluster.put(namespace("backups"));
    let labels = json!({ "component": "velero", "app.kubernetes.io/managed-by": "Helm" });
    let helms = with(
        server("backups", &labels),
        "/metadata/annotations",
        json!({ "meta.helm.sh/release-name": "nightly" }),
    );
    memory.cluster.put(helms);
    for (resource, made) in [
        ("secrets", object("v1", "Secret", "backups", "bowline-download-key")),
        ("secrets", object("v1", "Secret", "backups", "somebodys")),
        ("leases.coordination.k8s.io", object("coordination.k8s.io/v1", "Lease", "backups", "bowline")),
    ] {
        memory.cluster.create_object(resource, made).unwrap();
    }
    let uninstall = || memory.velero().with(&["uninstall", "--force", "--namespace", "backups"]);
    uninstall()
        .assert_refused("installed by Helm, as \"nightly\"", "helm uninstall nightly --namespace backups");
    assert!(memory.seen().iter().all(|seen| seen.method == "GET"), "nothing was changed");

    memory.cluster.remove("deployments.apps", "backups", "server");
    let printed = uninstall();
    assert!(printed.stderr.contains("kubectl delete namespace backups"), "{}", printed.stderr);
    printed.ok();
    let left = memory.cluster.keys();
    assert!(left.iter().any(|key| key == "secrets backups/somebodys"), "{left:?}");
    for gone in ["bowline", "customresourcedefinitions"] {
        assert!(!left.iter().any(|key| key.contains(gone)), "{gone}: {left:?}");
    }
}

#[test]
fn a_second_server_keeps_the_definitions() {
    let memory = Memory::start();
    memory.cluster.put(namespace("other"));
    memory.cluster.put(server("other", &json!({ "component": "velero" })));
    let printed = memory.velero().with(&["uninstall", "--force"]);
    assert!(
        printed.stderr.contains("kept, the server in the namespace \"other\" needs them"),
        "{}",
        printed.stderr
    );
    printed.ok();
    assert_eq!(memory.cluster.objects("customresourcedefinitions.apiextensions.k8s.io").len(), 13);
    assert!(memory.cluster.object("deployments.apps", "other", "server").is_some());
}
