//! What the program does in a pod when it is called by one of the image's other names (behaviour §2.6): `velero-restore-helper` keeps a
//! restored pod from starting before its volumes are filled, `velero-helper pause` only holds a pod.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::output::screen::Screen;

/// Below this is a folder for each volume that is to be filled.
const VOLUMES: &str = "/restores";
/// Where a volume says which restores have filled it.
const MARKS: &str = ".velero";
/// How often the marks are looked at.
const PACE: Duration = Duration::from_secs(1);

/// Which of its programs this one was called as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Command line and server.
    #[default]
    CommandLine,
    /// `velero-restore-helper UID`.
    RestoreHelper,
    /// `velero-helper pause`.
    Helper,
}

impl Entry {
    /// By the name of the file that was called.
    pub(crate) fn called(program: &Path) -> Self {
        match program.file_name().and_then(|name| name.to_str()) {
            Some("velero-restore-helper") => Self::RestoreHelper,
            Some("velero-helper") => Self::Helper,
            _ => Self::CommandLine,
        }
    }
}

/// Waits until every volume of this pod has been filled by the restore with the UID in the arguments.
pub(crate) async fn restore_helper(arguments: &[OsString]) -> anyhow::Result<()> {
    let [uid] = arguments else {
        return Err(Failure::new("the UID of a restore is needed, and nothing else").into());
    };
    let uid = Path::new(uid);
    if !matches!(uid.components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
        return Err(Failure::new(format!("{:?} is not the UID of a restore", uid.display())).into());
    }
    until_ended(filled(Path::new(VOLUMES), uid)).await
}

/// `pause`: waits until the pod is to end.
pub(crate) async fn helper(arguments: &[OsString]) -> anyhow::Result<()> {
    if arguments != ["pause"] {
        return Err(Failure::new("the only command is `pause`").into());
    }
    until_ended(std::future::pending()).await
}

/// The first process of a container ignores the signal that ends it unless it listens for it.
async fn until_ended(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut end = signal(SignalKind::terminate()).context("failed to wait for the end")?;
    tokio::select! {
        done = work => done,
        _ = end.recv() => Err(Failure::new("the pod is to end").into()),
    }
}

async fn filled(volumes: &Path, uid: &Path) -> anyhow::Result<()> {
    loop {
        let folders = folders(volumes)?;
        let missing = folders.iter().find(|folder| !folder.join(MARKS).join(uid).exists());
        let Some(missing) = missing else { return clean(&folders) };
        Screen::default().print(format!("waiting for the restore of {}\n", missing.display()))?;
        tokio::time::sleep(PACE).await;
    }
}

fn folders(volumes: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(volumes)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// The application must not find the marks among its files.
fn clean(folders: &[PathBuf]) -> anyhow::Result<()> {
    for folder in folders {
        fs_err::remove_dir_all(folder.join(MARKS))?;
    }
    Ok(Screen::default().print("all volumes are restored\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        for (name, entry) in [
            ("/velero-restore-helper", Entry::RestoreHelper),
            ("velero-helper", Entry::Helper),
            ("/velero", Entry::CommandLine),
            ("bowline", Entry::CommandLine),
        ] {
            assert_eq!(Entry::called(Path::new(name)), entry, "{name}");
        }
    }

    #[tokio::test]
    async fn a_pod_waits_for_all_its_volumes_and_finds_no_marks() {
        let volumes = tempfile::tempdir().unwrap();
        let marks = ["a", "b"].map(|volume| volumes.path().join(volume).join(MARKS));
        for marks in &marks {
            fs_err::create_dir_all(marks).unwrap();
        }
        fs_err::write(marks[0].join("uid"), "").unwrap();
        fs_err::write(marks[1].join("another"), "").unwrap();
        let waiting = filled(volumes.path(), Path::new("uid"));
        assert!(tokio::time::timeout(PACE / 20, waiting).await.is_err());
        fs_err::write(marks[1].join("uid"), "").unwrap();
        filled(volumes.path(), Path::new("uid")).await.unwrap();
        assert!(marks.iter().all(|marks| !marks.exists()));
    }

    #[tokio::test]
    async fn what_is_no_uid_is_refused() {
        for arguments in [&[][..], &["../x".into()], &["a".into(), "b".into()], &["..".into()]] {
            assert!(restore_helper(arguments).await.is_err(), "{arguments:?}");
        }
        assert!(helper(&["resume".into()]).await.is_err());
    }
}
