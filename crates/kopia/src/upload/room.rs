//! The memory that the large files of an upload share.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::buffers::{Buffer, Buffers};

/// Enough for two of the largest buffers.
const TOTAL: usize = 48 << 20;
/// The longest sleep of a thread that could help others meanwhile.
const NAP: Duration = Duration::from_millis(5);

/// Bytes that may be in memory, and the buffers for them.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<usize>,
    freed: Condvar,
    buffers: Arc<Buffers>,
}

/// A part of the room, until it is dropped.
#[derive(Debug)]
pub(super) struct RoomTaken<'a> {
    room: &'a Room,
    bytes: usize,
    pub(super) buffer: Buffer,
}

impl Room {
    /// `None` while others have too much. Whoever wants more than all of it gets it alone.
    pub(super) fn take(&self, bytes: usize) -> Option<RoomTaken<'_>> {
        let bytes = bytes.min(TOTAL);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken + bytes > TOTAL {
            return None;
        }
        *taken += bytes;
        drop(taken);
        Some(RoomTaken { room: self, bytes, buffer: self.buffers.take() })
    }

    /// Sleeps until room is freed, or a moment.
    pub(super) fn wait(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.freed.wait_timeout(taken, NAP));
    }
}

impl Drop for RoomTaken<'_> {
    fn drop(&mut self) {
        *self.room.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_and_the_greedy_get_all_of_it() {
        let room = Room::default();
        let first = room.take(TOTAL / 2);
        let second = room.take(TOTAL / 2);
        assert!(first.is_some() && second.is_some() && room.take(1).is_none());
        drop((first, second));
        assert!(room.take(usize::MAX).is_some());
    }
}
