//! Whose Lease it is: pure rules over what was seen of it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// What one candidate has seen of a Lease.
#[derive(Debug, Default)]
pub(super) struct Sight {
    spec: Option<LeaseSpec>,
    /// When it was first seen in this state.
    since: Option<Instant>,
}

/// What to do about the Lease.
#[derive(Debug, PartialEq)]
pub(super) enum Move {
    /// It is free: write this.
    Take(LeaseSpec),
    /// Somebody has it, at least for this time.
    Wait(Duration),
}

impl Sight {
    /// The holder of what was last seen.
    pub(super) fn holder(&self) -> Option<&str> {
        holder(self.spec.as_ref()).map(String::as_str)
    }

    /// Looks at the Lease as it is now.
    pub(super) fn look(
        &mut self,
        found: Option<&Lease>,
        identity: &str,
        now: Instant,
        wall: Timestamp,
        duration: Duration,
    ) -> Move {
        let spec = found.and_then(|lease| lease.spec.clone());
        if self.since.is_none() || self.spec != spec {
            (self.spec, self.since) = (spec, Some(now));
        }
        let left = self.left(now, duration);
        let mine = self.holder() == Some(identity);
        if self.holder().is_some() && !mine && !left.is_zero() {
            return Move::Wait(left);
        }
        Move::Take(taken(self.spec.as_ref(), identity, wall, duration))
    }

    /// The time that its holder still has, as far as can be told from here.
    fn left(&self, now: Instant, duration: Duration) -> Duration {
        let named = self.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let term =
            named.and_then(|seconds| u64::try_from(seconds).ok()).map_or(duration, Duration::from_secs);
        self.since.map_or(Duration::ZERO, |since| (since + term).saturating_duration_since(now))
    }
}

/// The holder, if there is one.
pub(super) fn holder(spec: Option<&LeaseSpec>) -> Option<&String> {
    spec?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

fn taken(before: Option<&LeaseSpec>, identity: &str, now: Timestamp, duration: Duration) -> LeaseSpec {
    let transitions = before.map_or(0, |spec| {
        let changes = i32::from(holder(Some(spec)).is_none_or(|holder| holder != identity));
        spec.lease_transitions.unwrap_or_default().saturating_add(changes)
    });
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        acquire_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions),
        ..renewed(before, now, duration)
    }
}

/// The spec of its holder at a later time.
pub(super) fn renewed(before: Option<&LeaseSpec>, now: Timestamp, duration: Duration) -> LeaseSpec {
    LeaseSpec {
        lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
        renew_time: Some(MicroTime(now)),
        ..before.cloned().unwrap_or_default()
    }
}

/// The spec without a holder, as client-go leaves it.
pub(super) fn released(before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        acquire_time: Some(MicroTime(now)),
        ..renewed(before, now, Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(15);

    fn lease(holder: &str, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn look(sight: &mut Sight, lease: Option<&Lease>, at: Instant) -> Move {
        sight.look(lease, "me", at, Timestamp::UNIX_EPOCH, TERM)
    }

    #[test]
    fn a_missing_or_released_lease_is_taken_at_once() {
        let now = Instant::now();
        let Move::Take(spec) = look(&mut Sight::default(), None, now) else { panic!("it is free") };
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("me"), Some(0)));
        let Move::Take(spec) = look(&mut Sight::default(), Some(&lease("", 0)), now) else {
            panic!("it is free")
        };
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(4)));
    }

    #[test]
    fn a_silent_holder_loses_it_after_its_whole_term_by_our_clock() {
        let (mut sight, start) = (Sight::default(), Instant::now());
        let seconds = Duration::from_secs;
        assert_eq!(look(&mut sight, Some(&lease("other", 1)), start), Move::Wait(TERM));
        assert_eq!(look(&mut sight, Some(&lease("other", 1)), start + seconds(14)), Move::Wait(seconds(1)));
        // Signs of life start it again, whatever time the holder believes it is.
        assert_eq!(look(&mut sight, Some(&lease("other", -99)), start + seconds(14)), Move::Wait(TERM));
        assert!(matches!(look(&mut sight, Some(&lease("other", -99)), start + seconds(29)), Move::Take(_)));
    }

    #[test]
    fn a_release_names_nobody_and_lasts_a_second() {
        let spec = released(lease("me", 0).spec.as_ref(), Timestamp::UNIX_EPOCH);
        assert_eq!((holder(Some(&spec)), spec.lease_duration_seconds), (None, Some(1)));
        assert_eq!(spec.lease_transitions, Some(3));
    }
}
