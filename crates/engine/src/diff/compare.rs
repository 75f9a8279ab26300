//! Two spools side by side: kinds, namespaces and names are sorted in both, so one walk over both finds every difference.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bowline_api::resource::ObjectKey;

use super::fields::field_changes;
use super::normal::normal;
use super::{Diff, DiffError, DiffOptions, Difference, What};
use crate::archive::spool::{EntryId, Group, Spool};
use crate::catalog::GroupResource;

/// Compares a backup's archive with a later state.
pub fn compare(backup: &Spool, other: &Spool, options: &DiffOptions) -> Result<Diff, DiffError> {
    let mut walk = Walk { backup, other, options, diff: Diff::default() };
    let resources: BTreeSet<_> = backup.resources().chain(other.resources()).cloned().collect();
    for resource in resources {
        walk.resource(&resource)?;
    }
    Ok(walk.diff)
}

struct Walk<'a> {
    backup: &'a Spool,
    other: &'a Spool,
    options: &'a DiffOptions,
    diff: Diff,
}

impl Walk<'_> {
    fn resource(&mut self, resource: &GroupResource) -> Result<(), DiffError> {
        let before = by_namespace(self.backup, resource);
        let after = by_namespace(self.other, resource);
        let first = before.values().flat_map(Group::entries).next().map(|entry| self.backup.load(entry));
        let first = first.or_else(|| Some(self.other.load(after.values().flat_map(Group::entries).next()?)));
        let Some(first) = first.transpose()? else { return Ok(()) };
        if !self.options.only.wants_resource(resource, &first.head().kind) {
            return Ok(());
        }
        let namespaces: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        for namespace in namespaces {
            if self.options.only.wants_namespace(namespace.as_deref()) {
                let (before, after) = (before.get(&namespace), after.get(&namespace));
                self.namespace(resource, namespace.as_deref(), (entries(before), entries(after)))?;
            }
        }
        Ok(())
    }

    /// Merges two lists that are sorted by name.
    fn namespace(
        &mut self,
        resource: &GroupResource,
        namespace: Option<&str>,
        (before, after): (Vec<EntryId>, Vec<EntryId>),
    ) -> Result<(), DiffError> {
        let (mut before, mut after) = (before.as_slice(), after.as_slice());
        let (backup, other) = (self.backup, self.other);
        loop {
            let order = match (before.first(), after.first()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => backup.name(*left).cmp(other.name(*right)),
            };
            let left = (order != Ordering::Greater).then(|| step(&mut before)).flatten();
            let right = (order != Ordering::Less).then(|| step(&mut after)).flatten();
            let name = left.map(|entry| backup.name(entry)).or(right.map(|entry| other.name(entry)));
            let key = ObjectKey {
                namespace: namespace.map(ToOwned::to_owned),
                name: name.unwrap_or_default().to_owned(),
            };
            if self.options.only.wants_name(&key.name) {
                self.object(resource, key, left, right)?;
            }
        }
    }

    fn object(
        &mut self,
        resource: &GroupResource,
        key: ObjectKey,
        before: Option<EntryId>,
        after: Option<EntryId>,
    ) -> Result<(), DiffError> {
        let change = match (before, after) {
            (Some(_), None) => What::Removed,
            (None, _) => What::Added,
            (Some(_), Some(_)) => What::Changed,
        };
        let mut fields = Vec::new();
        if let (Some(before), Some(after)) = (before, after) {
            let (before, after) = (self.backup.load(before)?, self.other.load(after)?);
            let status = self.options.status;
            let same = before.raw() == after.raw();
            let trees = if same { None } else { Some((normal(&before, status)?, normal(&after, status)?)) };
            match trees.filter(|(before, after)| before != after) {
                None => {
                    self.diff.add_equal(resource);
                    return Ok(());
                }
                Some((before, after)) if self.options.fields => fields = field_changes(&before, &after),
                Some(_) => {}
            }
        }
        self.diff.add(Difference { resource: resource.clone(), key, change, fields });
        Ok(())
    }
}

fn by_namespace(spool: &Spool, resource: &GroupResource) -> BTreeMap<Option<String>, Group> {
    spool.groups(resource).map(|group| (spool.namespace(&group).map(ToOwned::to_owned), group)).collect()
}

fn entries(group: Option<&Group>) -> Vec<EntryId> {
    group.map(|group| group.entries().collect()).unwrap_or_default()
}

fn step(rest: &mut &[EntryId]) -> Option<EntryId> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}
