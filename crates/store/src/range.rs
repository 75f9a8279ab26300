//! Ranges of objects, and bodies that keep what they promise. Shared by all drivers.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::object::Body;

/// The part of an object of `size` bytes that a get for `asked` yields.
pub(crate) fn resolve(key: &str, asked: Option<Range<u64>>, size: u64) -> Result<Range<u64>> {
    match asked {
        None => Ok(0..size),
        Some(range) if range.start < range.end && range.start < size => Ok(range.start..range.end.min(size)),
        Some(range) => Err(invalid(key, &range)),
    }
}

pub(crate) fn invalid(key: &str, range: &Range<u64>) -> Error {
    Error::new(ErrorKind::InvalidRange, format!("read bytes {} to {} of {key}", range.start, range.end))
}

/// A body on its way into a store: pieces that are not empty and, together, as long as promised.
pub(crate) struct Pieces {
    stream: BoxStream<'static, std::io::Result<Bytes>>,
    promised: Option<u64>,
    seen: u64,
    action: String,
}

impl Pieces {
    pub(crate) fn new(key: &str, body: Body) -> Self {
        let promised = body.size();
        Self { stream: body.into_stream(), promised, seen: 0, action: format!("put {key}") }
    }

    /// The next piece; `Source` when the caller's stream fails or has another length than promised.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(piece) = self.stream.next().await {
            let piece = piece.map_err(|cause| self.failed().with_source(cause))?;
            self.seen += piece.len() as u64;
            if self.promised.is_some_and(|promised| self.seen > promised) {
                return Err(self.wrong_size());
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        match self.promised {
            Some(promised) if promised != self.seen => Err(self.wrong_size()),
            _ => Ok(None),
        }
    }

    fn wrong_size(&self) -> Error {
        let promised = self.promised.unwrap_or_default();
        self.failed().with_detail(format!("{} bytes came, {promised} were promised", self.seen))
    }

    fn failed(&self) -> Error {
        Error::new(ErrorKind::Source, &self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_end_and_never_empty() {
        assert_eq!(resolve("k", None, 0).unwrap(), 0..0);
        assert_eq!(resolve("k", Some(2..99), 5).unwrap(), 2..5);
        for range in [5..6, 3..3, 9..10] {
            assert_eq!(resolve("k", Some(range), 5).unwrap_err().kind(), ErrorKind::InvalidRange);
        }
    }
}
