//! The compact set of what was taken into the archive: 16 bytes an object, however long its name.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers objects by a 128-bit hash with random keys, so that no two of even a billion objects are mistaken for each other.
#[derive(Debug, Default)]
pub(super) struct Written {
    low: RandomState,
    high: RandomState,
    set: Mutex<HashSet<u128>>,
}

impl Written {
    /// The hash of an object. `version` keeps the versions of an object apart; empty for the preferred one.
    pub(super) fn key(&self, resource: &str, version: &str, namespace: Option<&str>, name: &str) -> u128 {
        let identity = (resource, version, namespace, name);
        u128::from(hash(&self.low, &identity)) | u128::from(hash(&self.high, &identity)) << 64
    }

    /// Takes an object; false when it is taken already.
    pub(super) fn claim(&self, key: u128) -> bool {
        self.lock().insert(key)
    }

    /// Gives an object back that could not be taken after all.
    pub(super) fn release(&self, key: u128) {
        self.lock().remove(&key);
    }

    /// Whether an object is taken.
    pub(super) fn has(&self, key: u128) -> bool {
        self.lock().contains(&key)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u128>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(state: &RandomState, identity: &impl Hash) -> u64 {
    state.hash_one(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_taken_once() {
        let written = Written::default();
        let identities = [
            ("pods", "", Some("a"), "b"),
            ("pods", "", Some("ab"), ""),
            ("pods", "", None, "b"),
            ("pods", "v1beta1", Some("a"), "b"),
        ];
        for (resource, version, namespace, name) in identities {
            let key = written.key(resource, version, namespace, name);
            assert!(!written.has(key) && written.claim(key) && written.has(key) && !written.claim(key));
            written.release(key);
            assert!(written.claim(key));
        }
    }
}
