//! Directory objects with any number of children: written and read as streams, and between in little memory.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fmt;
use std::io::{BufReader, Write};
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::de::Read;
use tokio::runtime::Handle;

use super::directory::{DirectoryEntry, STREAM, raw_name};
use super::packed::PackedEntries;
use super::summary::Summary;
use crate::content::{ContentStore, ContentWriter, blocking};
use crate::object::{Document, ObjectId, ObjectReader};
use crate::records::{Allowance, Cursor};
use crate::{Error, Prefix, Result, json};

/// A directory object with any number of children.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) entries: PackedEntries,
    pub(crate) summary: Option<Summary>,
}

impl Listing {
    /// A directory of these entries, put in Kopia's order.
    ///
    /// # Errors
    /// As [`PackedEntries::sort`].
    pub(crate) fn new(mut entries: PackedEntries, summary: Summary) -> Result<Self> {
        entries.sort()?;
        Ok(Self { entries, summary: Some(summary) })
    }

    /// The entry of a folder, or of something else, of this name. The entries must be in order.
    ///
    /// # Errors
    /// As [`PackedEntries::find`].
    pub(crate) fn find(
        &self,
        is_folder: bool,
        name: &OsStr,
        cursor: &mut Cursor,
    ) -> Result<Option<DirectoryEntry>> {
        let raw = raw_name(name).unwrap_or_default();
        self.entries.find(is_folder, &name.to_string_lossy(), &raw, cursor)
    }

    /// Whether both would be the same object. Their entries must be in order.
    ///
    /// # Errors
    /// As [`PackedEntries::is_same`].
    pub(crate) fn is_same(&self, other: &Self) -> Result<bool> {
        Ok(self.summary == other.summary && self.entries.is_same(&other.entries)?)
    }

    /// Stores the directory.
    ///
    /// # Errors
    /// As [`ContentWriter::write`] and [`PackedEntries::iter`].
    pub(crate) fn store(&self, writer: &ContentWriter) -> Result<ObjectId> {
        let expected = 256 + self.entries.len() * 192;
        let mut document = Document::new(writer, Prefix::DIRECTORY, false, expected)?;
        let written = self.write(&mut document);
        document.finish(written)
    }

    /// The JSON of the object.
    fn write(&self, out: &mut impl Write) -> Result<()> {
        let failed = RefCell::new(None);
        let entries = Written { entries: &self.entries, failed: &failed };
        let written = json::to_writer(out, &Wire { stream: STREAM, entries, summary: &self.summary })
            .and_then(|()| out.write_all(b"\n").map_err(serde_json::Error::io));
        match (failed.into_inner(), written) {
            (Some(error), _) => Err(error),
            (None, Err(source)) => {
                Err(Error::InvalidArgument(format!("a directory cannot be written: {source}")))
            }
            (None, Ok(())) => Ok(()),
        }
    }

    /// Reads a directory object piece by piece; its entries are as they were stored. Only for blocking threads.
    ///
    /// # Errors
    /// Those of reading objects; [`Error::Damaged`] when it is something else; [`Error::File`] of the temporary file.
    pub(crate) fn read_blocking(
        contents: &ContentStore,
        id: ObjectId,
        handle: &Handle,
        allowance: &Arc<Allowance>,
    ) -> Result<Self> {
        let reader = handle.block_on(ObjectReader::open(contents, id))?;
        if let [piece] = reader.pieces() {
            let json = handle.block_on(reader.read_piece(piece))?;
            return Self::from_json(id, &json, allowance);
        }
        let mut stream = reader.stream(handle);
        let from = serde_json::Deserializer::from_reader(BufReader::new(&mut stream));
        let parsed = Self::parse(id, from, allowance);
        stream.finish()?;
        parsed
    }

    /// As [`Listing::read_blocking`], from an async task.
    ///
    /// # Errors
    /// As [`Listing::read_blocking`].
    pub(crate) async fn read(
        contents: &Arc<ContentStore>,
        id: ObjectId,
        allowance: &Arc<Allowance>,
    ) -> Result<Self> {
        if id.list().is_none() {
            let json = ObjectReader::open(contents, id).await?.read_all(u64::MAX).await?;
            return Self::from_json(id, &json, allowance);
        }
        let (contents, allowance, handle) = (contents.clone(), allowance.clone(), Handle::current());
        blocking(move || Self::read_blocking(&contents, id, &handle, &allowance)).await
    }

    /// The listing in the JSON of a directory object.
    ///
    /// # Errors
    /// As [`Listing::read_blocking`].
    pub(crate) fn from_json(id: ObjectId, json: &[u8], allowance: &Arc<Allowance>) -> Result<Self> {
        Self::parse(id, serde_json::Deserializer::from_slice(json), allowance)
    }

    fn parse<'de, R: Read<'de>>(
        id: ObjectId,
        mut from: serde_json::Deserializer<R>,
        allowance: &Arc<Allowance>,
    ) -> Result<Self> {
        let (mut entries, mut failed) = (PackedEntries::new(allowance), None);
        let parsed = Parse { entries: &mut entries, failed: &mut failed }.deserialize(&mut from);
        let parsed = parsed.and_then(|summary| from.end().map(|()| summary));
        match (failed, parsed) {
            (Some(error), _) => Err(error),
            (None, Ok(summary)) => Ok(Self { entries, summary }),
            (None, Err(source)) => {
                Err(Error::damaged(format!("directory {id}"), format!("invalid JSON: {source}")))
            }
        }
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    stream: &'a str,
    entries: Written<'a>,
    summary: &'a Option<Summary>,
}

/// Entries on their way into a document, and the error that ended it.
struct Written<'a> {
    entries: &'a PackedEntries,
    failed: &'a RefCell<Option<Error>>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.entries.len() == 0 {
            return serializer.serialize_none();
        }
        let mut list = serializer.serialize_seq(Some(self.entries.len()))?;
        for entry in self.entries.iter() {
            match entry {
                Ok(entry) => list.serialize_element(&entry)?,
                Err(error) => {
                    *self.failed.borrow_mut() = Some(error);
                    return Err(S::Error::custom("the entries could not be read again"));
                }
            }
        }
        list.end()
    }
}

/// Takes a directory object apart; the entries are never together in any other form than the packed one.
struct Parse<'a> {
    entries: &'a mut PackedEntries,
    /// What ended it, if that was not the JSON.
    failed: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Parse<'_> {
    type Value = Option<Summary>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Parse<'_> {
    type Value = Option<Summary>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a directory")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;
        let (mut stream, mut listed, mut summary) = (None::<String>, false, None::<Option<Summary>>);
        while let Some(field) = map.next_key::<String>()? {
            match &*field {
                "stream" if stream.is_none() => stream = Some(map.next_value()?),
                "summary" if summary.is_none() => summary = Some(map.next_value()?),
                "entries" if !listed => {
                    listed = true;
                    map.next_value_seed(Listed { entries: self.entries, failed: self.failed })?;
                }
                "stream" | "summary" | "entries" => {
                    return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let stream = stream.ok_or_else(|| A::Error::missing_field("stream"))?;
        if stream != STREAM {
            return Err(A::Error::custom(format_args!("it is a stream of kind {stream:?}")));
        }
        if listed { Ok(summary.flatten()) } else { Err(A::Error::missing_field("entries")) }
    }
}

/// The list of entries, or null.
struct Listed<'a> {
    entries: &'a mut PackedEntries,
    failed: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Listed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Listed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<DirectoryEntry>()? {
            if let Err(error) = self.entries.push(&entry) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("the entries could not be kept"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ContentId;
    use crate::snapshot::{Directory, EntryKind};

    fn id() -> ObjectId {
        ObjectId::direct(ContentId::from_key(b"k\x01").unwrap())
    }

    fn parse(json: &str, memory: usize) -> Result<Listing> {
        Listing::from_json(id(), json.as_bytes(), &Allowance::new(memory))
    }

    #[test]
    fn a_listing_is_written_and_read_as_a_directory_is() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let entry = |number: usize| {
            let kind = if number.is_multiple_of(3) { EntryKind::Directory } else { EntryKind::File };
            DirectoryEntry {
                modified: at,
                ..DirectoryEntry::new(format!("<{}>", number * 7 % 2000).as_ref(), kind)
            }
        };
        for (count, memory) in [(0, 0), (1, 0), (2000, usize::MAX), (2000, 1 << 16)] {
            let entries: Vec<_> = (0..count).map(entry).collect();
            let mut packed = PackedEntries::new(&Allowance::new(memory));
            for entry in &entries {
                packed.push(entry).unwrap();
            }
            let summary = Summary::of(&entries, at);
            assert_eq!(packed.summary(at).unwrap(), summary);
            let listing = Listing::new(packed, summary.clone()).unwrap();
            let mut json = Vec::new();
            listing.write(&mut json).unwrap();
            let directory = Directory::new(entries, summary);
            assert!(json == directory.to_json().unwrap(), "{count} {memory}");
            let read = parse(std::str::from_utf8(&json).unwrap(), memory).unwrap();
            assert!(read.is_same(&listing).unwrap());
        }
    }

    #[test]
    fn what_is_no_directory_is_damaged() {
        let whole = r#"{"stream":"kopia:directory","x":[{}],"entries":[],"summary":null}"#;
        assert!(parse(whole, 0).unwrap().summary.is_none());
        for (part, instead) in [
            ("kopia:directory", "kopia:indirect"),
            ("\"x\":[{}]", "\"entries\":[]"),
            ("\"entries\":[]", "\"entry\":[]"),
            ("[],", "[{}],"),
            ("\"stream\"", "\"scream\""),
            ("null}", "null}}"),
            ("null}", "null"),
        ] {
            let error = parse(&whole.replace(part, instead), 0).unwrap_err();
            assert!(error.is_damage(), "{instead}: {error}");
        }
    }
}
