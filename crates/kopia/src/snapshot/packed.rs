//! Many directory entries in little memory. A folder may have millions, and all of them wait for the last: as structures
//! they take some 300 bytes each, here about 60.

use std::fmt;

use jiff::Timestamp;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::directory::{DirectoryEntry, Entries, EntryKind, FileMode};
use super::summary::Summary;
use crate::object::ObjectId;
use crate::varint;

/// Bytes after which a new piece of memory begins: one that grows would be there twice.
const CHUNK: usize = 64 << 10;
/// The entry is kept as JSON, as it has something rare.
const RARE: u8 = 4;
const WITH_SUMMARY: u8 = 8;
const KINDS: [EntryKind; 4] = [EntryKind::File, EntryKind::Directory, EntryKind::Symlink, EntryKind::Other];

/// Entries, each in the fewest bytes, and where they are.
#[derive(Clone, Default)]
pub(crate) struct PackedEntries {
    chunks: Vec<Vec<u8>>,
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    chunk: u32,
    start: u32,
    length: u32,
}

/// What entries are sorted by: folders first, then by name.
type Key<'a> = (bool, &'a str, &'a str);

impl PackedEntries {
    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: &DirectoryEntry) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() >= CHUNK) {
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK + CHUNK / 32 };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let start = chunk.len();
        encode(entry, chunk);
        let length = (chunk.len() - start) as u32;
        self.places.push(Place { chunk: number as u32, start: start as u32, length });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = DirectoryEntry> {
        self.places.iter().map(|place| self.entry(*place))
    }

    /// Takes the last one.
    pub(crate) fn pop(&mut self) -> Option<DirectoryEntry> {
        self.places.pop().map(|place| self.entry(place))
    }

    /// The entry of a folder, or of something else, of this name. They must be sorted.
    pub(crate) fn find(&self, is_folder: bool, name: &str, raw: &str) -> Option<DirectoryEntry> {
        let wanted: Key<'_> = (!is_folder, name, raw);
        let index = self.places.binary_search_by(|place| self.key(*place).cmp(&wanted)).ok()?;
        Some(self.entry(self.places[index]))
    }

    /// Puts them in the order in which [`PackedEntries::pop`] is to answer them: files before folders, each as they were.
    pub(crate) fn turn_for_pop(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_by_key(|place| !self.key(*place).0);
        places.reverse();
        self.places = places;
    }

    fn bytes(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        &self.chunks[place.chunk as usize][start..start + place.length as usize]
    }

    fn entry(&self, place: Place) -> DirectoryEntry {
        decode(self.bytes(place)).expect("these are the bytes of an entry")
    }

    fn key(&self, place: Place) -> Key<'_> {
        key(self.bytes(place)).expect("these are the bytes of an entry")
    }
}

impl Entries for PackedEntries {
    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_unstable_by(|a, b| self.key(*a).cmp(&self.key(*b)));
        self.places = places;
    }
}

impl Extend<DirectoryEntry> for PackedEntries {
    fn extend<I: IntoIterator<Item = DirectoryEntry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(&entry));
    }
}

impl FromIterator<DirectoryEntry> for PackedEntries {
    fn from_iter<I: IntoIterator<Item = DirectoryEntry>>(entries: I) -> Self {
        let mut packed = Self::default();
        packed.extend(entries);
        packed
    }
}

impl PartialEq for PackedEntries {
    fn eq(&self, other: &Self) -> bool {
        let mut places = self.places.iter().zip(&other.places);
        self.len() == other.len() && places.all(|(ours, theirs)| self.bytes(*ours) == other.bytes(*theirs))
    }
}

impl fmt::Debug for PackedEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for PackedEntries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PackedEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Packing;
        impl<'de> Visitor<'de> for Packing {
            type Value = PackedEntries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PackedEntries, A::Error> {
                let mut entries = PackedEntries::default();
                while let Some(entry) = list.next_element::<DirectoryEntry>()? {
                    entries.push(&entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(Packing)
    }
}

/// Whether nothing is in a summary but numbers and a time.
fn is_plain(summary: &Summary) -> bool {
    let Summary { incomplete, num_failed, num_ignored_errors, errors, .. } = summary;
    incomplete.is_none() && (*num_failed, *num_ignored_errors) == (0, 0) && errors.is_empty()
}

fn encode(entry: &DirectoryEntry, out: &mut Vec<u8>) {
    let kind = KINDS.iter().position(|kind| *kind == entry.kind).unwrap_or_default() as u8;
    let summary = entry.summary.as_deref();
    let object = entry.object.filter(|_| entry.raw_name.is_none() && entry.xattrs.is_none());
    let Some(object) = object.filter(|_| summary.is_none_or(is_plain)) else {
        out.push(kind | RARE);
        put_bytes(out, entry.name.as_bytes());
        put_bytes(out, entry.raw_name.as_deref().unwrap_or_default().as_bytes());
        put_bytes(out, &serde_json::to_vec(entry).expect("an entry has a JSON form"));
        return;
    };
    out.push(kind | if summary.is_some() { WITH_SUMMARY } else { 0 });
    put_bytes(out, entry.name.as_bytes());
    for number in [entry.mode.0.into(), entry.size, entry.uid.into(), entry.gid.into()] {
        varint::put(out, number);
    }
    put_time(out, entry.modified);
    object.put(out);
    if let Some(summary) = summary {
        for number in [summary.size, summary.files, summary.symlinks, summary.dirs] {
            varint::put(out, number);
        }
        put_time(out, summary.max_time);
    }
}

fn key(mut bytes: &[u8]) -> Option<Key<'_>> {
    let (kind, rare) = take_kind(&mut bytes)?;
    let name = take_text(&mut bytes)?;
    let raw = if rare & RARE == 0 { "" } else { take_text(&mut bytes)? };
    Some((kind != EntryKind::Directory, name, raw))
}

fn decode(mut bytes: &[u8]) -> Option<DirectoryEntry> {
    let bytes = &mut bytes;
    let (kind, flags) = take_kind(bytes)?;
    let name = take_text(bytes)?;
    if flags & RARE != 0 {
        take_text(bytes)?;
        return serde_json::from_slice(take_bytes(bytes)?).ok();
    }
    let [mode, size, uid, gid] = take_numbers(bytes)?;
    Some(DirectoryEntry {
        name: name.to_owned(),
        kind,
        mode: FileMode(u32::try_from(mode).ok()?),
        size,
        uid: u32::try_from(uid).ok()?,
        gid: u32::try_from(gid).ok()?,
        modified: take_time(bytes)?,
        object: Some(ObjectId::take(bytes)?),
        summary: if flags & WITH_SUMMARY == 0 { None } else { Some(Box::new(take_summary(bytes)?)) },
        raw_name: None,
        xattrs: None,
    })
}

fn take_summary(bytes: &mut &[u8]) -> Option<Summary> {
    let [size, files, symlinks, dirs] = take_numbers(bytes)?;
    Some(Summary { size, files, symlinks, dirs, ..Summary::empty(take_time(bytes)?) })
}

fn take_kind(bytes: &mut &[u8]) -> Option<(EntryKind, u8)> {
    let (head, rest) = bytes.split_first()?;
    *bytes = rest;
    Some((KINDS[usize::from(head & 3)], *head))
}

fn take_numbers<const COUNT: usize>(bytes: &mut &[u8]) -> Option<[u64; COUNT]> {
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = varint::take(bytes)?;
    }
    Some(numbers)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take_bytes(bytes)?).ok()
}

/// Both numbers may be negative: the sign goes to the lowest bit.
fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    for number in [time.as_second(), time.subsec_nanosecond().into()] {
        varint::put(out, ((number << 1) ^ (number >> 63)) as u64);
    }
}

fn take_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    let [second, nanosecond] =
        take_numbers(bytes)?.map(|number| (number >> 1) as i64 ^ -((number & 1) as i64));
    Timestamp::new(second, i32::try_from(nanosecond).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::Directory;

    fn entry(name: &[u8], kind: EntryKind) -> DirectoryEntry {
        DirectoryEntry {
            mode: FileMode(0o4751),
            object: Some("Ik0f0e0d0c0b0a09080706050403020100".parse().unwrap()),
            ..DirectoryEntry::new(OsStr::from_bytes(name), kind)
        }
    }

    fn samples() -> Vec<DirectoryEntry> {
        let modified = "2023-11-14T22:13:27.123456789Z".parse().unwrap();
        let summary = Summary { size: 7, files: 3, ..Summary::empty(modified) };
        let failed = Summary { num_failed: 1, ..summary.clone() };
        let with = |name: &[u8], summary: Summary| DirectoryEntry {
            summary: Some(Box::new(summary)),
            ..entry(name, EntryKind::Directory)
        };
        vec![
            with(b"z", summary),
            with(b"y", failed),
            entry(b"caf\xe9", EntryKind::File),
            entry(b"caf\xe8", EntryKind::File),
            entry("é".as_bytes(), EntryKind::Symlink),
            DirectoryEntry { object: None, ..entry(b"nothing", EntryKind::File) },
            DirectoryEntry {
                xattrs: Some(Box::new([("user.a".to_owned(), "00".to_owned())].into())),
                ..entry(b"attributes", EntryKind::Other)
            },
        ]
    }

    #[test]
    fn the_order_is_that_of_directories_and_each_is_found() {
        let (mut packed, summary) = (PackedEntries::default(), Summary::empty(Timestamp::UNIX_EPOCH));
        packed.extend(samples());
        packed.sort();
        let plain = Directory::new(samples(), summary).entries;
        assert_eq!(packed.iter().collect::<Vec<_>>(), plain);
        for entry in &plain {
            let raw = entry.raw_name.as_deref().unwrap_or_default();
            let folder = entry.kind == EntryKind::Directory;
            assert_eq!(packed.find(folder, &entry.name, raw).as_ref(), Some(entry));
            assert_eq!(packed.find(!folder, &entry.name, raw), None);
        }
        packed.turn_for_pop();
        let popped: Vec<_> = std::iter::from_fn(|| packed.pop()).map(|entry| entry.name).collect();
        assert_eq!(popped[5..], ["y", "z"]);
        assert_eq!(popped[..2], ["attributes", "caf\u{fffd}"]);
    }

    #[test]
    fn many_entries_take_little_memory() {
        let mut packed = PackedEntries::default();
        let name = |number: u32| format!("file{number:07}");
        packed.extend((0..100_000).map(|number| entry(name(number).as_bytes(), EntryKind::File)));
        let memory = packed.chunks.iter().map(Vec::capacity).sum::<usize>()
            + packed.places.capacity() * size_of::<Place>();
        assert!(memory < 80 * 100_000, "{memory}");
        assert!(packed.iter().enumerate().all(|(number, entry)| entry.name == name(number as u32)));
    }

    proptest! {
        #[test]
        fn entries_are_taken_out_as_they_were_put_in(
            name in ".{0,20}",
            numbers: [u64; 2],
            [mode, uid, gid]: [u32; 3],
            second in -377_705_023_201_i64..=253_402_207_200,
            nanosecond in 0..1_000_000_000_i32,
            kind in 0..3_usize,
        ) {
            let time = Timestamp::new(second, nanosecond).unwrap();
            let summary = Summary { size: numbers[1], ..Summary::empty(time) };
            let entry = DirectoryEntry {
                mode: FileMode(mode),
                size: numbers[0],
                modified: time,
                uid,
                gid,
                summary: (kind == 1).then(|| Box::new(summary)),
                ..entry(name.as_bytes(), KINDS[kind])
            };
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes);
            prop_assert_eq!(decode(&bytes), Some(entry));
        }
    }
}
