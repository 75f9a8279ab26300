//! Names of contents: the keyed hash of their bytes, with a letter before it for contents that are not plain data.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::crypto::Digest;
use crate::{Error, Result};

/// The letter of a content that is not file data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix(u8);

impl Prefix {
    /// Directories.
    pub const DIRECTORY: Self = Self(b'k');
    /// Indirect objects.
    pub const INDIRECT: Self = Self(b'x');
    /// Manifests.
    pub const MANIFEST: Self = Self(b'm');

    /// Any letter from `g` to `z`.
    pub fn new(letter: u8) -> Option<Self> {
        (b'g'..=b'z').contains(&letter).then_some(Self(letter))
    }

    /// The letter.
    pub fn letter(self) -> u8 {
        self.0
    }
}

const MAX_KEY: usize = 33;

/// The name of a content. Ordered like the entries of an index: by the bytes of letter and hash.
#[derive(Clone, Copy)]
pub struct ContentId {
    key: [u8; MAX_KEY],
    len: u8,
}

impl ContentId {
    pub(crate) fn new(prefix: Option<Prefix>, digest: &Digest) -> Self {
        let mut key = [0; MAX_KEY];
        let hash = digest.as_slice();
        key[0] = prefix.map_or(0, Prefix::letter);
        key[1..=hash.len()].copy_from_slice(hash);
        Self { key, len: hash.len() as u8 + 1 }
    }

    /// From the binary key of an index: prefix byte (0 for none) and hash.
    pub(crate) fn from_key(bytes: &[u8]) -> Option<Self> {
        let valid =
            bytes.len() <= MAX_KEY && bytes.len() > 1 && (bytes[0] == 0 || Prefix::new(bytes[0]).is_some());
        let mut key = [0; MAX_KEY];
        key.get_mut(..bytes.len())?.copy_from_slice(bytes);
        valid.then_some(Self { key, len: bytes.len() as u8 })
    }

    /// The binary key of an index.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..usize::from(self.len)]
    }

    /// The letter, if there is one.
    pub fn prefix(&self) -> Option<Prefix> {
        Prefix::new(self.key[0])
    }

    /// The hash.
    pub fn digest(&self) -> &[u8] {
        &self.key()[1..]
    }

    /// The initialisation vector of the stored content.
    pub(crate) fn iv(&self) -> &[u8] {
        let hash = self.digest();
        &hash[hash.len().saturating_sub(16)..]
    }
}

impl PartialEq for ContentId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ContentId {}

impl std::hash::Hash for ContentId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for ContentId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContentId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 1 + 2 * MAX_KEY];
        let hash = self.digest();
        let digits = &mut text[1..=2 * hash.len()];
        hex::encode_to_slice(hash, digits).map_err(|_| fmt::Error)?;
        let start = self.prefix().map_or(1, |prefix| {
            text[0] = prefix.letter();
            0
        });
        f.write_str(std::str::from_utf8(&text[start..=2 * hash.len()]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text.as_bytes()).ok_or_else(|| Error::InvalidId { kind: "content ID", text: text.to_owned() })
    }
}

fn parse(text: &[u8]) -> Option<ContentId> {
    let (prefix, digits) = if text.len() % 2 == 1 {
        let (letter, digits) = text.split_first()?;
        (Prefix::new(*letter)?.letter(), digits)
    } else {
        (0, text)
    };
    let mut key = [0; MAX_KEY];
    let len = digits.len() / 2;
    hex::decode_to_slice(digits, key.get_mut(1..=len)?).ok()?;
    key[0] = prefix;
    let lower = !digits.iter().any(u8::is_ascii_uppercase);
    (len > 0 && lower).then_some(ContentId { key, len: len as u8 + 1 })
}

impl Serialize for ContentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_key_are_two_forms_of_one_name() {
        for text in
            ["00112233445566778899aabbccddeeff", "k0f0e0d0c0b0a09080706050403020100", &"ab".repeat(32)]
        {
            let id: ContentId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(ContentId::from_key(id.key()), Some(id));
            assert_eq!(id.prefix().is_some(), text.len() % 2 == 1);
        }
        for text in ["", "k", "a00", "0", "zz", "ABCD", &"ab".repeat(33), "é"] {
            assert!(text.parse::<ContentId>().is_err(), "{text}");
        }
        assert!(ContentId::from_key(b"a123").is_none());
    }

    #[test]
    fn data_sorts_before_prefixed_contents() {
        let ids = ["ff00", "k0000", "k0001", "m0000"].map(|text| text.parse::<ContentId>().unwrap());
        assert!(ids.is_sorted());
    }
}
