//! The numbers by which the kernel knows files: one for each that it has looked up and not forgotten yet.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kopia::browse::Child;
use kopia::snapshot::DirectoryEntry;

/// The number of the top folder.
pub(super) const ROOT: u64 = 1;

/// What the kernel knows. It forgets when it needs the memory, and then so does this table.
#[derive(Debug)]
pub(super) struct Nodes(Mutex<HashMap<u64, Node>>);

#[derive(Debug)]
struct Node {
    parent: u64,
    name: OsString,
    entry: Arc<DirectoryEntry>,
    lookups: u64,
}

impl Nodes {
    pub(super) fn new(root: DirectoryEntry) -> Self {
        let root = Node { parent: ROOT, name: OsString::new(), entry: Arc::new(root), lookups: 1 };
        Self(Mutex::new([(ROOT, root)].into()))
    }

    /// The entry and the parent of a node.
    pub(super) fn get(&self, number: u64) -> Option<(Arc<DirectoryEntry>, u64)> {
        let nodes = self.lock();
        nodes.get(&number).map(|node| (node.entry.clone(), node.parent))
    }

    /// The number of a child, which the kernel now knows once more.
    pub(super) fn look_up(&self, parent: u64, child: &Child) -> (u64, Arc<DirectoryEntry>) {
        let mut nodes = self.lock();
        let mut number = number(parent, &child.name);
        loop {
            let node = nodes.entry(number).or_insert_with(|| Node {
                parent,
                name: child.name.clone(),
                entry: Arc::new(child.entry.clone()),
                lookups: 0,
            });
            if node.parent == parent && node.name == child.name {
                node.lookups += 1;
                return (number, node.entry.clone());
            }
            // Another file has the same hash.
            number = number.wrapping_add(1).max(ROOT + 1);
        }
    }

    /// The kernel forgot so many look-ups of a node.
    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let mut nodes = self.lock();
        if number != ROOT
            && let Some(node) = nodes.get_mut(&number)
        {
            node.lookups = node.lookups.saturating_sub(lookups);
            if node.lookups == 0 {
                nodes.remove(&number);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Node>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number that a file has, or would have, the same at every listing.
pub(super) fn number(parent: u64, name: &OsStr) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parent, name).hash(&mut hasher);
    hasher.finish().max(ROOT + 1)
}

#[cfg(test)]
mod tests {
    use kopia::snapshot::EntryKind;

    use super::*;

    fn child(name: &str) -> Child {
        Child { name: name.into(), entry: DirectoryEntry::new(name.as_ref(), EntryKind::File) }
    }

    #[test]
    fn nodes_stay_until_the_kernel_forgot_every_look_up() {
        let nodes = Nodes::new(DirectoryEntry::new("root".as_ref(), EntryKind::Directory));
        let (file, entry) = nodes.look_up(ROOT, &child("file"));
        assert_eq!((file, entry.name.as_str()), (number(ROOT, "file".as_ref()), "file"));
        assert_eq!(nodes.look_up(ROOT, &child("file")).0, file);
        nodes.forget(file, 1);
        assert_eq!(nodes.get(file).unwrap().1, ROOT);
        nodes.forget(file, 1);
        assert!(nodes.get(file).is_none());
        nodes.forget(ROOT, 100);
        assert!(nodes.get(ROOT).is_some());
    }

    #[test]
    fn files_whose_hashes_are_equal_have_numbers_of_their_own() {
        let nodes = Nodes::new(DirectoryEntry::new("root".as_ref(), EntryKind::Directory));
        let taken = number(ROOT, "file".as_ref());
        let other = Node { parent: 7, name: "other".into(), entry: nodes.get(ROOT).unwrap().0, lookups: 1 };
        nodes.lock().insert(taken, other);
        let (file, entry) = nodes.look_up(ROOT, &child("file"));
        assert!(file != taken && entry.name == "file");
        assert_eq!(nodes.look_up(ROOT, &child("file")).0, file);
    }
}
