//! The metrics as Prometheus sees them.

use super::*;

/// Names, types and labels that Velero 1.18.2 shows after backups, a deletion and restores.
const VELERO: &str = include_str!("../../testdata/metrics-velero.txt");

fn series(text: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split([' ', '}']).next().unwrap_or_default().to_owned();
    let is_ours = |line: &&str| !line.starts_with("# HELP") && line.contains("velero_");
    text.lines()
        .filter(is_ours)
        .map(|line| if line.starts_with('#') { line.to_owned() } else { name(line) })
        .filter(|line| !line.contains("backupName=\"") || line.contains("backupName=\"\""))
        .collect()
}

/// Metrics after a backup, so that each has a series.
fn used() -> Metrics {
    let metrics = Metrics::new(Registry::new()).unwrap();
    let mut backup = Backup::default();
    backup.status.phase = Some(BackupPhase::Completed);
    backup.status.progress = Some(bowline_api::backup::BackupProgress::default());
    backup.status.start_timestamp = Some(bowline_api::Time(Timestamp::UNIX_EPOCH));
    metrics.backup.finished("", &backup, 1, Timestamp::UNIX_EPOCH);
    metrics.location_status.with_label_values(&["default"]).set(1.0);
    metrics.own.failures("backup");
    for counter in [&metrics.own.resumed, &metrics.own.sync_requests, &metrics.own.sync_imported] {
        counter.with_label_values(&["a"]);
    }
    metrics
}

#[test]
fn the_document_lists_every_metric_with_type_and_labels_and_no_other() {
    const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");
    let families = used().registry.gather();
    let ours = families.iter().filter(|family| !family.name().starts_with("process_"));
    let built: BTreeSet<[String; 3]> = ours
        .map(|family| {
            let labels = family.get_metric()[0].get_label().iter().map(|label| label.name().to_owned());
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            [format!("`{}`", family.name()), kind, labels.collect::<Vec<_>>().join(", ")]
        })
        .collect();
    let rows =
        DOCUMENT.lines().filter(|line| line.starts_with("| `velero_") || line.starts_with("| `bowline_"));
    let cell = |row: &str, number| row.split('|').nth(number).unwrap_or_default().trim().to_owned();
    let listed = rows.map(|row| [cell(row, 1), cell(row, 2), cell(row, 3)]).collect();
    assert_eq!(built, listed);
}

#[test]
fn names_types_and_labels_are_veleros() {
    let metrics = used();
    assert_eq!(series(&metrics.render().unwrap()), series(VELERO));
}

#[test]
fn a_schedules_series_come_at_zero_and_go_with_it() {
    let metrics = Metrics::new(Registry::new()).unwrap();
    metrics.start_schedule("nightly");
    assert!(metrics.render().unwrap().contains("velero_backup_failure_total{schedule=\"nightly\"} 0"));
    metrics.drop_schedule("nightly");
    let text = metrics.render().unwrap();
    assert!(!text.lines().any(|line| line.contains("nightly")), "{text}");
}
