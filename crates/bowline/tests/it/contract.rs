//! What scripts rely on, as far as it needs no cluster.

use serde_json::{Value, json};

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
fn empty_values_mean_what_they_mean_to_velero() {
    let run = Run::new().called("velero");
    let spec = |line: &[&str]| -> Value {
        let object: Value = serde_json::from_str(&run.with(&[line, &["-o", "json"]].concat()).ok()).unwrap();
        object["spec"].clone()
    };
    let plain = spec(&["backup", "create", "x"]);
    let backup = |flag: &[&str]| spec(&[&["backup", "create", "x"], flag].concat());
    let with = |field: &str, value: Value| {
        let mut spec = plain.clone();
        spec[field] = value;
        spec
    };
    // What the objects of Velero's own program hold.
    assert_eq!(backup(&["--selector", ""]), with("labelSelector", json!({})));
    assert_eq!(backup(&["--or-selector", ""]), with("orLabelSelectors", json!([{}])));
    assert_eq!(backup(&["--include-namespaces", ""]), with("includedNamespaces", json!([""])));
    for nothing in [
        &["--ttl", "0"][..],
        &["--csi-snapshot-timeout", "0", "--item-operation-timeout", "0"],
        &["--ordered-resources", ""],
        &["--resource-policies-configmap", ""],
        &["--volume-snapshot-locations", ""],
        &["--data-mover", "", "--storage-location", ""],
        &["--parallel-files-upload", "0"],
        &["--snapshot-volumes=", "--include-cluster-resources=", "--default-volumes-to-fs-backup="],
        // Velero keeps an entry without a name, which names nothing, and refuses maps without entries.
        &["--exclude-namespaces", "", "--include-resources", "", "--exclude-resources", ""],
        &["--labels", "", "--annotations", ""],
        &["--kubecontext", "", "--namespace", ""],
    ] {
        assert_eq!(backup(nothing), plain, "{nothing:?}");
    }

    let plain = spec(&["restore", "create", "r", "--from-backup", "b"]);
    for nothing in [
        &["--from-schedule", ""][..],
        &["--existing-resource-policy", ""],
        &["--resource-modifier-configmap", ""],
        &["--restore-volumes=", "--preserve-nodeports="],
        &["--namespace-mappings", ""],
    ] {
        assert_eq!(spec(&[&["restore", "create", "r", "--from-backup", "b"], nothing].concat()), plain);
    }
    let of_schedule = spec(&["restore", "create", "r", "--from-backup", "", "--from-schedule", "s"]);
    assert_eq!((&of_schedule["scheduleName"], &of_schedule["backupName"]), (&json!("s"), &Value::Null));
}

#[test]
fn empty_values_that_would_mean_the_opposite_are_refused() {
    let run = Run::new();
    run.with(&["backup", "create", "x", "--from-schedule", ""]).assert_refused("--from-schedule", "");
    run.with(&["backup", "create", "x", "--selector", "", "--or-selector", ""])
        .assert_refused("--or-selector", "");
    run.with(&["restore", "create", "--from-backup", ""])
        .assert_refused("either a backup or schedule", "--from-backup");
    run.with(&["restore", "create", "--from-backup", "a", "--from-schedule", "b"])
        .assert_refused("but not both", "--from-schedule");
    run.with(&["restore", "create", "x"]).assert_refused("either a backup or schedule", "--from-schedule");
    run.with(&["backup", "create", "x", "--ttl", "-5h"]).assert_refused("--ttl must not be negative", "");
    run.with(&["backup", "create", "x", "--wait="]).assert_refused("--wait", "");
    let run = Run::with_dead_server();
    for noun in ["backup", "restore", "schedule"] {
        run.with(&[noun, "delete", "-l", "", "--confirm"]).assert_refused("every", "--all");
    }
}

#[test]
fn the_help_of_a_command_is_found_in_every_way() {
    let run = Run::new().called("velero");
    let help = run.with(&["backup", "create", "--help"]).ok();
    assert_eq!(run.with(&["help", "backup", "create"]).ok(), help);
    assert_eq!(run.with(&["help", "create", "backup"]).ok(), run.with(&["create", "backup", "-h"]).ok());
    assert_eq!(run.with(&["backup", "help"]).ok(), run.with(&["backup"]).ok());
    assert_eq!(run.with(&["help"]).ok(), run.with(&[]).ok());
    run.with(&["help", "backup", "creat"]).assert_refused("no command \"backup creat\"", "create");
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
