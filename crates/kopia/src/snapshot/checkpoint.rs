//! Checkpoints: incomplete snapshots that a long upload leaves behind now and then, so that one that breaks off need not
//! begin anew, and so that garbage collection sees what the upload relies on.

use jiff::{SignedDuration, Timestamp};

use super::{Snapshot, Source, list};
use crate::Result;
use crate::manifest::Manifests;
use crate::writer::Writer;

/// Why a checkpoint is not whole.
pub const CHECKPOINT: &str = "checkpoint";

/// Uploads leave a checkpoint this often, as Kopia's do.
pub const CHECKPOINT_INTERVAL: SignedDuration = SignedDuration::from_mins(45);

/// Incomplete snapshots that are younger than this, as seen from the latest one, stay …
const KEEP_AGE: SignedDuration = SignedDuration::from_hours(4);
/// … and so many of the latest.
const KEEP_COUNT: usize = 3;

impl Writer {
    /// Adds a checkpoint of an upload that goes on, and answers its ID. `so_far` is what the finished snapshot would be now;
    /// as with Kopia a checkpoint has neither description nor tags nor pins.
    ///
    /// # Errors
    /// As [`Writer::put_manifest`].
    pub fn put_checkpoint(&self, so_far: &Snapshot) -> Result<String> {
        self.put_snapshot(&Snapshot {
            description: String::new(),
            incomplete: Some(CHECKPOINT.into()),
            tags: [].into(),
            pins: Vec::new(),
            ..so_far.clone()
        })
    }

    /// Removes the incomplete snapshots of a source that are of no more use, by Kopia's rules: those before the latest
    /// complete snapshot, and of the others those that are old and many. `finished` is the start of a snapshot that this
    /// session put. Answers their number.
    ///
    /// # Errors
    /// As [`list`].
    pub fn delete_outdated_checkpoints(
        &self,
        manifests: &Manifests,
        source: &Source,
        finished: Option<Timestamp>,
    ) -> Result<usize> {
        let outdated = outdated(list(manifests, Some(source))?, finished);
        for id in &outdated {
            self.delete_manifest(id);
        }
        Ok(outdated.len())
    }
}

/// `snapshots` are ordered by their start.
fn outdated(snapshots: Vec<Snapshot>, finished: Option<Timestamp>) -> Vec<String> {
    let complete = snapshots.iter().filter(|snapshot| snapshot.is_complete());
    let complete = complete.map(|snapshot| snapshot.start_time).chain(finished).max();
    let latest = snapshots.iter().map(|snapshot| snapshot.start_time).max();
    let incomplete = snapshots.into_iter().rev().filter(|snapshot| !snapshot.is_complete());
    let useful = |number: usize, snapshot: &Snapshot| {
        let age = latest.map(|latest| latest.duration_since(snapshot.start_time));
        complete.is_none_or(|complete| snapshot.start_time > complete)
            && (number < KEEP_COUNT || age.is_some_and(|age| age < KEEP_AGE))
    };
    let outdated = incomplete.enumerate().filter(|(number, snapshot)| !useful(*number, snapshot));
    outdated.map(|(_, snapshot)| snapshot.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, hour: i64, complete: bool) -> Snapshot {
        let at = Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap();
        let source = Source { host: "h".into(), user_name: "u".into(), path: "p".into() };
        let json = serde_json::json!({ "id": id, "source": source, "startTime": at, "endTime": at,
            "incomplete": if complete { "" } else { CHECKPOINT } });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn checkpoints_go_when_a_whole_snapshot_follows_or_they_are_old_and_many() {
        let all = || {
            vec![
                snapshot("a", 0, false),
                snapshot("b", 1, true),
                snapshot("c", 2, false),
                snapshot("d", 3, false),
                snapshot("e", 18, false),
                snapshot("f", 19, false),
                snapshot("g", 20, false),
            ]
        };
        assert_eq!(outdated(all(), None), ["d", "c", "a"]);
        assert_eq!(outdated(all()[..4].to_vec(), None), ["a"]);
        let finished = all()[6].start_time;
        assert_eq!(outdated(all(), Some(finished)), ["g", "f", "e", "d", "c", "a"]);
        assert_eq!(outdated(Vec::new(), None), Vec::<String>::new());
    }
}
