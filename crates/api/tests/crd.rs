//! Our CRDs against those of Velero 1.18.2, line by line.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};

use bowline_api::crd::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// Velero's CRDs: for each path, kind or column what is said of it, in any order.
const VELERO: &str = include_str!("../testdata/crd-schema.txt");

/// Lines of ours that are not Velero 1.18.2's, all of them from the release after it but for the first.
const ADDED: &[&str] = &[
    // The node of a PodVolumeBackup stands in its spec; Velero's column looks for it in the status.
    "PodVolumeBackup/v1: column Node .spec.node string  priority=0",
    "Backup/v1: column Status .status.phase string  priority=0",
    "Backup/v1: column Errors .status.errors integer  priority=0",
    "Backup/v1: column Warnings .status.warnings integer  priority=0",
    "Backup/v1: column Started .status.startTimestamp date  priority=0",
    "Backup/v1: column Age .metadata.creationTimestamp date  priority=0",
    "Restore/v1.spec.resourcePolicy: object nullable map=atomic required=kind,name",
    "Restore/v1.spec.resourcePolicy.apiGroup: string",
    "Restore/v1.spec.resourcePolicy.kind: string",
    "Restore/v1.spec.resourcePolicy.name: string",
    "Restore/v1.spec.skipDefaultResourceModifier: boolean nullable",
    "Restore/v1: column Backup .spec.backupName string  priority=0",
    "Restore/v1: column Status .status.phase string  priority=0",
    "Restore/v1: column Errors .status.errors integer  priority=0",
    "Restore/v1: column Warnings .status.warnings integer  priority=0",
    "Restore/v1: column Age .metadata.creationTimestamp date  priority=0",
    "VolumeSnapshotLocation/v1: column Provider .spec.provider string  priority=0",
    "VolumeSnapshotLocation/v1: column Phase .status.phase string  priority=0",
    "VolumeSnapshotLocation/v1: column Age .metadata.creationTimestamp date  priority=0",
    "DownloadRequest/v1: column Target Kind .spec.target.kind string  priority=0",
    "DownloadRequest/v1: column Target Name .spec.target.name string  priority=0",
    "DownloadRequest/v1: column Status .status.phase string  priority=0",
    "DownloadRequest/v1: column Age .metadata.creationTimestamp date  priority=0",
    "ServerStatusRequest/v1: column Status .status.phase string  priority=0",
    "ServerStatusRequest/v1: column Server Version .status.serverVersion string  priority=0",
    "ServerStatusRequest/v1: column Processed .status.processedTimestamp date  priority=0",
    "ServerStatusRequest/v1: column Age .metadata.creationTimestamp date  priority=0",
];

/// Lines of Velero 1.18.2 that are not ours.
const LEFT_OUT: &[&str] = &["PodVolumeBackup/v1: column Node .status.node string  priority=0"];

/// Short names that the release after 1.18 adds.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("Backup", "bak"),
    ("BackupRepository", "repo"),
    ("DataDownload", "dd"),
    ("DataUpload", "du"),
    ("DeleteBackupRequest", "dbr"),
    ("DownloadRequest", "dreq"),
    ("PodVolumeBackup", "pvb"),
    ("PodVolumeRestore", "pvr"),
    ("Restore", "rst"),
    ("Schedule", "sched"),
];

#[test]
fn schemas_names_and_columns_are_veleros() {
    let ours: BTreeSet<String> = crds().iter().flat_map(flatten).collect();
    let mut velero: BTreeSet<String> = VELERO.lines().map(with_short_name).collect();
    velero.extend(ADDED.iter().map(|line| (*line).to_owned()));
    for line in LEFT_OUT {
        assert!(velero.remove(*line), "{line}");
    }
    let missing: Vec<_> = velero.difference(&ours).collect();
    let added: Vec<_> = ours.difference(&velero).collect();
    assert!(missing.is_empty() && added.is_empty(), "missing: {missing:#?}\nadded: {added:#?}");
}

#[test]
fn every_property_is_described() {
    for crd in crds() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let root = &schema["openAPIV3Schema"];
        assert!(root["description"].is_string(), "{}", crd.spec.names.kind);
        for section in ["spec", "status"] {
            assert_described(&format!("{}.{section}", crd.spec.names.kind), &root["properties"][section]);
        }
    }
}

#[test]
fn there_are_thirteen_labelled_definitions() {
    let crds = crds();
    assert_eq!(crds.len(), 13);
    for crd in crds {
        assert_eq!(crd.metadata.labels, Some(BTreeMap::from([("component".into(), "velero".into())])));
        assert_eq!(crd.metadata.name, Some(format!("{}.velero.io", crd.spec.names.plural)));
    }
}

fn with_short_name(line: &str) -> String {
    for (kind, short) in SHORT_NAMES {
        if line.starts_with(&format!("{kind}/")) && line.contains(" short= ") {
            return line.replace(" short= ", &format!(" short={short} "));
        }
    }
    line.to_owned()
}

fn assert_described(path: &str, schema: &Value) {
    assert!(schema["description"].is_string(), "{path} has no description");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        assert_described(&format!("{path}.{name}"), property);
    }
    if schema["items"]["properties"].is_object() {
        assert_described(&format!("{path}[]"), &schema["items"]);
    }
}

/// All that is said of one CRD, in the words of the list.
fn flatten(crd: &CustomResourceDefinition) -> Vec<String> {
    let names = &crd.spec.names;
    let version = &crd.spec.versions[0];
    let id = format!("{}/{}", names.kind, version.name);
    let title = |flag: bool| if flag { "True" } else { "False" };
    let mut lines = vec![format!(
        "{id}: names plural={} singular={} listKind={} short={} scope={} served={} storage={} subresources={}",
        names.plural,
        names.singular.as_deref().unwrap_or_default(),
        names.list_kind.as_deref().unwrap_or_default(),
        names.short_names.as_deref().unwrap_or_default().join(","),
        crd.spec.scope,
        title(version.served),
        title(version.storage),
        if version.subresources.is_some() { "status" } else { "" },
    )];
    for column in version.additional_printer_columns.iter().flatten() {
        let (name, path, kind) = (&column.name, &column.json_path, &column.type_);
        let format = column.format.as_deref().unwrap_or_default();
        lines.push(format!(
            "{id}: column {name} {path} {kind} {format} priority={}",
            column.priority.unwrap_or(0)
        ));
    }
    let schema = serde_json::to_value(&version.schema).unwrap();
    flatten_schema(&id, &schema["openAPIV3Schema"], &mut lines);
    lines
}

fn flatten_schema(path: &str, schema: &Value, lines: &mut Vec<String>) {
    let kind = schema["type"].as_str().unwrap_or_default();
    assert!(!kind.is_empty(), "{path} has no type: {schema}");
    let text = |key: &str, name: &str| schema[key].as_str().map(|text| format!("{name}={text}"));
    let flag = |key: &str, name: &str| (schema[key] == true).then(|| name.to_owned());
    let words = |key: &str, separator: &str| {
        let words = schema[key].as_array()?.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>();
        Some(format!("{key}={}", words.into_iter().collect::<Vec<_>>().join(separator)))
    };
    let facts = [
        Some(kind.to_owned()),
        text("format", "format"),
        words("enum", "|"),
        text("default", "default"),
        flag("nullable", "nullable"),
        schema["minItems"].as_i64().map(|items| format!("minItems={items}")),
        flag("x-kubernetes-preserve-unknown-fields", "preserve-unknown"),
        text("x-kubernetes-map-type", "map"),
        words("required", ","),
    ];
    lines.push(format!("{path}: {}", facts.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        flatten_schema(&format!("{path}.{name}"), property, lines);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[inner].is_object() {
            flatten_schema(&format!("{path}{mark}"), &schema[inner], lines);
        }
    }
}
