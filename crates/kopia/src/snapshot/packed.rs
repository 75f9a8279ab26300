//! Many directory entries in little memory. A folder may have millions, and all of them wait for the last: as structures
//! they take some 300 bytes each, here about 60.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use super::directory::{DirectoryEntry, EntryKind, FileMode};
use super::summary::{Summary, Totals};
use crate::object::ObjectId;
use crate::records::{Allowance, Cursor, Position, Records};
use crate::{Error, Result, varint};

/// The entry is kept as JSON, as it has something rare.
const RARE: u8 = 4;
const WITH_SUMMARY: u8 = 8;
const KINDS: [EntryKind; 4] = [EntryKind::File, EntryKind::Directory, EntryKind::Symlink, EntryKind::Other];

/// Entries, each in the fewest bytes; those beyond an allowance of memory in a temporary file.
#[derive(Debug, Clone)]
pub(crate) struct PackedEntries(Records);

/// What entries are sorted by: folders first, then by name.
type Key<'a> = (bool, &'a [u8], &'a [u8]);

impl PackedEntries {
    pub(crate) fn new(allowance: &Arc<Allowance>) -> Self {
        Self(Records::new(order, allowance))
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn push(&mut self, entry: &DirectoryEntry) -> Result<()> {
        self.0.push(|out| encode(entry, out))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts them in Kopia's order: folders first, each group by name. Nothing can be found before.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn sort(&mut self) -> Result<()> {
        self.0.sort()
    }

    /// All of them, as they were added or sorted. Ends with the first error.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<DirectoryEntry>> {
        let mut position = Position::default();
        std::iter::from_fn(move || next(&self.0, &mut position).transpose())
    }

    /// What lies below a folder with these entries, itself last changed at `modified`.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn summary(&self, modified: Timestamp) -> Result<Summary> {
        let mut totals = Totals::new(modified);
        self.iter().try_for_each(|entry| entry.map(|entry| totals.add(&entry)))?;
        Ok(totals.finish())
    }

    /// The entry of a folder, or of something else, of this name. They must be sorted.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn find(
        &self,
        is_folder: bool,
        name: &str,
        raw: &str,
        cursor: &mut Cursor,
    ) -> Result<Option<DirectoryEntry>> {
        let wanted: Key<'_> = (!is_folder, name.as_bytes(), raw.as_bytes());
        let found = self.0.find(|record| key(record).cmp(&Some(wanted)), cursor)?;
        found.map(entry).transpose()
    }

    /// Whether these and `other` are the same, both sorted.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn is_same(&self, other: &Self) -> Result<bool> {
        if self.len() != other.len() {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (Position::default(), Position::default());
        loop {
            match (self.0.next(&mut ours)?, other.0.next(&mut theirs)?) {
                (None, None) => return Ok(true),
                (ours, theirs) if ours != theirs => return Ok(false),
                _ => {}
            }
        }
    }

    /// All of them, files before folders.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn files_first(mut self) -> Result<FilesFirst> {
        self.sort()?;
        Ok(FilesFirst { entries: self.0, position: Position::default(), folders: false })
    }
}

/// The entries of a folder, files before folders, each by name.
#[derive(Debug)]
pub(crate) struct FilesFirst {
    entries: Records,
    position: Position,
    folders: bool,
}

impl FilesFirst {
    /// The next one.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn next(&mut self) -> Result<Option<DirectoryEntry>> {
        loop {
            match self.entries.next(&mut self.position)? {
                Some(record) if is_folder(record) == self.folders => return entry(record).map(Some),
                // Folders come first, so no other follows.
                _ if self.folders => return Ok(None),
                Some(_) => {}
                None => (self.position, self.folders) = (Position::default(), true),
            }
        }
    }
}

fn next(records: &Records, position: &mut Position) -> Result<Option<DirectoryEntry>> {
    records.next(position)?.map(entry).transpose()
}

/// What was encoded, unless somebody wrote into the temporary file.
fn entry(record: &[u8]) -> Result<DirectoryEntry> {
    decode(record).ok_or_else(|| Error::damaged("a temporary list", "it has not what was written"))
}

fn order(a: &[u8], b: &[u8]) -> Ordering {
    key(a).cmp(&key(b))
}

fn is_folder(record: &[u8]) -> bool {
    key(record).is_some_and(|(is_other, ..)| !is_other)
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
    let name = take_bytes(&mut bytes)?;
    let raw = if rare & RARE == 0 { &[] } else { take_bytes(&mut bytes)? };
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

    fn packed(entries: impl IntoIterator<Item = DirectoryEntry>, memory: usize) -> PackedEntries {
        let mut packed = PackedEntries::new(&Allowance::new(memory));
        entries.into_iter().for_each(|entry| packed.push(&entry).unwrap());
        packed
    }

    #[test]
    fn the_order_is_that_of_directories_and_each_is_found() {
        for memory in [usize::MAX, 0] {
            let mut packed = packed(samples(), memory);
            packed.sort().unwrap();
            let plain = Directory::new(samples(), Summary::empty(Timestamp::UNIX_EPOCH)).entries;
            assert_eq!(packed.iter().collect::<Result<Vec<_>>>().unwrap(), plain);
            for entry in &plain {
                let raw = entry.raw_name.as_deref().unwrap_or_default();
                let folder = entry.kind == EntryKind::Directory;
                let find = |folder| packed.find(folder, &entry.name, raw, &mut Cursor::default());
                assert_eq!(find(folder).unwrap().as_ref(), Some(entry));
                assert_eq!(find(!folder).unwrap(), None);
            }
            let mut first = packed.files_first().unwrap();
            let named: Vec<_> =
                std::iter::from_fn(|| first.next().unwrap()).map(|entry| entry.name).collect();
            assert_eq!(named[5..], ["y", "z"]);
            assert_eq!(named[..2], ["attributes", "caf\u{fffd}"]);
        }
    }

    #[test]
    fn lists_in_files_equal_those_in_memory() {
        let many = |changed: u64| {
            let name = |number: u64| format!("file{:07}", number * 7 % 50_000);
            let sized = move |number| DirectoryEntry {
                size: u64::from(number == changed),
                ..entry(name(number).as_bytes(), EntryKind::File)
            };
            (0..50_000).map(sized)
        };
        let mut same = [packed(many(1), usize::MAX), packed(many(1), 1 << 16), packed(many(2), 1 << 16)];
        for packed in &mut same {
            packed.sort().unwrap();
        }
        assert!(same[0].is_same(&same[1]).unwrap() && same[1].is_same(&same[0]).unwrap());
        assert!(!same[0].is_same(&same[2]).unwrap() && !same[1].is_same(&packed([], 0)).unwrap());
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(same[0].summary(at).unwrap(), same[2].summary(at).unwrap());
        assert_eq!(same[0].summary(at).unwrap().files, 50_000);
    }

    #[test]
    fn many_entries_take_little_memory() {
        let name = |number: u32| format!("file{number:07}");
        let entries = (0..100_000).map(|number| entry(name(number).as_bytes(), EntryKind::File));
        let bytes: usize = entries
            .map(|entry| {
                let mut bytes = Vec::new();
                encode(&entry, &mut bytes);
                bytes.len()
            })
            .sum();
        assert!(bytes < 65 * 100_000, "{bytes}");
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
