//! The text that names an object: `I` for each level of indirection, `Z` for object-level compression, then a content ID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::content_id::ContentId;
use crate::{Error, Result};

/// More levels than any file needs.
const MAX_INDIRECTION: u8 = 8;

/// The name of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId {
    indirection: u8,
    compressed: bool,
    content: ContentId,
}

impl ObjectId {
    /// An object that is one content.
    pub fn direct(content: ContentId) -> Self {
        Self { indirection: 0, compressed: false, content }
    }

    /// The object whose list of pieces is `self`.
    pub(crate) fn indirect(self) -> Self {
        Self { indirection: self.indirection + 1, ..self }
    }

    /// Appends a short binary form.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let key = self.content.key();
        out.extend_from_slice(&[self.indirection << 1 | u8::from(self.compressed), key.len() as u8]);
        out.extend_from_slice(key);
    }

    /// Takes what [`ObjectId::put`] wrote from the beginning of `bytes`.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let ([flags, length], rest) = bytes.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(*length))?;
        *bytes = rest;
        let content = ContentId::from_key(key)?;
        Some(Self { indirection: flags >> 1, compressed: flags & 1 != 0, content })
    }

    /// The object that holds the list of pieces, when this one is indirect.
    pub(crate) fn list(self) -> Option<Self> {
        Some(Self { indirection: self.indirection.checked_sub(1)?, ..self })
    }

    /// Whether the content is compressed as an object (index version 1).
    pub(crate) fn is_compressed(self) -> bool {
        self.compressed
    }

    /// The content at the bottom.
    pub fn content(self) -> ContentId {
        self.content
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.indirection {
            f.write_str("I")?;
        }
        if self.compressed {
            f.write_str("Z")?;
        }
        self.content.fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::InvalidId { kind: "object ID", text: text.chars().take(100).collect() };
        let rest = text.trim_start_matches('I');
        let indirection =
            u8::try_from(text.len() - rest.len()).ok().filter(|levels| *levels <= MAX_INDIRECTION);
        let (compressed, rest) = rest.strip_prefix('Z').map_or((false, rest), |rest| (true, rest));
        let content = rest.strip_prefix('D').unwrap_or(rest).parse().map_err(|_| invalid())?;
        Ok(Self { indirection: indirection.ok_or_else(invalid)?, compressed, content })
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        let content = "00112233445566778899aabbccddeeff";
        for text in
            [content.to_owned(), format!("k{content}"), format!("IIx{content}"), format!("IZ{content}")]
        {
            assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
        }
        assert_eq!(format!("ID{content}").parse::<ObjectId>().unwrap().to_string(), format!("I{content}"));
        for text in
            [String::new(), "I".into(), "ZZ00".into(), format!("{}{content}", "I".repeat(9)), "../x".into()]
        {
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
        }
    }
}
