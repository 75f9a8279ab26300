//! By which way the data of a volume is to be saved, and why not by another (behaviour §6.10, §6.11): pure decisions.

use std::collections::BTreeSet;

use bowline_api::label;

use super::pod::PodVolume;
use crate::object::Head;
use crate::select::policy::volume::Action;

/// Sources whose files are never saved: they come from the node or from other objects.
const NEVER: &[&str] = &["hostPath", "secret", "configMap", "projected", "downwardAPI"];

/// Whether the files of a pod's volume are to be saved through the pod. `action` is that of the volume policies; `by_default` is
/// `defaultVolumesToFsBackup`; `mounted` are the volumes that a container sees as files, so neither unused ones nor block devices.
pub fn saves_files(
    volume: &PodVolume,
    pod: &Head,
    mounted: &BTreeSet<&str>,
    action: Option<&Action>,
    by_default: bool,
) -> bool {
    let name = volume.name.as_str();
    let impossible = NEVER.contains(&volume.source.as_str())
        || name.starts_with("default-token")
        || !mounted.contains(name);
    let listed = |annotation| {
        let names = pod.annotation(annotation).unwrap_or_default();
        names.split(',').any(|listed| listed.trim() == name)
    };
    match action {
        _ if impossible => false,
        Some(Action::FsBackup(_)) => true,
        Some(_) => false,
        None if by_default => !listed(label::BACKUP_VOLUMES_EXCLUDES),
        None => listed(label::BACKUP_VOLUMES),
    }
}

/// Whether a snapshot of a persistent volume is to be taken. `files` is whether a pod saves its files; `wanted` is
/// `snapshotVolumes`.
pub fn takes_snapshot(action: Option<&Action>, files: bool, wanted: Option<bool>) -> bool {
    match action {
        Some(action) => matches!(action, Action::Snapshot(_)),
        None => !files && wanted != Some(false),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::object::Object;

    fn pod(annotations: &serde_json::Value) -> Head {
        let pod = json!({"metadata": {"name": "p", "annotations": annotations}});
        Object::from_tree(&pod).unwrap().head().clone()
    }

    #[test]
    fn policies_then_annotations_then_the_default_say_whose_files_are_saved() {
        let fs = Action::FsBackup(BTreeMap::new());
        let (opt_in, opt_out) = (
            json!({"backup.velero.io/backup-volumes": "x, data"}),
            json!({"backup.velero.io/backup-volumes-excludes": "data"}),
        );
        for (source, annotations, action, by_default, saved) in [
            ("emptyDir", json!({}), None, false, false),
            ("emptyDir", json!({}), None, true, true),
            ("emptyDir", opt_in.clone(), None, false, true),
            ("emptyDir", opt_out, None, true, false),
            ("emptyDir", json!({}), Some(&fs), false, true),
            ("emptyDir", opt_in, Some(&Action::Skip), true, false),
            ("hostPath", json!({}), Some(&fs), true, false),
        ] {
            let volume = PodVolume { name: "data".into(), source: source.into(), details: json!({}) };
            let decided =
                saves_files(&volume, &pod(&annotations), &BTreeSet::from(["data"]), action, by_default);
            assert_eq!(decided, saved, "{source} {annotations} {action:?} {by_default}");
            assert!(!saves_files(&volume, &pod(&annotations), &BTreeSet::new(), action, by_default));
        }
    }

    #[test]
    fn snapshots_are_taken_unless_something_else_is_chosen() {
        let snapshot = Action::Snapshot(BTreeMap::new());
        for (action, files, wanted, taken) in [
            (None, false, None, true),
            (None, false, Some(false), false),
            (None, true, Some(true), false),
            (Some(&snapshot), true, Some(false), true),
            (Some(&Action::Skip), false, Some(true), false),
        ] {
            assert_eq!(takes_snapshot(action, files, wanted), taken);
        }
    }
}
