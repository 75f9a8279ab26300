//! Backups that are deleted: Velero's Backups Deletion and BSL Deletion.

use anyhow::Result;

use super::stage::{Scenario, eventually};

#[test]
fn deleting_a_backup_removes_its_files_and_restores() -> Result<()> {
    let scenario = Scenario::new("deletion")?;
    let namespace = scenario.namespace("first")?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    scenario.restore("r", &["--namespace-mappings", &format!("{namespace}:{namespace}-copy")])?;
    let bucket = scenario.bucket()?;
    let restore = scenario.named("r");
    let stored = [bucket.join("backups").join(&scenario.name), bucket.join("restores").join(&restore)];
    assert!(stored.iter().all(|folder| folder.exists()), "{stored:?}");

    scenario.bowline.ok(&["backup", "delete", &scenario.name, "--confirm"])?;
    let own = ["-n", scenario.bowline.namespace()];
    eventually("the backup and its restore are gone", || {
        let backup = scenario.exists(&[&own[..], &["backups.velero.io", &scenario.name]].concat())?;
        Ok(!backup && !scenario.exists(&[&own[..], &["restores.velero.io", &restore]].concat())?)
    })?;
    assert!(!stored.iter().any(|folder| folder.exists()), "{stored:?}");
    assert!(scenario.exists(&["namespace", &format!("{namespace}-copy")])?, "what was restored stays");
    Ok(())
}
