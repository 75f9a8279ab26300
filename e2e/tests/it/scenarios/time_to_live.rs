//! Backups that expire: Velero's Backups TTL.

use anyhow::{Context as _, Result};

use super::stage::{Scenario, eventually};

#[test]
fn an_expired_backup_is_deleted_with_its_files_and_restores() -> Result<()> {
    let scenario = Scenario::new("ttl")?;
    let namespace = scenario.namespace("first")?;
    // Long enough for a restore, even on a busy machine.
    scenario.back_up(&["--include-namespaces", &namespace, "--ttl", "15s"])?;
    scenario.restore("r", &["--namespace-mappings", &format!("{namespace}:{namespace}-copy")])?;
    let stored = scenario.bucket()?.join("backups").join(&scenario.name);
    assert!(stored.exists());
    let own = ["-n", scenario.bowline.namespace()];
    eventually("the backup, its restore and its files are gone", || {
        let backup = scenario.exists(&[&own[..], &["backups.velero.io", &scenario.name]].concat())?;
        let restore = scenario.exists(&[&own[..], &["restores.velero.io", &scenario.named("r")]].concat())?;
        Ok(!backup && !restore && !stored.exists())
    })
}

#[test]
fn a_backup_expires_after_its_time_to_live() -> Result<()> {
    let scenario = Scenario::new("expiration")?;
    let namespace = scenario.namespace("first")?;
    scenario.back_up(&["--include-namespaces", &namespace, "--ttl", "48h"])?;
    let status = scenario.bowline.object("backup", &scenario.name)?["status"].clone();
    let day = |field: &str| -> Result<String> {
        let time = status[field].as_str().with_context(|| format!("no {field} in {status}"))?;
        scenario.bowline.shell(&format!("date -u -d {time} +%s"))?.ok()
    };
    let (start, end): (i64, i64) =
        (day("startTimestamp")?.trim().parse()?, day("expiration")?.trim().parse()?);
    assert!((0..=5).contains(&(start + 48 * 3600 - end).abs()), "{status}");
    Ok(())
}
