//! Backups that others put into a location: Velero's Backups Sync, and BSL Deletion.

use std::path::PathBuf;

use anyhow::Result;

use super::stage::{CONTENT, Scenario, eventually, set};

/// A location of its own on the shared server, with backups that this server did not make.
struct Foreign {
    scenario: Scenario,
    namespace: String,
    /// Where the location keeps its backups.
    folder: PathBuf,
}

impl Foreign {
    fn new(purpose: &str) -> Result<Self> {
        let scenario = Scenario::new(purpose)?;
        let namespace = scenario.namespace("first")?;
        let root = scenario.cluster.dir().join(&scenario.name);
        let folder = root.join("bucket");
        std::fs::create_dir_all(&folder)?;
        for backup in ["one", "two"] {
            let (name, place) = (scenario.named(backup), folder.display().to_string());
            let create = ["backup", "create", &name, "--include-namespaces", &namespace, "--to", &place];
            scenario.bowline.ok(&create)?;
        }
        let config = format!("path={}", root.display());
        let create = ["backup-location", "create", &scenario.name, "--provider", "filesystem"];
        scenario.bowline.ok(&[&create[..], &["--bucket", "bucket", "--config", &config]].concat())?;
        Ok(Self { scenario, namespace, folder })
    }

    /// Waits until the cluster has these of the location's backups.
    fn await_backups(&self, expected: &[&str]) -> Result<()> {
        let expected: Vec<_> = expected
            .iter()
            .map(|backup| format!("backup.velero.io/{}", self.scenario.named(backup)))
            .collect();
        let label = format!("velero.io/storage-location={}", self.scenario.name);
        let list = ["-n", self.scenario.bowline.namespace(), "backups.velero.io", "-l", &label];
        eventually(&format!("the cluster has {expected:?}"), || {
            Ok(self.scenario.names(&list)?.into_iter().eq(expected.iter().cloned()))
        })
    }
}

#[test]
fn backups_of_a_former_installation_are_found_and_can_be_restored() -> Result<()> {
    let foreign = Foreign::new("sync")?;
    foreign.await_backups(&["one", "two"])?;
    let scenario = &foreign.scenario;
    let copy = format!("{}-copy", foreign.namespace);
    let mapping = format!("{}:{copy}", foreign.namespace);
    let found = Scenario { name: scenario.named("two"), ..Scenario::new("sync")? };
    found.restore("r", &["--namespace-mappings", &mapping])?;
    assert_eq!(scenario.content(&copy)?, set(CONTENT));
    Ok(())
}

#[test]
fn a_backup_whose_files_are_gone_is_forgotten() -> Result<()> {
    let foreign = Foreign::new("sync-gone")?;
    foreign.await_backups(&["one", "two"])?;
    std::fs::remove_dir_all(foreign.folder.join("backups").join(foreign.scenario.named("one")))?;
    foreign.await_backups(&["two"])
}

#[test]
fn deleting_a_location_forgets_its_backups_and_keeps_their_files() -> Result<()> {
    let foreign = Foreign::new("location-deletion")?;
    foreign.await_backups(&["one", "two"])?;
    let scenario = &foreign.scenario;
    scenario.back_up(&["--include-namespaces", &foreign.namespace])?;
    scenario.bowline.ok(&["backup-location", "delete", &scenario.name, "--confirm"])?;
    foreign.await_backups(&[])?;
    assert!(foreign.folder.join("backups").join(scenario.named("one")).exists());
    scenario.bowline.expect_completed("backup", &scenario.name)
}
