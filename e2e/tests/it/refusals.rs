//! Bad input to the program without a server: each is refused with exit code 1, a message that names the cause, a hint, and nothing
//! is left in the store.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bowline_e2e::{Bowline, Cluster, Output, location};

use crate::files;

/// A cluster with a namespace that is worth a backup, and a folder for it that does not exist yet.
struct Stage {
    bowline: Bowline<'static>,
    namespace: String,
    folder: PathBuf,
}

impl Stage {
    fn new(purpose: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let namespace = cluster.namespace(purpose)?;
        cluster.kubectl(["-n", &namespace, "create", "configmap", "a", "--from-literal=x=1"])?.ok()?;
        let folder = cluster.dir().join(&namespace);
        Ok(Self { bowline: Bowline::new(cluster, "unused")?, namespace, folder })
    }

    fn folder(&self) -> &str {
        self.folder.to_str().unwrap_or_default()
    }

    /// Runs `backup create NAME --include-namespaces ...` with further flags.
    fn back_up(&self, bowline: &Bowline<'_>, name: &str, flags: &[&str]) -> Result<Output> {
        let create = ["backup", "create", name, "--include-namespaces", &self.namespace];
        bowline.run(&[&create[..], flags].concat())
    }
}

/// An error unless the program refused, said all of this, and gave a hint.
fn refused(output: &Output, words: &[&str]) -> Result<()> {
    let message = output.clone().refused(1)?;
    for text in words.iter().chain(&["An error occurred: ", "hint: "]) {
        ensure!(message.contains(text), "{text:?} is not in the message of {output:#?}");
    }
    Ok(())
}

#[test]
fn names_that_no_object_can_have_are_refused() -> Result<()> {
    let stage = Stage::new("names")?;
    let long = "x".repeat(300);
    for name in ["Upper", "under_score", "-dash", "a/b", "../up", "dot.", &long] {
        let output = stage.back_up(&stage.bowline, name, &["--to", stage.folder()])?;
        // A name that begins with a dash is a flag to the parser.
        let said = if name.starts_with('-') { "-d" } else { "backup" };
        let message = output.refused(1)?;
        assert!(message.contains(said) && message.contains("hint: "), "{name}: {message}");
    }
    assert!(!stage.folder.exists());
    Ok(())
}

#[test]
fn a_resource_that_the_cluster_does_not_have_is_refused() -> Result<()> {
    let stage = Stage::new("resources")?;
    let flags = ["--to", stage.folder(), "--include-resources", "deploymnts"];
    let output = stage.back_up(&stage.bowline, "b", &flags)?;
    refused(&output, &["--include-resources", "deploymnts", "deployments"])?;
    assert_eq!(files::below(&stage.folder)?, [""; 0]);
    Ok(())
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_backup_stays() -> Result<()> {
    let stage = Stage::new("taken")?;
    stage.back_up(&stage.bowline, "b", &["--to", stage.folder()])?.ok()?;
    let before = files::contents(&stage.folder)?;
    let output = stage.back_up(&stage.bowline, "b", &["--to", stage.folder()])?;
    refused(&output, &["\"b\" already exists", "choose another name"])?;
    assert!(before == files::contents(&stage.folder)?, "the first backup was changed");
    Ok(())
}

#[test]
fn a_store_that_cannot_be_reached_is_named() -> Result<()> {
    let stage = Stage::new("unreachable")?;
    // Nothing can listen on port 0.
    let config = "s3Url=http://127.0.0.1:0,region=minio,s3ForcePathStyle=true";
    let bowline = with_keys(stage.bowline.cluster(), "bowline-secret")?;
    let output = stage.back_up(&bowline, "b", &["--to", "s3://bowline/nowhere", "--to-config", config])?;
    refused(&output, &["s3://bowline/nowhere", "can't be reached", "at http://127.0.0.1:0", "s3Url"])
}

#[test]
fn credentials_that_the_store_does_not_accept_are_named_and_not_shown() -> Result<()> {
    let stage = Stage::new("credentials")?;
    let config = location::s3_config(stage.bowline.cluster())?;
    let bowline = with_keys(stage.bowline.cluster(), "not-the-secret")?;
    let place = format!("s3://bowline/{}", stage.namespace);
    let output = stage.back_up(&bowline, "b", &["--to", &place, "--to-config", &config])?;
    assert!(!format!("{output:?}").contains("not-the-secret"));
    refused(&output, &[&place, "credentials"])
}

#[test]
fn a_bucket_that_is_not_there_is_named() -> Result<()> {
    let stage = Stage::new("bucket")?;
    let config = location::s3_config(stage.bowline.cluster())?;
    let bowline = with_keys(stage.bowline.cluster(), "bowline-secret")?;
    let output = stage.back_up(&bowline, "b", &["--to", "s3://no-such-bucket", "--to-config", &config])?;
    refused(&output, &["no-such-bucket", "bucket"])
}

#[test]
fn a_folder_that_cannot_be_written_is_named() -> Result<()> {
    let stage = Stage::new("readonly")?;
    let Some((output, left)) = on_a_small_disk(&stage, "size=1m,ro")? else { return Ok(()) };
    refused(&output, &["b.tar.gz", "Read-only file system"])?;
    assert_eq!(left, [""; 0]);
    Ok(())
}

#[test]
fn a_full_disk_is_named_and_no_part_of_the_backup_stays() -> Result<()> {
    let stage = Stage::new("fulldisk")?;
    files::fill_namespace(stage.bowline.cluster(), &stage.namespace, 4, 500_000)?;
    let Some((output, left)) = on_a_small_disk(&stage, "size=64k")? else { return Ok(()) };
    refused(&output, &["b.tar.gz", "no space left"])?;
    // The log may stay; it tells why there is no backup.
    assert!(left.iter().all(|file| file == "backups/b/b-logs.gz"), "{left:?}");
    Ok(())
}

/// Backs up to a file system of its own, which is gone with the program, and gives the output and what was left. `None` where
/// mounting is not allowed; then it says so.
fn on_a_small_disk(stage: &Stage, options: &str) -> Result<Option<(Output, Vec<String>)>> {
    std::fs::create_dir_all(&stage.folder)?;
    let (folder, namespace) = (stage.folder(), &stage.namespace);
    if !stage.bowline.shell("unshare --mount true")?.succeeded() {
        files::say_not_run("a disk that is full or read-only, because only root may mount one");
        return Ok(None);
    }
    let create = format!("\"$BOWLINE\" backup create b --include-namespaces {namespace} --to {folder}");
    let script = format!(
        "mount -t tmpfs -o {options} none {folder} || exit 99; {create}; code=$?; cd {folder} && find . -type f; exit $code"
    );
    let output = stage.bowline.shell(&format!("unshare --mount /bin/sh -c '{script}'"))?;
    let lines = output.stdout.lines().filter_map(|line| line.strip_prefix("./"));
    let left = lines.map(ToOwned::to_owned).collect();
    Ok(Some((output, left)))
}

/// The program with S3 keys in its environment.
fn with_keys(cluster: &'static Cluster, secret_key: &str) -> Result<Bowline<'static>> {
    let bowline = Bowline::new(cluster, "unused")?;
    let key = cluster.setting("AWS_ACCESS_KEY_ID")?;
    Ok(bowline
        .with_environment("AWS_ACCESS_KEY_ID", key)
        .with_environment("AWS_SECRET_ACCESS_KEY", secret_key))
}

/// A folder that does not exist is not made by reading from it.
#[test]
fn a_restore_from_nowhere_is_refused() -> Result<()> {
    let stage = Stage::new("nowhere")?;
    let restore = ["restore", "create", "--from", stage.folder(), "--from-backup", "b"];
    refused(&stage.bowline.run(&restore)?, &[stage.folder(), "--to"])?;
    assert!(!Path::new(stage.folder()).exists());
    stage.back_up(&stage.bowline, "web", &["--to", stage.folder()])?.ok()?;
    let restore = ["restore", "create", "--from", stage.folder(), "--from-backup", "wep"];
    refused(&stage.bowline.run(&restore)?, &["\"wep\"", "web"])
}
