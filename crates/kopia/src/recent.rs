//! The values that were used last, each got once however many ask for it at the same time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::Result;

/// A small cache. What it forgets stays with those who have it.
pub(crate) struct Recent<K, V> {
    capacity: usize,
    cells: Mutex<VecDeque<(K, Arc<OnceCell<V>>)>>,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, cells: Mutex::default() }
    }

    /// The value of `key`, which becomes the most recent one. A failure is not remembered.
    pub(crate) async fn get<F>(&self, key: K, read: impl FnOnce() -> F) -> Result<V>
    where
        F: Future<Output = Result<V>>,
    {
        let cell = self.cell(key);
        cell.get_or_try_init(read).await.cloned()
    }

    fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = match cells.iter().position(|(known, _)| *known == key) {
            Some(index) => cells.remove(index).map(|(_, cell)| cell).unwrap_or_default(),
            None => Arc::default(),
        };
        cells.push_back((key, cell.clone()));
        if cells.len() > self.capacity {
            cells.pop_front();
        }
        cell
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::Error;

    #[tokio::test]
    async fn the_last_used_values_are_kept_and_failures_are_not() {
        let (recent, reads) = (Recent::new(2), AtomicU32::new(0));
        let get = async |key: u32| {
            let read = || async {
                reads.fetch_add(1, Ordering::Relaxed);
                if key == 9 { Err(Error::Worker) } else { Ok(key * 10) }
            };
            recent.get(key, read).await
        };
        for (key, read) in [(1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (2, 4)] {
            assert_eq!(get(key).await.unwrap(), key * 10);
            assert_eq!(reads.load(Ordering::Relaxed), read, "{key}");
        }
        assert!(get(9).await.is_err() && get(9).await.is_err());
        assert_eq!(reads.load(Ordering::Relaxed), 6);
    }
}
