//! Flags of Velero's server that have no effect here yet. They are accepted and checked, so that a Deployment made for Velero starts,
//! and every one that asks for something is warned of at the start.

use bowline_api::Duration;
use clap::ValueEnum;

use super::period;
use crate::cli::flag::Mappings;

/// Flags without effect, with Velero's defaults.
#[derive(clap::Args)]
#[command(next_help_heading = "Accepted for Velero's sake, without effect yet")]
pub(super) struct Pending {
    /// Folder of plugins: plugins are not built yet
    #[arg(long, value_name = "DIR", default_value = PLUGIN_DIR)]
    plugin_dir: String,
    /// How long volumes may take that are saved file by file: not built yet
    #[arg(long, value_name = "DURATION", default_value = "4h0m0s")]
    fs_backup_timeout: Duration,
    /// Locations of snapshots by provider, as aws:us-east-1: snapshots are not built yet
    #[arg(long, value_name = "MAPPINGS")]
    default_volume_snapshot_locations: Vec<Mappings>,
    /// How often repositories of volume data are maintained: not built yet
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    default_repo_maintain_frequency: Duration,
    /// What saves volumes file by file: not built yet
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Uploader::Kopia)]
    uploader_type: Uploader,
    /// Ask the cluster what exists when restoring: this is always done
    #[arg(long)]
    disable_informer_cache: bool,
    /// ConfigMap with settings of repositories of volume data: not built yet
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    backup_repository_configmap: String,
    /// ConfigMap with settings of maintenance jobs: not built yet
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    repo_maintenance_job_configmap: String,
}

const PLUGIN_DIR: &str = "/plugins";
const FS_BACKUP_TIMEOUT: i64 = 4 * 3600;

/// What saves volumes file by file. Velero refuses restic too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Uploader {
    Kopia,
}

impl Pending {
    /// Checks the values, and returns a line for every flag that asks for something.
    pub(super) fn warnings(&self) -> anyhow::Result<Vec<String>> {
        for (flag, value) in [
            ("--fs-backup-timeout", self.fs_backup_timeout),
            ("--default-repo-maintain-frequency", self.default_repo_maintain_frequency),
        ] {
            period(flag, value)?;
        }
        let asked = [
            (self.plugin_dir != PLUGIN_DIR, "plugin-dir", "plugins are not built yet"),
            (
                self.fs_backup_timeout != Duration::from_secs(FS_BACKUP_TIMEOUT),
                "fs-backup-timeout",
                "volumes are not saved file by file yet",
            ),
            (
                !self.default_volume_snapshot_locations.is_empty(),
                "default-volume-snapshot-locations",
                "snapshots of volumes are not built yet",
            ),
            (
                !self.default_repo_maintain_frequency.is_zero(),
                "default-repo-maintain-frequency",
                "repositories of volume data are not maintained yet",
            ),
            (
                !self.backup_repository_configmap.is_empty(),
                "backup-repository-configmap",
                "repositories of volume data are not made yet",
            ),
            (
                !self.repo_maintenance_job_configmap.is_empty(),
                "repo-maintenance-job-configmap",
                "repositories of volume data are not maintained yet",
            ),
        ];
        let line = |(_, flag, why)| format!("--{flag} has no effect yet: {why}");
        Ok(asked.into_iter().filter(|(asked, ..)| *asked).map(line).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::Pending;

    fn warnings(line: &[&str]) -> anyhow::Result<Vec<String>> {
        let command = Pending::augment_args(clap::Command::new("server"));
        let matches = command.try_get_matches_from([&["server"], line].concat())?;
        Pending::from_arg_matches(&matches)?.warnings()
    }

    #[test]
    fn only_what_asks_for_something_is_warned_of() {
        assert_eq!(warnings(&[]).unwrap(), Vec::<String>::new());
        let defaults = ["--plugin-dir", "/plugins", "--fs-backup-timeout", "240m", "--uploader-type=kopia"];
        assert_eq!(warnings(&defaults).unwrap(), Vec::<String>::new());
        let asked = ["--fs-backup-timeout", "1h", "--default-volume-snapshot-locations", "aws:east"];
        assert_eq!(
            warnings(&asked).unwrap(),
            [
                "--fs-backup-timeout has no effect yet: volumes are not saved file by file yet",
                "--default-volume-snapshot-locations has no effect yet: snapshots of volumes are not built yet",
            ]
        );
    }

    #[test]
    fn what_velero_refuses_is_refused() {
        for line in [
            ["--uploader-type", "restic"],
            ["--fs-backup-timeout", "soon"],
            ["--default-volume-snapshot-locations", "aws"],
        ] {
            assert!(warnings(&line).is_err(), "{line:?}");
        }
        assert!(warnings(&["--fs-backup-timeout=-1h"]).is_err());
    }
}
