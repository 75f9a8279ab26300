//! What goes away in the middle of a backup or restore: the API server, or Bowline's own server. The backup ends once, with everything
//! in it, or has failed with the reason; the store never holds half of one. A restore goes on, or ends by itself and says why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::{Bowline, Cluster, Gate, Output, Server, location};
use serde_json::Value;

use crate::files;

/// How much there is to save, and after how much of it the interruption comes.
const OBJECTS: u64 = 24;
const OBJECT_BYTES: usize = 400_000;
const INTERRUPTED_AFTER: usize = 4_000_000;
/// What a backup may take on a busy machine, after it has waited for what was gone.
const LIMIT: Duration = Duration::from_mins(4);
const HELD: Duration = Duration::from_mins(1);

/// A cluster of its own with something to save, and a gate between Bowline and its API server.
struct Stage {
    cluster: Cluster,
    gate: Gate,
    /// What the server's bucket and a place of the command line both are.
    folder: PathBuf,
}

impl Stage {
    fn new(name: &str) -> Result<Self> {
        let cluster = Cluster::start(name)?;
        cluster.kubectl(["create", "namespace", "full"])?.ok()?;
        files::fill_namespace(&cluster, "full", OBJECTS, OBJECT_BYTES)?;
        let gate = Gate::before(cluster.setting("BOWLINE_API_SERVER")?.trim_start_matches("https://"))?;
        let folder = cluster.dir().join("stored/bucket");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { cluster, gate, folder })
    }

    /// The program behind the gate.
    fn held(&self) -> Result<Bowline<'_>> {
        let path = self.cluster.dir().join("kubeconfig-gate");
        let config = std::fs::read_to_string(self.cluster.setting("KUBECONFIG")?)?;
        let direct = self.cluster.setting("BOWLINE_API_SERVER")?;
        std::fs::write(&path, config.replace(direct, &format!("https://{}", self.gate.address())))?;
        Ok(Bowline::new(&self.cluster, "velero")?.with_environment("KUBECONFIG", &path.display().to_string()))
    }

    /// Starts a server behind the gate.
    fn server<'a>(&self, direct: &Bowline<'a>, held: &Bowline<'a>) -> Result<Server<'a>> {
        direct.install()?;
        let server = held.server(&[])?;
        let config = format!("path={}", self.cluster.dir().join("stored").display());
        let create = ["backup-location", "create", "default", "--default", "--provider", "filesystem"];
        direct.ok(&[&create[..], &["--bucket", "bucket", "--config", &config]].concat())?;
        let judged = location::judged(direct, &server, "default")?;
        ensure!(judged["status"]["phase"] == "Available", "{}", judged["status"]);
        Ok(server)
    }

    /// Runs a command behind the gate, and stops the API server when the command is in its middle.
    fn run_while_the_api_server_goes(&self, held: &Bowline<'_>, command: &[&str]) -> Result<Output> {
        self.gate.hold_after(INTERRUPTED_AFTER);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| held.run(command));
            let stopped =
                self.gate.wait_until_it_holds(HELD).and_then(|()| self.cluster.stop("kube-apiserver"));
            self.gate.open();
            let output = running.join();
            stopped?;
            output.map_err(|_| anyhow::anyhow!("the thread that ran the program panicked"))?
        })
    }

    /// Starts a server behind the gate, and a backup that is in its middle.
    fn server_in_the_middle_of_a_backup<'a>(
        &self,
        direct: &Bowline<'a>,
        held: &Bowline<'a>,
    ) -> Result<Server<'a>> {
        let server = self.server(direct, held)?;
        self.gate.hold_after(INTERRUPTED_AFTER);
        direct.ok(&["backup", "create", "b", "--include-namespaces", "full"])?;
        self.gate.wait_until_it_holds(HELD).with_context(|| server.log().unwrap_or_default())?;
        let backup = direct.object("backup", "b")?;
        ensure!(backup["status"]["phase"] == "InProgress", "{}", backup["status"]);
        ensure!(!is_stored(&self.folder), "the backup is in the store before it is complete");
        Ok(server)
    }

    /// A complete backup with everything in it and no other file, or a failed one with its reason and at most its log.
    fn ended_well(&self, bowline: &Bowline<'_>, backup: &Value) -> Result<()> {
        let status = &backup["status"];
        let files = files::below(&self.folder)?;
        if status["phase"] == "Completed" {
            ensure!(is_stored(&self.folder), "it is not in the store: {files:?}");
            let expected =
                |file: &String| file.starts_with("backups/b/b") || file.ends_with("/velero-backup.json");
            ensure!(files.iter().all(expected), "something is left over: {files:?}");
            return self.is_whole(bowline);
        }
        ensure!(status["phase"] == "Failed", "neither completed nor failed: {status}");
        let reason = status["failureReason"].as_str().unwrap_or_default();
        ensure!(reason.contains("API server"), "the reason does not name the cause: {status}");
        ensure!(files.iter().all(|file| file == "backups/b/b-logs.gz"), "half a backup is left: {files:?}");
        Ok(())
    }

    /// Restores the backup in another namespace and compares the data.
    fn is_whole(&self, bowline: &Bowline<'_>) -> Result<()> {
        let from = self.folder.display().to_string();
        let restore = ["restore", "create", "r", "--from", &from, "--from-backup", "b"];
        bowline.ok(&[&restore[..], &["--namespace-mappings", "full:copy"]].concat())?;
        self.is_restored()
    }

    /// Compares the data in the other namespace.
    fn is_restored(&self) -> Result<()> {
        for number in 0..OBJECTS {
            let name = format!("filler-{number}");
            let copy = self.cluster.get(&["-n", "copy", "configmap", &name])?;
            ensure!(copy["data"]["noise"] == files::noise(number, OBJECT_BYTES), "{name} is not what it was");
        }
        Ok(())
    }
}

/// Whether there is a backup: its metadata come last.
fn is_stored(folder: &Path) -> bool {
    folder.join("backups/b/velero-backup.json").exists()
}

#[test]
fn a_backup_rides_out_a_restart_of_the_api_server() -> Result<()> {
    let stage = Stage::new("api-restart")?;
    let (direct, held) = (Bowline::new(&stage.cluster, "velero")?, stage.held()?);
    let server = stage.server_in_the_middle_of_a_backup(&direct, &held)?;
    stage.cluster.stop("kube-apiserver")?;
    stage.gate.open();
    stage.cluster.resume()?;
    let backup = direct.ended("backup", "b", LIMIT)?;
    server.ensure_running()?;
    assert_eq!(backup["status"]["phase"], "Completed", "{backup:#}");
    stage.ended_well(&direct, &backup)?;
    server.stop()?;
    stage.cluster.end()
}

#[test]
fn a_backup_whose_server_is_killed_is_done_by_the_next_one() -> Result<()> {
    let stage = Stage::new("server-killed")?;
    let (direct, held) = (Bowline::new(&stage.cluster, "velero")?, stage.held()?);
    let server = stage.server_in_the_middle_of_a_backup(&direct, &held)?;
    server.kill()?;
    assert!(!is_stored(&stage.folder), "half a backup is in the store");
    stage.gate.open();
    let next = direct.server(&[])?;
    let backup = direct.ended("backup", "b", LIMIT)?;
    next.ensure_running()?;
    stage.ended_well(&direct, &backup)?;
    // It stays ended: a third server does not run it again.
    next.stop()?;
    let before = files::contents(&stage.folder)?;
    let third = direct.server(&[])?;
    direct.ok(&["backup", "create", "after", "--include-namespaces", "velero", "--wait"])?;
    let mut now = files::contents(&stage.folder)?;
    now.retain(|file, _| !file.starts_with("backups/after/"));
    assert!(now == before, "the first backup was written again");
    assert_eq!(direct.object("backup", "b")?["status"], backup["status"]);
    third.stop()?;
    stage.cluster.end()
}

#[test]
fn without_a_server_a_backup_that_loses_the_api_server_for_good_leaves_nothing() -> Result<()> {
    let stage = Stage::new("api-gone")?;
    let held = stage.held()?;
    let folder = stage.folder.display().to_string();
    let create = ["backup", "create", "b", "--include-namespaces", "full", "--to", &folder];
    let output = stage.run_while_the_api_server_goes(&held, &create)?;
    let message = output.refused(1)?;
    assert!(message.contains("the API server can't be reached") && message.contains("hint: "), "{message}");
    let files = files::below(&stage.folder)?;
    assert!(files.iter().all(|file| file == "backups/b/b-logs.gz"), "half a backup is left: {files:?}");
    stage.cluster.end()
}

#[test]
fn a_restore_rides_out_a_restart_of_the_api_server() -> Result<()> {
    let stage = Stage::new("api-restart-restore")?;
    let (direct, held) = (Bowline::new(&stage.cluster, "velero")?, stage.held()?);
    let server = stage.server(&direct, &held)?;
    direct.ok(&["backup", "create", "b", "--include-namespaces", "full", "--wait"])?;
    stage.gate.hold_after(INTERRUPTED_AFTER);
    let create = ["restore", "create", "r", "--from-backup", "b", "--namespace-mappings", "full:copy"];
    direct.ok(&create)?;
    stage.gate.wait_until_it_holds(HELD).with_context(|| server.log().unwrap_or_default())?;
    let restore = direct.object("restore", "r")?;
    ensure!(restore["status"]["phase"] == "InProgress", "{}", restore["status"]);
    stage.cluster.stop("kube-apiserver")?;
    stage.gate.open();
    stage.cluster.resume()?;
    let restore = direct.ended("restore", "r", LIMIT)?;
    server.ensure_running()?;
    ensure!(restore["status"]["phase"] == "Completed", "{restore:#}");
    stage.is_restored()?;
    server.stop()?;
    stage.cluster.end()
}

#[test]
fn without_a_server_a_restore_that_loses_the_api_server_for_good_says_so_and_can_be_run_again() -> Result<()>
{
    let stage = Stage::new("api-gone-restore")?;
    let (direct, held) = (Bowline::new(&stage.cluster, "velero")?, stage.held()?);
    let folder = stage.folder.display().to_string();
    direct.ok(&["backup", "create", "b", "--include-namespaces", "full", "--to", &folder])?;
    let create = ["restore", "create", "r", "--from", &folder, "--from-backup", "b"];
    let create = [&create[..], &["--namespace-mappings", "full:copy"]].concat();
    let output = stage.run_while_the_api_server_goes(&held, &create)?;
    let message = output.refused(1)?;
    ensure!(
        message.contains("lost the API server after") && message.contains("can't be reached"),
        "{message}"
    );
    stage.cluster.resume()?;
    // What is there already is found and kept.
    direct.ok(&create)?;
    stage.is_restored()?;
    stage.cluster.end()
}
