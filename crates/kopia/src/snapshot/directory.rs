//! Directory objects: one JSON document with an entry for each child.
//!
//! Two fields are our own, and ignored by other readers: `rawName` (a name that is not UTF-8, in hexadecimal) and `xattrs`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use jiff::Timestamp;
use serde::de;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::summary::Summary;
use crate::content::ContentStore;
use crate::object::{ObjectId, ObjectReader};
use crate::{Error, Result};

pub(super) const STREAM: &str = "kopia:directory";
/// A directory object with more JSON than this is not read as a whole.
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
pub(super) fn raw_name(name: &OsStr) -> Option<String> {
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

/// A directory object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    stream: String,
    /// The children.
    #[serde(deserialize_with = "null_is_empty", serialize_with = "empty_is_null")]
    pub entries: Vec<DirectoryEntry>,
    /// What lies below.
    #[serde(default)]
    pub summary: Option<Summary>,
}

impl Directory {
    /// A directory of these entries, put in Kopia's order: directories first, each group by name.
    pub fn new(mut entries: Vec<DirectoryEntry>, summary: Summary) -> Self {
        entries.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
        Self { stream: STREAM.into(), entries, summary: Some(summary) }
    }

    /// The JSON of the object, as a whole.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let invalid = |source| Error::InvalidArgument(format!("a directory cannot be written: {source}"));
        let mut json = crate::json::to_vec(self).map_err(invalid)?;
        json.push(b'\n');
        Ok(json)
    }

    pub(crate) fn from_json(id: ObjectId, json: &[u8]) -> Result<Self> {
        let damaged = |reason| Error::damaged(format!("directory {id}"), reason);
        let directory: Self =
            serde_json::from_slice(json).map_err(|source| damaged(format!("invalid JSON: {source}")))?;
        if directory.stream != STREAM {
            return Err(damaged(format!("it is a stream of kind {:?}", directory.stream)));
        }
        Ok(directory)
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

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DirectoryEntry>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn empty_is_null<S: Serializer>(entries: &[DirectoryEntry], serializer: S) -> Result<S::Ok, S::Error> {
    if entries.is_empty() { serializer.serialize_none() } else { entries.serialize(serializer) }
}

#[cfg(test)]
mod tests;
