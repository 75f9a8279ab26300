//! Bad input to the server: the program refuses it with exit code 1, and an object that says the same ends in a phase with the reason.
//! Nothing is left in the store.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use bowline_e2e::{Bowline, Cluster, Server, location};
use serde_json::{Value, json};

use crate::files;

const LIMIT: Duration = Duration::from_mins(1);

/// A server with a namespace of its own in the shared cluster, and an empty folder.
pub(crate) struct Stage {
    pub(crate) bowline: Bowline<'static>,
    pub(crate) server: Server<'static>,
    pub(crate) folder: PathBuf,
}

impl Stage {
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let bowline = Bowline::new(cluster, &cluster.namespace(purpose)?)?;
        bowline.install()?;
        let folder = cluster.dir().join(bowline.namespace());
        std::fs::create_dir(&folder)?;
        let server = bowline.server(&[])?;
        Ok(Self { bowline, server, folder })
    }

    fn folder(&self) -> &str {
        self.folder.to_str().unwrap_or_default()
    }

    /// The bucket `b` of a location in the folder.
    fn bucket(&self) -> PathBuf {
        self.folder.join("b")
    }

    /// Creates the default location with these flags and waits for the server's judgement.
    fn locate(&self, flags: &[&str]) -> Result<Value> {
        let create = ["backup-location", "create", "default", "--default"];
        self.bowline.ok(&[&create[..], flags].concat())?;
        location::judged(&self.bowline, &self.server, "default")
    }

    fn locate_in_folder(&self, flags: &[&str]) -> Result<()> {
        std::fs::create_dir(self.bucket())?;
        let config = format!("path={}", self.folder());
        let folder = ["--provider", "filesystem", "--bucket", "b", "--config", &config];
        let location = self.locate(&[&folder[..], flags].concat())?;
        ensure!(location["status"]["phase"] == "Available", "{}", location["status"]);
        Ok(())
    }

    /// Creates an object without asking the program, as GitOps does, and gives its status at the end.
    fn outcome(&self, kind: &str, name: &str, spec: &Value) -> Result<Value> {
        let metadata = json!({"name": name, "namespace": self.bowline.namespace()});
        let object = json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec});
        self.bowline.cluster().apply(&object.to_string())?;
        Ok(self.bowline.ended(&kind.to_lowercase(), name, LIMIT)?["status"].clone())
    }

    /// Refused by the program, with these words.
    fn refused(&self, arguments: &[&str], words: &[&str]) -> Result<()> {
        let output = self.bowline.run(arguments)?;
        let message = output.clone().refused(1)?;
        for word in words {
            ensure!(message.contains(word), "{word:?} is not in the message of {output:#?}");
        }
        Ok(())
    }
}

/// An error unless the status has this phase, and every word in its reasons.
fn ended_as(status: &Value, phase: &str, words: &[&str]) -> Result<()> {
    let reasons = format!("{} {}", status["failureReason"], status["validationErrors"]);
    ensure!(status["phase"] == phase, "{phase} was expected: {status}");
    let missing = words.iter().find(|word| !reasons.contains(**word));
    ensure!(missing.is_none(), "{missing:?} is not in the reasons: {status}");
    Ok(())
}

#[test]
fn a_location_with_wrong_credentials_is_unavailable_and_takes_no_backup() -> Result<()> {
    let stage = Stage::new("wrong-keys")?;
    location::create_credentials(&stage.bowline, "keys", "not-the-secret")?;
    let config = location::s3_config(stage.bowline.cluster())?;
    let prefix = stage.bowline.namespace();
    let bucket = ["--provider", "aws", "--bucket", "bowline", "--prefix", prefix, "--config", &config];
    let location = stage.locate(&[&bucket[..], &["--credential", "keys=cloud"]].concat())?;
    let message = location["status"]["message"].as_str().unwrap_or_default();
    assert_eq!(location["status"]["phase"], "Unavailable");
    assert!(message.contains("credentials") && !message.contains("not-the-secret"), "{message}");
    stage.refused(&["backup", "create", "b"], &["\"default\" is unavailable", "credentials", "hint: "])?;
    let status = stage.outcome("Backup", "b", &json!({"includedNamespaces": ["default"]}))?;
    ended_as(&status, "FailedValidation", &["default", "unavailable", "credentials"])?;
    assert!(!stage.server.log()?.contains("not-the-secret"));
    Ok(())
}

#[test]
fn a_location_that_cannot_be_reached_is_unavailable() -> Result<()> {
    let stage = Stage::new("unreachable")?;
    location::create_credentials(&stage.bowline, "keys", "any")?;
    let config = "s3Url=http://127.0.0.1:0,region=minio,s3ForcePathStyle=true";
    let bucket = ["--provider", "aws", "--bucket", "bowline", "--config", config];
    let location = stage.locate(&[&bucket[..], &["--credential", "keys=cloud"]].concat())?;
    assert_eq!(location["status"]["phase"], "Unavailable");
    let message = location["status"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("can't be reached") && message.contains("s3Url"), "{message}");
    stage.server.ensure_running()
}

#[test]
fn a_read_only_location_takes_no_backup() -> Result<()> {
    let stage = Stage::new("readonly")?;
    stage.locate_in_folder(&["--access-mode", "ReadOnly"])?;
    stage
        .refused(&["backup", "create", "b"], &["\"default\" is read-only", "hint: ", "--storage-location"])?;
    let status = stage.outcome("Backup", "b", &json!({"includedNamespaces": ["default"]}))?;
    ended_as(&status, "FailedValidation", &["default", "read-only"])?;
    assert_eq!(files::below(&stage.folder)?, [""; 0]);
    Ok(())
}

#[test]
fn a_name_that_is_taken_is_refused_in_the_cluster_and_in_the_store() -> Result<()> {
    let stage = Stage::new("taken")?;
    // The server is not to find by itself what is put into the store behind its back.
    stage.locate_in_folder(&["--backup-sync-period", "0s"])?;
    let spec = ["--include-namespaces", stage.bowline.namespace()];
    stage.bowline.ok(&[&["backup", "create", "here", "--wait"][..], &spec].concat())?;
    stage.bowline.expect_completed("backup", "here")?;
    stage
        .refused(&["backup", "create", "here"], &["\"here\" already exists", "hint: choose another name"])?;

    stage.bowline.ok(&[
        &["backup", "create", "there", "--to", &stage.bucket().display().to_string()][..],
        &spec,
    ]
    .concat())?;
    let before = files::contents(&stage.folder)?;
    let status = stage.outcome("Backup", "there", &json!({"includedNamespaces": ["default"]}))?;
    ended_as(&status, "Failed", &["already exists in object storage"])?;
    assert!(files::contents(&stage.folder)? == before, "the stored backup was changed");
    Ok(())
}

#[test]
fn a_spec_that_contradicts_itself_is_refused_with_every_reason() -> Result<()> {
    let stage = Stage::new("contradiction")?;
    stage.locate_in_folder(&[])?;
    let spec = json!({
        "includedNamespaces": ["a"], "excludedNamespaces": ["a"], "storageLocation": "nowhere",
        "labelSelector": {"matchLabels": {"a": "b"}}, "orLabelSelectors": [{"matchLabels": {"a": "b"}}],
    });
    let status = stage.outcome("Backup", "b", &spec)?;
    ended_as(&status, "FailedValidation", &["orLabelSelectors", "nowhere"])?;
    let nowhere = ["backup", "create", "other", "--storage-location", "nowhere"];
    stage.refused(&nowhere, &["\"nowhere\"", "hint: ", "default"])?;
    let status = stage.outcome("Restore", "r", &json!({"backupName": "no-such-backup"}))?;
    ended_as(&status, "FailedValidation", &["no-such-backup"])?;
    stage
        .refused(&["restore", "create", "--from-backup", "no-such-backup"], &["no-such-backup", "hint: "])?;
    assert_eq!(files::below(&stage.folder)?, [""; 0]);
    Ok(())
}
