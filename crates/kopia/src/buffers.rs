//! Large buffers that are used again: getting fresh memory from the system costs as much as encrypting it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that wait for their next user.
pub(crate) struct Buffers {
    waiting: Mutex<Vec<Vec<u8>>>,
    kept: usize,
}

/// A buffer, which goes back when it is dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

/// More of them than this are not kept, unless said otherwise.
const KEPT: usize = 4;
/// The bytes that processors copy at once, when source and target lie alike.
const LINE: usize = 64;

impl Default for Buffers {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Buffers {
    /// Buffers of which at most `kept` wait.
    pub(crate) fn keeping(kept: usize) -> Self {
        Self { waiting: Mutex::default(), kept }
    }

    /// One that waits, or a new one; empty.
    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let mut buffer = self.take_used();
        buffer.clear();
        buffer
    }

    /// As [`Buffers::take`], with what its last user left in it, for those who write over it: clearing and filling take time.
    pub(crate) fn take_used(self: &Arc<Self>) -> Buffer {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { bytes: waiting.unwrap_or_default(), home: self.clone() }
    }

    /// One of `length` bytes with anything in them, that takes at most twice the memory. Where none fits, a new one comes in the
    /// place of one that waits, so that those of other lengths don't pile up.
    pub(crate) fn take_of(self: &Arc<Self>, length: usize) -> Buffer {
        let fits = |buffer: &Vec<u8>| (length..=2 * length).contains(&buffer.capacity());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().position(fits).map(|at| waiting.swap_remove(at));
        let in_its_place = if found.is_none() { waiting.pop() } else { None };
        drop(waiting);
        drop(in_its_place);
        let mut bytes = found.unwrap_or_else(|| vec![0; length]);
        bytes.resize(length, 0);
        Buffer { bytes, home: self.clone() }
    }
}

impl Buffer {
    /// `length` bytes of the buffer, with anything in them, that lie in memory as bytes at `place` of a file lie in the page
    /// cache: copies between the two are faster then.
    pub(crate) fn placed(&mut self, place: u64, length: usize) -> &mut [u8] {
        if self.bytes.len() < length + LINE {
            self.bytes.resize(length + LINE, 0);
        }
        let skew = (place as usize).wrapping_sub(self.bytes.as_ptr() as usize) % LINE;
        &mut self.bytes[skew..skew + length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut waiting = self.home.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < self.home.kept {
            waiting.push(bytes);
        }
    }
}

/// What is in them is nobody's business.
impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("length", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_but_large() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.take();
        first.extend_from_slice(&[1; 5000]);
        let shared = bytes::Bytes::from_owner(first);
        assert_eq!(shared.len(), 5000);
        drop(shared);
        assert_eq!(buffers.take_used().len(), 5000);
        let second = buffers.take();
        assert!(second.is_empty() && second.capacity() >= 5000);
        assert_eq!(buffers.take().capacity(), 0);
    }

    #[test]
    fn a_small_read_does_not_hold_a_large_buffer() {
        let buffers = Arc::new(Buffers::keeping(1));
        drop((buffers.take_of(8000), buffers.take_of(8000)));
        let again = buffers.take_of(5000);
        assert!(again.len() == 5000 && again.capacity() >= 8000);
        assert!(buffers.take_of(5000).capacity() < 8000, "one was kept");
        drop(again);
        assert_eq!(format!("{buffers:?}"), "Buffers { kept: 1, .. }");
        let small = buffers.take_of(3000);
        assert!(
            small.capacity() < 8000 && buffers.take_of(5000).capacity() < 8000,
            "the small one took its place"
        );
    }

    #[test]
    fn placed_bytes_lie_as_in_a_file() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take();
        for (place, length) in [(0, 100), (4097, 5000), (u64::MAX, 1), (63, 0)] {
            let bytes = buffer.placed(place, length);
            assert_eq!((bytes.len(), bytes.as_ptr() as usize % LINE), (length, place as usize % LINE));
        }
    }
}
