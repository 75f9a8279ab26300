//! What scripts rely on, as far as it needs no cluster.

use serde_json::Value;

use crate::Run;

#[test]
fn the_version_is_found_by_the_pattern_that_scripts_use() {
    let text = Run::new().with(&["version", "--timeout", "60s", "--client-only"]).ok();
    let pattern = regex::Regex::new(r"(?i)client\s*:\s*version\s*:\s*(\S+)").unwrap();
    let flat = text.replace('\n', " ");
    let version = pattern.captures(&flat).unwrap()[1].to_owned();
    assert_eq!(version, concat!("v", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_link_called_velero_is_velero() {
    let help = Run::new().called("velero").with(&["backup", "--help"]).ok();
    assert!(help.contains("velero backup [command]") && !help.contains("bowline"), "{help}");
    let help = Run::new().with(&["backup"]).ok();
    assert!(help.contains("bowline backup [command]"), "{help}");
}

#[test]
fn the_custom_resources_are_one_list() {
    let run = Run::new();
    for extra in [&["--crds-only"][..], &["--crds-only", "--namespace", "n"]] {
        let line = [&["install", "--dry-run", "--output", "json"], extra].concat();
        let text = run.with(&line).ok();
        let list: Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
        assert_eq!(list["kind"], "List");
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 13);
        assert!(items.iter().all(|item| item["kind"] == "CustomResourceDefinition"));
        assert!(items.iter().all(|item| item["metadata"]["labels"]["component"] == "velero"));
    }
    let yaml = run.with(&["install", "--crds-only", "--dry-run", "-o", "yaml"]).ok();
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read["items"].as_array().unwrap().len(), 13);
}

#[test]
fn an_installation_is_one_list_with_the_flags_that_scripts_give() {
    let run = Run::new();
    let line = [
        "install",
        "--namespace=backups",
        "--image=bowline:test",
        "--use-node-agent",
        "--use-volume-snapshots=false",
        "--default-volumes-to-fs-backup",
        "--provider=aws",
        "--backup-location-config=region=minio,s3ForcePathStyle=true",
        "--bucket=velero",
        "--prefix=p",
        "--no-secret",
        "--plugins=velero/velero-plugin-for-aws:v1",
        "--disable-informer-cache=false",
        "--features=EnableCSI",
        "--garbage-collection-frequency=2h",
        "--uploader-type=kopia",
        "--item-block-worker-count=2",
        "--backup-repository-configmap=backup-repository-config",
        "--pod-labels=a=b",
        "--sa-annotations=c=d",
        "--dry-run",
        "--output=json",
    ];
    let printed = run.with(&line);
    assert!(printed.stderr.contains("--use-node-agent has no effect yet"), "{}", printed.stderr);
    let list: Value = serde_json::from_str(&printed.ok()).unwrap();
    let items = list["items"].as_array().unwrap();
    let kinds: Vec<&str> = items[13..].iter().filter_map(|item| item["kind"].as_str()).collect();
    let expected =
        ["Namespace", "ServiceAccount", "ClusterRoleBinding", "BackupStorageLocation", "Deployment"];
    assert_eq!(kinds, expected);
    let container = &items.last().unwrap()["spec"]["template"]["spec"]["containers"][0];
    let server: Vec<&str> = container["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        server,
        [
            "server",
            "--scratch-dir=/scratch",
            "--features=EnableCSI",
            "--default-volumes-to-fs-backup=true",
            "--garbage-collection-frequency=2h0m0s",
            "--backup-repository-configmap=backup-repository-config",
            "--item-block-worker-count=2",
        ]
    );
    let yaml = run.with(&["install", "--crds-only", "--dry-run"]).ok();
    assert_eq!(yaml.lines().count(), 13, "{yaml}");
}

#[test]
fn create_with_an_output_prints_the_object_and_asks_nobody() {
    let run = Run::new().called("velero");
    let line = ["backup", "create", "dry", "--include-namespaces", "a,b", "--ttl", "24h", "-o", "yaml"];
    let ours: Value = serde_saphyr::from_str(&run.with(&line).ok()).unwrap();
    let velero: Value =
        serde_saphyr::from_str(include_str!("../../testdata/velero/backup-create-o.yaml")).unwrap();
    assert_eq!(ours, velero);

    let ordered =
        ["create", "backup", "x", "--ordered-resources", "pods=ns/a,ns/b;secrets=ns/c", "-o", "json"];
    let object: Value = serde_json::from_str(&run.with(&ordered).ok()).unwrap();
    assert_eq!(object["spec"]["orderedResources"]["pods"], "ns/a,ns/b");

    let restore =
        ["restore", "create", "r", "--from-backup", "b", "--namespace-mappings", "a:b,c:d", "-o", "json"];
    let object: Value = serde_json::from_str(&run.with(&restore).ok()).unwrap();
    assert_eq!(object["spec"]["namespaceMapping"]["c"], "d");
    assert_eq!(object["spec"]["backupName"], "b");

    let schedule = ["schedule", "create", "s", "--schedule", "@every 1m", "--paused", "-o", "json"];
    let object: Value = serde_json::from_str(&run.with(&schedule).ok()).unwrap();
    assert_eq!(
        (object["spec"]["paused"].as_bool(), object["spec"]["schedule"].as_str()),
        (Some(true), Some("@every 1m"))
    );

    let location = [
        "backup-location",
        "create",
        "l",
        "--provider",
        "aws",
        "--bucket",
        "b",
        "--config",
        "region=x",
        "-o",
        "json",
    ];
    let object: Value = serde_json::from_str(&run.with(&location).ok()).unwrap();
    assert_eq!(object["spec"]["objectStorage"]["bucket"], "b");
    assert_eq!(object["spec"]["accessMode"], "ReadWrite");
}

#[test]
fn client_settings_are_kept_where_velero_keeps_them() {
    let run = Run::new();
    assert_eq!(run.with(&["client", "config", "get"]).ok(), "");
    run.with(&["client", "config", "set", "namespace=backups", "colorized=false"]).ok();
    assert_eq!(run.with(&["client", "config", "get"]).ok(), "colorized: false\nnamespace: backups\n");
    assert_eq!(run.with(&["client", "config", "get", "features"]).ok(), "features: <NOT SET>\n");
    let stored = std::fs::read_to_string(run.home().join(".config/velero/config.json")).unwrap();
    assert_eq!(stored, r#"{"colorized":"false","namespace":"backups"}"#);
    let object = run.with(&["backup", "create", "x", "-o", "json"]).ok();
    assert!(object.contains(r#""namespace": "backups""#), "{object}");
    run.with(&["client", "config", "set", "namespace="]).ok();
    assert_eq!(run.with(&["client", "config", "get"]).ok(), "colorized: false\n");
}

#[test]
fn completion_scripts_name_the_program_and_ask_it() {
    for shell in ["bash", "zsh", "fish"] {
        let run = Run::new().called("velero");
        let script = run.with(&["completion", shell]).ok();
        assert!(script.contains("velero") && !script.contains("bowline"), "{shell}");
        let answer = run.with(&["__complete", shell, "backup", "de"]).ok();
        let words: Vec<&str> = answer.lines().filter_map(|line| line.split([':', '\t']).next()).collect();
        assert_eq!(words, ["delete", "describe"], "{shell}");
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let run = Run::new().called("velero");
    let script = run.with(&["completion", "bash"]).ok();
    for (words, last, expected) in [
        ("velero back", 1, "backup backup-location"),
        ("velero get backup-l", 2, "backup-locations"),
        ("velero backup get --output = ya", 5, "yaml"),
        ("velero backup get -o js", 4, "json"),
        ("velero backup describe nothing-answers-here", 3, ""),
    ] {
        let test =
            format!("{script}\nCOMP_WORDS=({words}) COMP_CWORD={last}; _velero; echo \"${{COMPREPLY[*]}}\"");
        let path = format!("{}:/usr/bin:/bin", run.home().display());
        let output =
            std::process::Command::new("bash").args(["-c", &test]).env("PATH", path).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), expected, "{words}");
    }
}
