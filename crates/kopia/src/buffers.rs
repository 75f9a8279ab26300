//! Large buffers that are used again: getting fresh memory from the system costs as much as encrypting it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that wait for their next user.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer, which goes back when it is dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

/// More of them than this are not kept.
const KEPT: usize = 4;

impl Buffers {
    /// One that waits, or a new one; empty.
    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let mut buffer = self.take_used();
        buffer.clear();
        buffer
    }

    /// As [`Buffers::take`], with what its last user left in it, for those who write over it: clearing and filling take time.
    pub(crate) fn take_used(self: &Arc<Self>) -> Buffer {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { bytes: waiting.unwrap_or_default(), home: self.clone() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut waiting = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < KEPT {
            waiting.push(bytes);
        }
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
}
