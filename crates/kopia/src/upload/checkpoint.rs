//! Saving what is there of a long upload now and then, so that the next one after a crash need not store it again.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Uploaded;
use super::jobs::Shared;
use super::tree::Node;
use crate::snapshot::Snapshot;
use crate::{Result, Writer};

/// Why a checkpoint is not whole, in Kopia's words.
pub const CHECKPOINT: &str = "checkpoint";

/// When to save, and how.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// Time between two. Kopia's is 45 minutes.
    pub every: Duration,
    /// What saves one.
    pub save: Arc<dyn SaveCheckpoint>,
}

/// Makes what is there of an upload durable.
pub trait SaveCheckpoint: Debug + Send + Sync {
    /// Called on a blocking thread while the upload goes on. The tree has what was stored so far, and says that it is
    /// incomplete.
    ///
    /// # Errors
    /// These end the upload.
    fn save(&self, so_far: Uploaded) -> Result<()>;
}

/// Saves checkpoints as incomplete snapshots, each in the place of the one before.
#[derive(Debug)]
pub struct SnapshotCheckpoints {
    writer: Arc<Writer>,
    snapshot: Snapshot,
    last: Mutex<Option<String>>,
}

impl SnapshotCheckpoints {
    /// `snapshot` gives source and tags; root, times and counters are those of the moment.
    pub fn new(writer: Arc<Writer>, snapshot: Snapshot) -> Self {
        Self { writer, snapshot, last: Mutex::default() }
    }

    /// Takes the last checkpoint away with the next flush of the writer, when the whole snapshot is there.
    pub fn discard(&self) {
        if let Some(id) = self.last.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.writer.delete_manifest(&id);
        }
    }
}

impl SaveCheckpoint for SnapshotCheckpoints {
    fn save(&self, so_far: Uploaded) -> Result<()> {
        let snapshot = Snapshot {
            start_time: so_far.started,
            end_time: so_far.ended,
            stats: so_far.stats,
            incomplete: Some(CHECKPOINT.to_owned()),
            root_entry: Some(so_far.root),
            description: String::new(),
            pins: Vec::new(),
            ..self.snapshot.clone()
        };
        self.discard();
        let id = self.writer.put_snapshot(&snapshot)?;
        self.writer.contents().block_on(self.writer.flush())?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(())
    }
}

/// Saves checkpoints, if they are wanted, until the upload ends.
pub(super) fn save_now_and_then(shared: &Shared<'_>, root: &Node) {
    let Some(checkpoints) = &shared.options.checkpoints else { return };
    while shared.is_working_after(checkpoints.every) {
        let saved = root.store_unfinished(shared, CHECKPOINT).and_then(|entry| match entry {
            Some(entry) => checkpoints.save.save(shared.uploaded(entry)),
            None => Ok(()),
        });
        if let Err(error) = saved {
            return shared.fail(error);
        }
    }
}
