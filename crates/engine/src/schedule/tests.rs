use std::collections::BTreeMap;

use bowline_api::backup::BackupPhase;
use jiff::Timestamp;

use super::{Cron, MissedRun, Observed, Options, Step, backup_name, decide, is_underway};

fn time(clock: &str) -> Timestamp {
    format!("2026-11-21T{clock}Z").parse().unwrap()
}

/// An hourly schedule, created at 08:30.
fn hourly() -> Observed {
    Observed {
        key: "velero/hourly".to_owned(),
        paused: false,
        skip_immediately: false,
        created: time("08:30:00"),
        last_backup: None,
        last_skipped: None,
        underway: false,
    }
}

fn step(observed: &Observed, options: &Options, now: &str) -> Step {
    decide(&Cron::parse("@hourly").unwrap(), observed, options, time(now))
}

#[test]
fn runs_follow_the_last_backup_or_skip() {
    let last = |backup: Option<&str>, skipped: Option<&str>| Observed {
        last_backup: backup.map(time),
        last_skipped: skipped.map(time),
        ..hourly()
    };
    let wait = |clock: &str| Step::Wait(time(clock));
    let cases = [
        (hourly(), "08:59:59", wait("09:00:00")),
        (hourly(), "09:00:00", wait("09:00:00")),
        (hourly(), "09:00:01", Step::Run),
        (last(Some("09:00:01"), None), "09:00:02", wait("10:00:00")),
        (last(Some("09:00:01"), None), "23:30:00", Step::Run),
        (last(Some("23:30:00"), None), "23:31:00", Step::Wait("2026-11-22T00:00:00Z".parse().unwrap())),
        (last(Some("09:00:01"), Some("10:10:00")), "10:30:00", wait("11:00:00")),
        (last(Some("12:00:01"), Some("10:10:00")), "12:30:00", wait("13:00:00")),
        (last(None, Some("08:40:00")), "09:30:00", Step::Run),
        (Observed { paused: true, skip_immediately: true, ..hourly() }, "09:30:00", Step::Rest),
        (Observed { skip_immediately: true, ..hourly() }, "09:30:00", Step::SkipOnce),
        (Observed { underway: true, ..hourly() }, "09:30:00", Step::Hold),
        (Observed { underway: true, ..hourly() }, "08:31:00", wait("09:00:00")),
    ];
    for (observed, now, expected) in cases {
        assert_eq!(step(&observed, &Options::default(), now), expected, "{now} {observed:?}");
    }
}

#[test]
fn a_time_that_never_comes_is_never_due() {
    let cron = Cron::parse("0 0 30 2 *").unwrap();
    assert_eq!(decide(&cron, &hourly(), &Options::default(), time("09:30:00")), Step::Never);
}

#[test]
fn late_runs_can_be_left_out() {
    let options = Options { missed_run: MissedRun::Skip, ..Options::default() };
    assert_eq!(step(&hourly(), &options, "09:10:00"), Step::Run);
    assert_eq!(step(&hourly(), &options, "09:10:01"), Step::Miss(time("09:00:00")));
    assert_eq!(
        step(&Observed { underway: true, ..hourly() }, &options, "09:30:00"),
        Step::Miss(time("09:00:00"))
    );
    let missed = Observed { last_skipped: Some(time("09:10:01")), ..hourly() };
    assert_eq!(step(&missed, &options, "09:10:02"), Step::Wait(time("10:00:00")));
}

#[test]
fn jitter_is_fixed_for_a_run_and_bounded() {
    let options = Options { jitter: "10m".parse().unwrap(), ..Options::default() };
    let mut starts = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let observed = Observed { key: name.to_owned(), ..hourly() };
        let Step::Wait(start) = step(&observed, &options, "08:45:00") else { panic!("{name}") };
        assert_eq!(step(&observed, &options, "08:50:00"), Step::Wait(start));
        assert!((time("09:00:00")..=time("09:10:00")).contains(&start));
        starts.push(start);
    }
    starts.dedup();
    assert!(starts.len() > 1);
}

#[test]
fn options_come_from_annotations() {
    let read = |name: &str, value: &str| {
        Options::from_annotations(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    };
    assert_eq!(Options::from_annotations(&BTreeMap::new()), Ok(Options::default()));
    assert_eq!(read(Options::JITTER, "90s").unwrap().jitter.to_string(), "1m30s");
    assert_eq!(read(Options::MISSED_RUN_POLICY, "skip").unwrap().missed_run, MissedRun::Skip);
    for (name, value) in [
        (Options::JITTER, "25h"),
        (Options::JITTER, "-1s"),
        (Options::JITTER, "x"),
        (Options::MISSED_RUN_POLICY, "Skip"),
    ] {
        assert!(
            read(name, value).unwrap_err().to_string().starts_with(&format!("annotation {name}: ")),
            "{value}"
        );
    }
}

#[test]
fn names_carry_the_time_in_utc() {
    assert_eq!(backup_name("nightly", time("08:30:15.9")), "nightly-20261121083015");
}

#[test]
fn backups_in_their_first_phases_hold_the_next() {
    assert!(is_underway(None));
    for (phase, expected) in [
        (BackupPhase::New, true),
        (BackupPhase::Queued, true),
        (BackupPhase::ReadyToStart, true),
        (BackupPhase::InProgress, true),
        (BackupPhase::Finalizing, false),
        (BackupPhase::Completed, false),
    ] {
        assert_eq!(is_underway(Some(&phase)), expected, "{phase:?}");
    }
}
