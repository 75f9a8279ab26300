use jiff::Timestamp;

use super::{Cron, CronError};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `testdata/cron.tsv`: expressions and times with what robfig/cron 3.0.1 says: the next time, `never`, or an error.
#[test]
fn expressions_mean_what_they_mean_in_go() {
    let table = include_str!("../../../testdata/cron.tsv");
    let mut wrong = Vec::new();
    for line in table.lines() {
        let mut cells = line.rsplitn(3, '\t');
        let (expected, after, text) =
            (cells.next().unwrap(), time(cells.next().unwrap()), cells.next().unwrap());
        let said = match Cron::parse(text) {
            Ok(cron) => cron.next(after).map_or_else(|| "never".to_owned(), |next| next.to_string()),
            Err(CronError::Invalid(problem)) => format!("error: {problem}"),
            Err(CronError::Empty) => "error: empty spec string".to_owned(),
        };
        if said != expected {
            wrong.push(format!("{text} after {after}: {said}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(table.lines().count() > 700);
}

#[test]
fn a_day_that_a_zone_left_out_does_not_hang() {
    for text in ["CRON_TZ=Pacific/Apia */15 23 * * fri-sat", "CRON_TZ=Pacific/Apia 15 3 * * 0"] {
        let cron = Cron::parse(text).unwrap();
        let _ = cron.next(time("2011-12-29T19:09:00Z"));
        assert!(cron.next(time("2026-11-21T00:00:00Z")).is_some());
    }
}

#[test]
fn a_zone_alone_is_an_error() {
    let error = Cron::parse("CRON_TZ=UTC").unwrap_err();
    assert_eq!(error.to_string(), "invalid schedule: expected exactly 5 fields, found 0: []");
    assert_eq!(Cron::parse("").unwrap_err(), CronError::Empty);
}

#[test]
fn the_zone_of_the_server_counts_without_another() {
    let berlin = || jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let next = |text| Cron::parse_in(text, berlin()).unwrap().next(time("2026-07-01T00:00:00Z")).unwrap();
    assert_eq!(next("0 3 * * *"), time("2026-07-01T01:00:00Z"));
    assert_eq!(next("TZ=Local 0 3 * * *"), time("2026-07-01T01:00:00Z"));
    assert_eq!(next("CRON_TZ=UTC 0 3 * * *"), time("2026-07-01T03:00:00Z"));
}

#[test]
fn intervals_are_from_run_to_run() {
    let hours = |text| Cron::parse(text).unwrap().interval(time("2026-11-21T08:30:00Z")).unwrap().as_hours();
    assert_eq!((hours("@daily"), hours("0 */6 * * *"), hours("@every 90m")), (24, 6, 1));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_panics_and_time_goes_on(
        text in "(CRON_TZ=(Asia/Tehran|Pacific/Apia|UTC) )?[-0-9*/,?a-c@ ]{1,24}|[*0-9/,-]{1,6}( [*1-9/,-]{1,5}){4}|@every [0-9a-z.-]{0,9}",
        second in -9_000_000_000_i64..250_000_000_000,
    ) {
        if let Ok(cron) = Cron::parse(&text) {
            let after = Timestamp::from_second(second).unwrap();
            proptest::prop_assert!(cron.next(after).is_none_or(|next| next > after));
        }
    }
}
