//! Directory objects: one JSON document with an entry for each child.
//!
//! Two fields are our own, and ignored by other readers: `rawName` (a name that is not UTF-8, in hexadecimal) and `xattrs`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufReader, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use jiff::Timestamp;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::runtime::Handle;

use super::packed::PackedEntries;
use super::summary::Summary;
use crate::content::{ContentStore, ContentWriter};
use crate::object::{Document, ObjectId, ObjectReader};
use crate::{Error, Prefix, Result, json};

const STREAM: &str = "kopia:directory";
/// A directory object with more JSON than this is refused.
const MAX_JSON: u64 = 1 << 30;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A regular file.
    #[serde(rename = "f")]
    File,
    /// A directory.
    #[serde(rename = "d")]
    Directory,
    /// A symbolic link; its object holds the target.
    #[serde(rename = "s")]
    Symlink,
    /// Something that this version does not know.
    #[serde(other, rename = "")]
    Other,
}

/// The permission bits of a Unix mode: the low nine, set-uid, set-gid and sticky. Stored as Go's `fs.FileMode` in octal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// Unix bit and Go's bit.
const SPECIAL_BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

impl FileMode {
    /// From a Unix mode, whose type bits are dropped.
    pub fn from_unix(mode: u32) -> Self {
        Self(mode & 0o7777)
    }

    fn to_go(self) -> u32 {
        let special = SPECIAL_BITS.iter().filter(|(unix, _)| self.0 & unix != 0);
        special.fold(self.0 & 0o777, |bits, (_, go)| bits | go)
    }

    fn from_go(bits: u32) -> Self {
        let special = SPECIAL_BITS.iter().filter(|(_, go)| bits & go != 0);
        Self(special.fold(bits & 0o777, |mode, (unix, _)| mode | unix))
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0{:o}", self.to_go()))
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        u32::from_str_radix(&text, 8).map(Self::from_go).map_err(|_| de::Error::custom("invalid file mode"))
    }
}

/// A child of a directory, or the root of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// The name; for a name that is not UTF-8, a legible form of it (see [`DirectoryEntry::file_name`]).
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// Permissions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: FileMode,
    /// Bytes of a file or of a link's target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub size: u64,
    /// Time of the last change.
    #[serde(rename = "mtime", default = "epoch", skip_serializing_if = "is_epoch")]
    pub modified: Timestamp,
    /// Owner.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uid: u32,
    /// Group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gid: u32,
    /// The content of a file, the listing of a directory, the target of a link.
    #[serde(rename = "obj", default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// What lies below a directory.
    #[serde(rename = "summ", default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Box<Summary>>,
    /// The bytes of a name that is not UTF-8, in hexadecimal. Other readers ignore it.
    #[serde(rename = "rawName", default, skip_serializing_if = "Option::is_none")]
    pub raw_name: Option<String>,
    /// Extended attributes, their values in hexadecimal. Other readers ignore them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs: Xattrs,
}

/// Extended attributes: names, and values in hexadecimal.
pub type Xattrs = Option<Box<BTreeMap<String, String>>>;

impl DirectoryEntry {
    /// An entry without content.
    pub fn new(name: &OsStr, kind: EntryKind) -> Self {
        let raw_name = raw_name(name);
        Self {
            name: name.to_string_lossy().into_owned(),
            kind,
            mode: FileMode::default(),
            size: 0,
            modified: Timestamp::UNIX_EPOCH,
            uid: 0,
            gid: 0,
            object: None,
            summary: None,
            raw_name,
            xattrs: None,
        }
    }

    /// What entries are sorted by.
    fn place(&self) -> (bool, &str, Option<&str>) {
        (self.kind != EntryKind::Directory, &self.name, self.raw_name.as_deref())
    }

    /// The exact name.
    pub fn file_name(&self) -> OsString {
        let raw = self.raw_name.as_ref().and_then(|raw| hex::decode(raw).ok());
        raw.map_or_else(|| OsString::from(&self.name), OsString::from_vec)
    }

    /// The exact name, if it is one plain component of a path.
    pub fn plain_name(&self) -> Option<OsString> {
        let name = self.file_name();
        let mut components = Path::new(&name).components();
        let plain = matches!(components.next(), Some(Component::Normal(part)) if part == name)
            && components.next().is_none();
        (plain && !name.as_bytes().contains(&0)).then_some(name)
    }

    /// The object of the entry.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is none.
    pub fn object(&self) -> Result<ObjectId> {
        self.object.ok_or_else(|| Error::damaged(format!("entry {:?}", self.name), "it has no object"))
    }

    /// Whether a file that looks like `self` now need not be read again, given its entry of an earlier snapshot.
    pub fn is_unchanged_since(&self, earlier: &Self) -> bool {
        let look = |entry: &Self| (entry.kind, entry.size, entry.modified, entry.mode, entry.uid, entry.gid);
        earlier.object.is_some() && look(self) == look(earlier) && self.raw_name == earlier.raw_name
    }
}

/// The bytes of a name, in hexadecimal, if it is not UTF-8.
fn raw_name(name: &OsStr) -> Option<String> {
    name.to_str().is_none().then(|| hex::encode(name.as_bytes()))
}

pub(super) fn epoch() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn is_epoch(time: &Timestamp) -> bool {
    *time == Timestamp::UNIX_EPOCH
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The children of a directory, in one form or another.
pub(crate) trait Entries: Default + Serialize + DeserializeOwned {
    fn is_empty(&self) -> bool;

    /// Puts them in Kopia's order: directories first, each group by name.
    fn sort(&mut self);
}

impl Entries for Vec<DirectoryEntry> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn sort(&mut self) {
        self.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
    }
}

/// A directory object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "E: Entries")]
pub struct Directory<E = Vec<DirectoryEntry>> {
    stream: String,
    /// The children.
    #[serde(deserialize_with = "null_is_empty", serialize_with = "empty_is_null")]
    pub entries: E,
    /// What lies below.
    #[serde(default)]
    pub summary: Option<Summary>,
}

/// A directory object with any number of children.
pub(crate) type Listing = Directory<PackedEntries>;

fn sorted<E: Entries>(mut entries: E, summary: Summary) -> Directory<E> {
    entries.sort();
    Directory { stream: STREAM.into(), entries, summary: Some(summary) }
}

/// The JSON of the object.
fn write_json<E: Entries>(directory: &Directory<E>, out: &mut impl Write) -> Result<()> {
    let invalid = |source: &dyn std::fmt::Display| {
        Error::InvalidArgument(format!("a directory cannot be written: {source}"))
    };
    json::to_writer(out, directory).map_err(|source| invalid(&source))?;
    out.write_all(b"\n").map_err(|source| invalid(&source))
}

fn checked<E>(id: ObjectId, parsed: serde_json::Result<Directory<E>>) -> Result<Directory<E>> {
    let damaged = |reason| Error::damaged(format!("directory {id}"), reason);
    let directory = parsed.map_err(|source| damaged(format!("invalid JSON: {source}")))?;
    if directory.stream != STREAM {
        return Err(damaged(format!("it is a stream of kind {:?}", directory.stream)));
    }
    Ok(directory)
}

impl Directory {
    /// A directory of these entries, put in Kopia's order: directories first, each group by name.
    pub fn new(entries: Vec<DirectoryEntry>, summary: Summary) -> Self {
        sorted(entries, summary)
    }

    /// The JSON of the object, as a whole.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = Vec::new();
        write_json(self, &mut json)?;
        Ok(json)
    }

    pub(crate) fn from_json(id: ObjectId, json: &[u8]) -> Result<Self> {
        checked(id, serde_json::from_slice(json))
    }

    /// Reads a directory object.
    ///
    /// # Errors
    /// Those of reading objects; [`Error::Damaged`] when it is something else.
    pub async fn read(contents: &ContentStore, id: ObjectId) -> Result<Self> {
        let json = ObjectReader::open(contents, id).await?.read_all(MAX_JSON).await?;
        Self::from_json(id, &json)
    }
}

impl Listing {
    /// A directory of these entries, put in Kopia's order.
    pub(crate) fn packed(entries: PackedEntries, summary: Summary) -> Self {
        sorted(entries, summary)
    }

    /// Puts the entries in Kopia's order, in which [`Listing::find`] needs them.
    pub(crate) fn sort(&mut self) {
        self.entries.sort();
    }

    /// The entry of a folder, or of something else, of this name. The entries must be in order.
    pub(crate) fn find(&self, is_folder: bool, name: &OsStr) -> Option<DirectoryEntry> {
        let raw = raw_name(name).unwrap_or_default();
        self.entries.find(is_folder, &name.to_string_lossy(), &raw)
    }

    /// Stores the directory.
    ///
    /// # Errors
    /// As [`ContentWriter::write`].
    pub(crate) fn store(&self, writer: &ContentWriter) -> Result<ObjectId> {
        let expected = 256 + self.entries.len() * 192;
        let mut document = Document::new(writer, Prefix::DIRECTORY, false, expected)?;
        let written = write_json(self, &mut document);
        document.finish(written)
    }

    /// As [`Directory::read`], piece by piece. Only for blocking threads.
    pub(crate) fn read_blocking(contents: &ContentStore, id: ObjectId, handle: &Handle) -> Result<Self> {
        let reader = handle.block_on(ObjectReader::open(contents, id))?;
        if let [piece] = reader.pieces() {
            let json = handle.block_on(reader.read_piece(piece))?;
            return checked(id, serde_json::from_slice(&json));
        }
        if reader.length() > MAX_JSON {
            return Err(Error::damaged(format!("directory {id}"), "it is too long"));
        }
        let mut stream = reader.stream(handle);
        let parsed = serde_json::from_reader(BufReader::new(&mut stream));
        stream.finish()?;
        checked(id, parsed)
    }
}

fn null_is_empty<'de, D: Deserializer<'de>, E: Entries>(deserializer: D) -> Result<E, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn empty_is_null<S: Serializer, E: Entries>(entries: &E, serializer: S) -> Result<S::Ok, S::Error> {
    if entries.is_empty() { serializer.serialize_none() } else { entries.serialize(serializer) }
}

#[cfg(test)]
mod tests;
