//! Reading cron expressions. The texts of errors are those of Go's library.

use std::num::IntErrorKind;

use bowline_api::duration::Duration;
use jiff::SignedDuration;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Fields, Rhythm, STAR};

/// What a field may hold.
struct Bounds {
    min: u64,
    max: u64,
    /// Names of the values, from `min`.
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

pub(super) fn expression(text: &str, zone: TimeZone) -> Result<Rhythm, String> {
    let (zone, text) = match text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
        Some(rest) => {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (named_zone(name, zone)?, rest.trim())
        }
        None => (zone, text),
    };
    if text.starts_with('@') {
        return descriptor(text, zone);
    }
    fields(text, zone).map(Rhythm::Fields)
}

/// A zone by its exact name, from the data in the program: the images have no other.
fn named_zone(name: &str, local: TimeZone) -> Result<TimeZone, String> {
    let bad = |reason: &str| format!("provided bad location {name}: {reason}");
    match name {
        "" | "UTC" => return Ok(TimeZone::UTC),
        "Local" => return Ok(local),
        _ if name.split(['/', '\\']).any(|part| part == "..") || name.starts_with(['/', '\\']) => {
            return Err(bad("time: invalid location name"));
        }
        _ => {}
    }
    // Names are files in Go, so upper and lower case differ.
    let zone = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name() == Some(name));
    zone.ok_or_else(|| bad(&format!("unknown time zone {name}")))
}

fn descriptor(text: &str, zone: TimeZone) -> Result<Rhythm, String> {
    let fields_of = |text: &str| fields(text, zone).map(Rhythm::Fields);
    match text {
        "@yearly" | "@annually" => fields_of("0 0 1 1 *"),
        "@monthly" => fields_of("0 0 1 * *"),
        "@weekly" => fields_of("0 0 * * 0"),
        "@daily" | "@midnight" => fields_of("0 0 * * *"),
        "@hourly" => fields_of("0 * * * *"),
        _ => match text.strip_prefix("@every ") {
            Some(duration) => every(text, duration),
            None => Err(format!("unrecognized descriptor: {text}")),
        },
    }
}

/// Whole seconds, at least one.
fn every(text: &str, duration: &str) -> Result<Rhythm, String> {
    let parsed: Duration = duration
        .parse()
        .map_err(|_| format!("failed to parse duration {text}: time: {}", duration_problem(duration)))?;
    Ok(Rhythm::Every(SignedDuration::from_secs((parsed.as_nanos() / 1_000_000_000).max(1))))
}

/// What Go says about a text that is not a duration.
fn duration_problem(text: &str) -> String {
    let is_number = |sign: char| sign == '.' || sign.is_ascii_digit();
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(is_number);
        let number = &rest[..rest.len() - unit.len()];
        if !number.contains(|sign: char| sign.is_ascii_digit()) || number.matches('.').count() > 1 {
            break;
        }
        rest = unit.trim_start_matches(|sign| !is_number(sign));
        let unit = &unit[..unit.len() - rest.len()];
        if unit.is_empty() {
            return format!("missing unit in duration {text:?}");
        }
        if !["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "m", "h"].contains(&unit) {
            return format!("unknown unit {unit:?} in duration {text:?}");
        }
    }
    format!("invalid duration {text:?}")
}

fn fields(text: &str, zone: TimeZone) -> Result<Fields, String> {
    let fields: Vec<_> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields[..] else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    Ok(Fields {
        minutes: field(minutes, &MINUTES)?,
        hours: field(hours, &HOURS)?,
        days: field(days, &DAYS)?,
        months: field(months, &MONTHS)?,
        weekdays: field(weekdays, &WEEKDAYS)?,
        zone,
    })
}

/// A list of ranges; empty places are nothing.
fn field(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let ranges = text.split(',').filter(|range| !range.is_empty());
    ranges.map(|range| bits(range, bounds)).try_fold(0, |all, bits| Ok(all | bits?))
}

/// `*`, `N`, `N-M`, each with or without `/step`.
fn bits(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let (range, steps) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
    let mut ends = range.split('-');
    let low = ends.next().unwrap_or_default();
    let high = ends.next();
    let is_star = low == "*" || low == "?";
    let (start, mut end) = if is_star {
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(low, bounds)?;
        if ends.next().is_some() {
            return Err(format!("too many hyphens: {text}"));
        }
        (start, high.map_or(Ok(start), |high| number_or_name(high, bounds))?)
    };
    let step = match steps {
        None => 1,
        Some(step) if step.contains('/') => return Err(format!("too many slashes: {text}")),
        Some(step) => {
            let step = number(step)?;
            if high.is_none() {
                end = bounds.max;
            }
            step
        }
    };
    check(text, start, end, step, bounds)?;
    let star = if is_star && step == 1 { STAR } else { 0 };
    Ok((start..=end)
        .step_by(usize::try_from(step).unwrap_or(usize::MAX))
        .fold(star, |bits, value| bits | (1 << value)))
}

fn check(
    text: &str,
    start: u64,
    end: u64,
    step: u64,
    Bounds { min, max, .. }: &Bounds,
) -> Result<(), String> {
    if start < *min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
    }
    if end > *max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let named = bounds.names.iter().zip(bounds.min..).find(|(name, _)| text.eq_ignore_ascii_case(name));
    named.map_or_else(|| number(text), |(_, value)| Ok(value))
}

fn number(text: &str) -> Result<u64, String> {
    let number: i64 = text.parse().map_err(|error: std::num::ParseIntError| {
        let problem = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {problem}")
    })?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}
