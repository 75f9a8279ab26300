//! The names of packs, each in memory once however many indexes have it: a repository of a hundred thousand packs has
//! them in dozens.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Names that indexes share.
#[derive(Debug, Default)]
pub(crate) struct PackNames(Mutex<HashSet<Arc<str>>>);

impl PackNames {
    /// The one that is known already, or a new one.
    pub(super) fn share(&self, name: &str) -> Arc<str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        known.insert(shared.clone());
        shared
    }

    /// Forgets what no index has any more.
    pub(crate) fn forget_unused(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name| Arc::strong_count(name) > 1);
        known.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shared_until_nobody_has_it() {
        let names = PackNames::default();
        let (first, second) = (names.share("p1"), names.share("p1"));
        assert!(Arc::ptr_eq(&first, &second));
        drop(names.share("p2"));
        names.forget_unused();
        assert_eq!(names.0.lock().unwrap().len(), 1);
    }
}
