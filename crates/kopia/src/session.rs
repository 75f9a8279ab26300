//! Write sessions: a marker blob protects packs that no index names yet from being collected as garbage.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::crypto::random;

/// 2000-01-01T00:00:00Z.
const YEAR_2000: i64 = 946_684_800;
const MONTH: i64 = 30 * 24 * 3600;

/// The first letter of session markers and session IDs.
pub(crate) const PREFIX: &str = "s";

/// The payload of a session marker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionMarker {
    pub(crate) id: String,
    pub(crate) start_time: Timestamp,
    pub(crate) checkpoint_time: Timestamp,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) hostname: String,
}

impl SessionMarker {
    pub(crate) fn is_expired(&self, now: Timestamp, after: SignedDuration) -> bool {
        now.duration_since(self.checkpoint_time) >= after
    }
}

/// A new session ID: random, with the month at the end.
pub(crate) fn new_id(now: Timestamp) -> Result<String> {
    let months = (now.as_second() - YEAR_2000).max(0) / MONTH;
    Ok(format!("{PREFIX}{}{months:x}", hex::encode(random::<8>()?)))
}

/// The session that wrote a pack, from the pack's name.
pub(crate) fn of_pack(pack: &str) -> Option<&str> {
    pack.split_once('-').map(|(_, session)| session).filter(|session| session.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_look_like_those_of_kopia() {
        let id = new_id("2026-11-21T01:41:16Z".parse().unwrap()).unwrap();
        assert_eq!((id.len(), &id[17..]), (20, "147"));
        assert_eq!(of_pack(&format!("p00-{id}")), Some(id.as_str()));
        assert_eq!(of_pack("p00-x"), None);
    }
}
