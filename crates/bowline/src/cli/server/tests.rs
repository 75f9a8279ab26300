use clap::{Args, FromArgMatches};

use super::*;
use crate::cli::global::GlobalFlags;
use crate::config::{ClientFile, Environment};

/// The settings that a command line makes.
fn config(line: &[&str]) -> anyhow::Result<Config> {
    let command = Server::augment_args(clap::Command::new("server"));
    let matches = command.try_get_matches_from([&["server"], line].concat())?;
    let (flags, file) = (GlobalFlags::default(), ClientFile::default());
    Server::from_arg_matches(&matches)?.config(&Session::silent(Environment::default(), flags, &file))
}

#[test]
fn the_servers_defaults_are_veleros() {
    let settings = config(&[]).unwrap();
    let minutes = StdDuration::from_mins;
    assert_eq!(
        (settings.metrics_address.as_str(), settings.profiler_address.as_deref()),
        (":8085", Some("localhost:6060"))
    );
    assert_eq!((settings.periods.backup_sync, settings.periods.store_validation), (minutes(1), minutes(1)));
    assert_eq!(settings.periods.garbage_collection, minutes(60));
    assert_eq!(settings.periods.item_operations, StdDuration::from_secs(10));
    assert_eq!(
        (settings.defaults.ttl, settings.defaults.item_operation_timeout),
        (minutes(720 * 60), minutes(240))
    );
    assert_eq!(settings.defaults.csi_snapshot_timeout, minutes(10));
    assert_eq!(settings.defaults.storage_location, "default");
    assert_eq!(settings.defaults.volume_group_label, "velero.io/volume-group");
    assert!(!settings.defaults.volumes_to_fs_backup && !settings.defaults.snapshot_move_data);
    assert_eq!(
        (settings.engine.resource_timeout, settings.engine.terminating_timeout),
        (minutes(10), minutes(10))
    );
    assert_eq!(
        (settings.engine.page_size, settings.engine.workers, settings.concurrent_backups),
        (500, 1, 1)
    );
    assert_eq!((settings.connect.burst, settings.concurrent_restores), (100, 1));
    assert!(
        settings.disabled_controllers.is_empty()
            && !settings.schedule_skip_immediately
            && settings.notices.is_empty()
    );
    let zero =
        ["--garbage-collection-frequency=0", "--item-operation-sync-frequency=0", "--profiler-address="];
    let zero = config(&zero).unwrap();
    assert_eq!(zero.periods.garbage_collection, minutes(60));
    assert_eq!(zero.periods.item_operations, StdDuration::from_secs(10));
    assert_eq!(zero.profiler_address, None);
}

#[test]
fn an_unknown_controller_is_refused_with_the_nearest_name() {
    let error =
        config(&["--disable-controllers", "schedule", "--disable-controllers=backup-deletoin"]).unwrap_err();
    let text = format!("{error:#} {:?}", error.downcast_ref::<Failure>());
    assert!(text.contains("backup-deletoin") && text.contains("backup-deletion"), "{text}");
    // The one of locations can't be switched off.
    assert!(config(&["--disable-controllers", "backup-storage-location"]).is_err());
    let disabled = config(&[
        "--disable-controllers=schedule",
        "--disable-controllers=gc",
        "--disable-controllers=restore",
    ])
    .unwrap();
    assert_eq!(disabled.disabled_controllers, ["schedule", "gc", "restore"]);
}

#[test]
fn restore_only_stands_for_the_controllers_that_make_or_delete_backups() {
    let config = config(&["--restore-only"]).unwrap();
    assert_eq!(config.disabled_controllers, BACKUP_CONTROLLERS);
}
