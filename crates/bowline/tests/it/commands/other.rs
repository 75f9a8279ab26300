//! Versions, plugins, the bundle for reports, and what every request carries.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::memory::{Memory, VELERO};

#[test]
fn a_version_is_asked_for_in_vain_without_an_error_and_the_question_stays() {
    let memory = Memory::start();
    memory.cluster.put(bowline_testing::object::namespace("elsewhere"));
    let said = memory.velero().with(&["version", "--namespace", "elsewhere", "--timeout", "1s"]).ok();
    assert!(said.contains("\n<error getting server version: context deadline exceeded>\n"), "{said}");
    let questions = memory.objects("serverstatusrequests");
    let [question] = questions.as_slice() else { panic!("{questions:?}") };
    assert_eq!(question["metadata"]["namespace"], "elsewhere");
    assert!(question["status"].as_object().is_none_or(serde_json::Map::is_empty), "{question}");
}

#[test]
fn versions_of_both_are_found_by_the_patterns_that_scripts_use() {
    let memory = Memory::start();
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    memory.answer("serverstatusrequests", move |_| json!({ "phase": "Processed", "serverVersion": version }));
    let said = memory.velero().with(&["version", "--timeout", "60s"]).ok().replace('\n', " ");
    for pattern in [r"(?i)client\s*:\s*version\s*:\s*(\S+)", r"(?i).+server\s*:\s*version\s*:\s*(\S+)"] {
        let found = regex::Regex::new(pattern).unwrap().captures(&said).unwrap()[1].to_owned();
        assert_eq!(found, version, "{said}");
    }
    assert!(!said.contains("WARNING"), "{said}");
}

#[test]
fn requests_say_which_program_they_come_from() {
    let memory = Memory::start();
    memory.velero().with(&["backup", "get"]).ok();
    let agents: Vec<String> = memory.seen().into_iter().map(|seen| seen.agent).collect();
    let form = concat!("velero/v", env!("CARGO_PKG_VERSION"), " (linux/");
    assert!(!agents.is_empty() && agents.iter().all(|agent| agent.starts_with(form)), "{agents:?}");
}

#[test]
fn nothing_outside_the_servers_namespace_is_asked_for() {
    let memory = Memory::start();
    for line in [
        &["backup", "get"][..],
        &["restore", "get"],
        &["schedule", "get"],
        &["schedule", "describe"],
        &["repo", "get"],
        &["backup-location", "get"],
        &["snapshot-location", "get"],
    ] {
        memory.velero().with(&[line, &["-n", VELERO]].concat()).ok();
    }
    for seen in memory.seen().iter().filter(|seen| seen.path.contains("velero.io")) {
        assert!(seen.path.contains("/namespaces/velero/"), "{seen:?}");
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "velero", "namespace": VELERO, "labels": { "component": "velero" } },
        "spec": { "template": { "spec": { "containers": [{ "name": "velero", "image": "velero/velero:v1.18.2" }] } } },
    })
}

#[test]
fn a_plugin_becomes_an_init_container_and_goes_by_its_name_or_image() {
    let memory = Memory::start();
    memory.cluster.put(deployment());
    let pod = || {
        let deployment = memory.cluster.object("deployments.apps", VELERO, "velero").unwrap();
        deployment["spec"]["template"]["spec"].clone()
    };
    let image = "velero/velero-plugin-for-aws:v1.13.0";
    memory.velero().with(&["plugin", "add", image, "--confirm"]).ok();
    memory
        .velero()
        .with(&[
            "plugin",
            "add",
            "registry.example/team/other:v1",
            "--image-pull-policy",
            "Always",
            "--confirm",
        ])
        .ok();
    let expected = json!([
        {
            "name": "velero-velero-plugin-for-aws", "image": image, "imagePullPolicy": "IfNotPresent", "resources": {},
            "volumeMounts": [{ "name": "plugins", "mountPath": "/target" }],
        },
        {
            "name": "team-other", "image": "registry.example/team/other:v1", "imagePullPolicy": "Always", "resources": {},
            "volumeMounts": [{ "name": "plugins", "mountPath": "/target" }],
        },
    ]);
    assert_eq!(pod()["initContainers"], expected);
    assert_eq!(pod()["volumes"], json!([{ "name": "plugins", "emptyDir": {} }]));
    assert_eq!(
        pod()["containers"][0]["volumeMounts"],
        json!([{ "name": "plugins", "mountPath": "/plugins" }])
    );
    memory.velero().with(&["plugin", "remove", image]).ok();
    memory.velero().with(&["plugin", "remove", "team-other"]).ok();
    assert_eq!(pod()["initContainers"], json!([]));
    memory
        .velero()
        .with(&["plugin", "remove", "team-other"])
        .assert_refused("not found", "it has no plugins");
}

#[test]
fn the_bundle_for_a_report_holds_objects_descriptions_and_logs() {
    let memory = Memory::start();
    memory.answer_downloads();
    memory.answer("serverstatusrequests", |_| json!({ "phase": "Processed", "serverVersion": "v1.18.2" }));
    memory.put_backup("web", "Completed");
    memory.put(
        "Restore",
        "web-1",
        &json!({ "spec": { "backupName": "web" }, "status": { "phase": "Completed" } }),
    );
    memory.put_file("BackupLog/web", crate::download::gzip("log of the backup\n"));
    memory.put_file("RestoreLog/web-1", crate::download::gzip("log of the restore\n"));
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": VELERO }, "data": { "cloud": "c2VjcmV0" } });
    memory.cluster.put(secret);
    let run = memory.velero();
    let said =
        run.with(&["debug", "--backup", "web", "--restore", "web-1", "--output", "bundle.tar.gz"]).ok();
    assert!(said.contains("bundle.tar.gz"), "{said}");
    let archive = std::fs::File::open(run.home().join("bundle.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut all = String::new();
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.push(entry.path().unwrap().display().to_string());
        entry.read_to_string(&mut all).unwrap();
    }
    for text in ["log of the backup", "log of the restore", "Name:         web", "\"BackupList\"", "keys"] {
        assert!(all.contains(text), "{text} is not in {names:?}");
    }
    assert!(!all.contains("c2VjcmV0"), "no secret leaves the cluster");
    // By default the file is named by the time.
    run.with(&["debug"]).ok();
    let form = regex::Regex::new(r"^bundle-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.tar\.gz$").unwrap();
    let files =
        std::fs::read_dir(run.home()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| form.is_match(name)).count(), 1);
}

#[test]
fn the_form_for_a_report_names_the_versions() {
    let memory = Memory::start();
    memory.answer("serverstatusrequests", |_| json!({ "phase": "Processed", "serverVersion": "v1.18.2" }));
    let said = memory.velero().with(&["bug"]).ok();
    assert!(said.contains(concat!("v", env!("CARGO_PKG_VERSION"))), "{said}");
}
