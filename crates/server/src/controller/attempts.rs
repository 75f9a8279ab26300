//! The attempts at a backup or restore. They are kept on the object, so that the next server knows of them.

use bowline_api::ObjectMeta;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many attempts may fail.
pub(super) const LIMIT: u32 = 4;
/// How many are remembered: those that were handed over are no failures, and there may be any number of them.
const KEPT: usize = 12;

/// On a Backup or Restore: the attempts at it, as JSON.
pub const ATTEMPTS_ANNOTATION: &str = "bowline.io/attempts";
const LOST: &str = "its server ended without a word, as by a kill, a lack of memory or the loss of its node";

/// One attempt at a backup or restore.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The server that made it.
    pub server: String,
    /// When it began.
    pub began: Timestamp,
    /// Why it came to no end; nothing while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Its server was told to stop, which is nobody's fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
}

/// The attempts that an object tells of, the first one first.
pub fn attempts(meta: &ObjectMeta) -> Vec<Attempt> {
    let text = meta.annotations.as_ref().and_then(|annotations| annotations.get(ATTEMPTS_ANNOTATION));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn write(meta: &mut ObjectMeta, attempts: &[Attempt]) {
    let kept = &attempts[attempts.len().saturating_sub(KEPT)..];
    let text = serde_json::to_string(kept).expect("plain values are JSON");
    meta.annotations.get_or_insert_default().insert(ATTEMPTS_ANNOTATION.into(), text);
}

/// A server begins another one. One that has no end yet has lost its server.
pub(super) fn begin(meta: &mut ObjectMeta, server: &str, now: Timestamp) {
    let mut attempts = attempts(meta);
    for lost in attempts.iter_mut().filter(|attempt| attempt.ended.is_none()) {
        lost.ended = Some(LOST.to_owned());
    }
    attempts.push(Attempt { server: server.to_owned(), began: now, ended: None, handed_over: false });
    write(meta, &attempts);
}

/// The last one has come to no good end, and why.
pub(super) fn end(meta: &mut ObjectMeta, reason: &str) {
    close(meta, reason, false);
}

/// The last one is left to the next server.
pub(super) fn hand_over(meta: &mut ObjectMeta) {
    close(meta, "its server was told to stop", true);
}

fn close(meta: &mut ObjectMeta, reason: &str, handed_over: bool) {
    let mut attempts = attempts(meta);
    let Some(last) = attempts.last_mut() else { return };
    last.ended = Some(reason.to_owned());
    last.handed_over = handed_over;
    write(meta, &attempts);
}

/// How many have failed or go on.
pub(super) fn count(meta: &ObjectMeta) -> u32 {
    attempts(meta).iter().filter(|attempt| !attempt.handed_over).count() as u32
}

/// Whether another one would be one too many.
pub(super) fn used_up(meta: &ObjectMeta) -> bool {
    count(meta) >= LIMIT
}

/// Whether there was one before the last.
pub(super) fn is_repeated(meta: &ObjectMeta) -> bool {
    attempts(meta).len() > 1
}

/// Whether both know the same last attempt: nobody else has begun one since.
pub(super) fn is_same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    let last = |meta| attempts(meta).pop().map(|attempt| (attempt.server, attempt.began));
    last(a) == last(b)
}

/// Why it is given up: what became of each attempt.
pub(super) fn exhausted(what: &str, meta: &ObjectMeta) -> String {
    let attempts = attempts(meta);
    let reasons =
        attempts.iter().filter(|attempt| !attempt.handed_over).enumerate().map(|(number, attempt)| {
            let reason = attempt.ended.as_deref().unwrap_or(LOST);
            format!("attempt {} of {} on {}: {reason}", number + 1, attempt.began, attempt.server)
        });
    format!(
        "the {what} was begun {LIMIT} times and came to no end; {}",
        reasons.collect::<Vec<_>>().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_failed_attempt_counts_and_is_named_at_the_end() {
        let mut meta = ObjectMeta::default();
        begin(&mut meta, "a", at(0));
        begin(&mut meta, "b", at(1));
        end(&mut meta, "the bucket was gone");
        begin(&mut meta, "c", at(2));
        assert!(!used_up(&meta));
        begin(&mut meta, "d", at(3));
        assert!(used_up(&meta));
        let reason = exhausted("backup", &meta);
        for part in
            ["on a: its server ended", "on b: the bucket was gone", "on c: its server", "on d: its server"]
        {
            assert!(reason.contains(part), "{part}: {reason}");
        }
    }

    #[test]
    fn clean_stops_are_nobodys_fault() {
        let mut meta = ObjectMeta::default();
        for second in 0..20 {
            begin(&mut meta, "a", at(second));
            hand_over(&mut meta);
        }
        assert!(!used_up(&meta) && attempts(&meta).len() == KEPT);
    }

    #[test]
    fn another_attempt_is_told_from_the_own_one() {
        let mut ours = ObjectMeta::default();
        begin(&mut ours, "a", at(0));
        let mut live = ours.clone();
        live.labels = Some([("a".to_owned(), "b".to_owned())].into());
        assert!(is_same(&ours, &live) && !is_repeated(&live));
        begin(&mut live, "b", at(9));
        assert!(!is_same(&ours, &live) && is_repeated(&live));
    }
}
