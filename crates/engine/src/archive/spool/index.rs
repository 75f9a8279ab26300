//! Where each object of a spool is: a sorted table of fixed-size rows over one string of names.

use std::ops::Range;

use crate::action::ItemId;
use crate::archive::path::Copy;
use crate::catalog::GroupResource;

/// Number of an object in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(u32);

impl EntryId {
    /// The number, below the count of entries.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// The objects of one kind in one namespace, or the cluster-scoped ones of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    rows: Range<u32>,
}

impl Group {
    /// The entries, sorted by name.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = EntryId> + use<> {
        let rows = self.rows.clone();
        (rows.start as usize..rows.end as usize).map(|row| EntryId(row as u32))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// One row. `copy` is 0 for the plain copy, else 1 + index into `versions`.
#[derive(Clone, Copy, Debug)]
struct Row {
    resource: u32,
    namespace: u32,
    copy: u32,
    name: (u32, u16),
    length: u32,
    offset: u64,
}

/// Words that occur often, each stored once. Number 0 is the empty word.
#[derive(Debug, Default)]
struct Words(Vec<String>);

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        // An archive goes kind by kind and namespace by namespace, so the wanted word is nearly always among the last.
        if let Some(at) = self.0.iter().rposition(|have| have == word) {
            return at as u32;
        }
        self.0.push(word.to_owned());
        (self.0.len() - 1) as u32
    }
}

/// A sorted index.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: Vec<Row>,
    names: String,
    resources: Vec<GroupResource>,
    namespaces: Vec<Option<String>>,
    versions: Vec<String>,
    /// Per resource: the preferred version of the source cluster, as a number of `versions`.
    preferred: Vec<(u32, u32)>,
}

/// An index in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    rows: Vec<Row>,
    names: String,
    resources: Words,
    namespaces: Words,
    versions: Words,
    preferred: Vec<(u32, u32)>,
}

impl Builder {
    /// Whether the plain copy of this object is the entry that was added last.
    pub(super) fn has_just_added(&self, item: &ItemId) -> bool {
        self.rows.last().is_some_and(|row| {
            row.copy == 0
                && text(&self.names, row) == item.name
                && self.resources.0[row.resource as usize] == item.resource.to_string()
                && self.namespaces.0[row.namespace as usize] == item.namespace.as_deref().unwrap_or_default()
        })
    }

    /// Remembers which version of a kind the source cluster preferred.
    pub(super) fn prefer(&mut self, item: &ItemId, version: &str) {
        let pair = (self.resources.number(&item.resource.to_string()), self.versions.number(version));
        if !self.preferred.contains(&pair) {
            self.preferred.push(pair);
        }
    }

    /// Adds an object. `false` when the index is full.
    #[must_use]
    pub(super) fn add(&mut self, item: &ItemId, copy: &Copy, offset: u64, length: usize) -> bool {
        let (Ok(start), Ok(name_length), Ok(length)) =
            (u32::try_from(self.names.len()), u16::try_from(item.name.len()), u32::try_from(length))
        else {
            return false;
        };
        let copy = match copy {
            Copy::Plain => 0,
            Copy::Preferred(version) | Copy::Version(version) => 1 + self.versions.number(version),
        };
        self.names.push_str(&item.name);
        self.rows.push(Row {
            resource: self.resources.number(&item.resource.to_string()),
            namespace: self.namespaces.number(item.namespace.as_deref().unwrap_or_default()),
            copy,
            name: (start, name_length),
            length,
            offset,
        });
        u32::try_from(self.rows.len()).is_ok()
    }

    /// Sorts. Of several entries for one copy of an object the last one counts, as when a tar is extracted.
    pub(super) fn finish(self) -> Index {
        let Self { mut rows, names, resources, namespaces, versions, mut preferred } = self;
        let resource_order = ranks(&resources.0);
        let namespace_order = ranks(&namespaces.0);
        for row in &mut rows {
            row.resource = resource_order[row.resource as usize];
            row.namespace = namespace_order[row.namespace as usize];
        }
        for (resource, _) in &mut preferred {
            *resource = resource_order[*resource as usize];
        }
        let order = |a: &Row, b: &Row| {
            (a.resource, a.copy, a.namespace, text(&names, a)).cmp(&(
                b.resource,
                b.copy,
                b.namespace,
                text(&names, b),
            ))
        };
        rows.sort_by(|a, b| order(a, b).then(b.offset.cmp(&a.offset)));
        rows.dedup_by(|later, first| order(later, first).is_eq());
        rows.shrink_to_fit();
        Index {
            rows,
            resources: sorted(resources.0).iter().map(|name| GroupResource::from(name.as_str())).collect(),
            namespaces: sorted(namespaces.0)
                .into_iter()
                .map(|name| Some(name).filter(|name| !name.is_empty()))
                .collect(),
            names,
            versions: versions.0,
            preferred,
        }
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &GroupResource> {
        self.resources.iter()
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().filter_map(Option::as_deref)
    }

    pub(super) fn groups(&self, resource: &GroupResource) -> impl Iterator<Item = Group> {
        let mut rest = self
            .resource_number(resource)
            .map_or(0..0, |number| self.range(|row| (row.resource, row.copy), &(number, 0)));
        std::iter::from_fn(move || {
            let first = self.rows[rest.clone()].first()?.namespace;
            let length = self.rows[rest.clone()].partition_point(|row| row.namespace == first);
            let group = Group { rows: rest.start as u32..(rest.start + length) as u32 };
            rest.start += length;
            Some(group)
        })
    }

    pub(super) fn namespace(&self, group: &Group) -> Option<&str> {
        let row = self.rows.get(group.rows.start as usize)?;
        self.namespaces[row.namespace as usize].as_deref()
    }

    pub(super) fn id(&self, entry: EntryId) -> ItemId {
        let row = &self.rows[entry.position()];
        ItemId {
            resource: self.resources[row.resource as usize].clone(),
            namespace: self.namespaces[row.namespace as usize].clone(),
            name: text(&self.names, row).to_owned(),
        }
    }

    pub(super) fn name(&self, entry: EntryId) -> &str {
        text(&self.names, &self.rows[entry.position()])
    }

    pub(super) fn place(&self, entry: EntryId) -> (u64, usize) {
        let row = &self.rows[entry.position()];
        (row.offset, row.length as usize)
    }

    pub(super) fn find(&self, item: &ItemId) -> Option<EntryId> {
        self.find_copy(item, 0)
    }

    pub(super) fn find_in(&self, group: &Group, name: &str) -> Option<EntryId> {
        let rows = &self.rows[group.rows.start as usize..group.rows.end as usize];
        let at = rows.binary_search_by(|row| text(&self.names, row).cmp(name)).ok()?;
        Some(EntryId(group.rows.start + at as u32))
    }

    pub(super) fn versions(&self, resource: &GroupResource) -> Vec<&str> {
        let Some(number) = self.resource_number(resource) else { return Vec::new() };
        let preferred =
            self.preferred.iter().filter(|(resource, _)| *resource == number).map(|(_, version)| *version);
        let stored = self.rows[self.range(|row| (row.resource, 0), &(number, 0))]
            .iter()
            .filter(|row| row.copy > 0)
            .map(|row| row.copy - 1);
        let mut versions = Vec::new();
        for version in preferred.chain(stored) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions.into_iter().map(|version| self.versions[version as usize].as_str()).collect()
    }

    pub(super) fn find_version(&self, item: &ItemId, version: &str) -> Option<EntryId> {
        let number = self.versions.iter().position(|have| have == version)? as u32;
        self.find_copy(item, 1 + number)
    }

    fn find_copy(&self, item: &ItemId, copy: u32) -> Option<EntryId> {
        let resource = self.resource_number(&item.resource)?;
        let namespace = self.namespaces.binary_search(&item.namespace).ok()? as u32;
        let key = (resource, copy, namespace, item.name.as_str());
        let at = self
            .rows
            .binary_search_by(|row| (row.resource, row.copy, row.namespace, text(&self.names, row)).cmp(&key))
            .ok()?;
        Some(EntryId(at as u32))
    }

    fn resource_number(&self, resource: &GroupResource) -> Option<u32> {
        self.resources.iter().position(|have| have == resource).map(|number| number as u32)
    }

    /// The rows whose key is `wanted`; rows must be sorted by that key.
    fn range<K: Ord>(&self, key: impl Fn(&Row) -> K, wanted: &K) -> Range<usize> {
        let start = self.rows.partition_point(|row| key(row) < *wanted);
        let end = self.rows.partition_point(|row| key(row) <= *wanted);
        start..end
    }
}

fn text<'a>(names: &'a str, row: &Row) -> &'a str {
    let start = row.name.0 as usize;
    &names[start..start + usize::from(row.name.1)]
}

/// The place of each word in sorted order.
fn ranks(words: &[String]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..words.len()).collect();
    order.sort_by_key(|at| &words[*at]);
    let mut ranks = vec![0; words.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at] = rank as u32;
    }
    ranks
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}
