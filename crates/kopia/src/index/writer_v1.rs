//! Builds indexes of version 1, which know neither compression nor lengths before encryption.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use super::IndexEntry;
use crate::compression::CompressionId;
use crate::{Error, Result};

const HEADER: usize = 8;
const ENTRY: usize = 20;
const DELETED: u32 = 1 << 31;

/// As [`super::build`], for version 1.
pub(super) fn build<I, E>(entries: impl Fn() -> Result<I>) -> Result<Vec<u8>>
where
    I: Iterator<Item = Result<E>>,
    E: Borrow<IndexEntry>,
{
    let (mut count, mut key) = (0u32, 0);
    // The names of packs in order of first use, and where each starts among them.
    let (mut names, mut places) = (Vec::new(), HashMap::<Arc<str>, usize>::new());
    for entry in entries()? {
        let entry = entry?;
        let entry = entry.borrow();
        if entry.compression != CompressionId::NONE || entry.offset >= DELETED || entry.pack.len() > 255 {
            return Err(Error::Unsupported(format!("index entry of {} exceeds the format", entry.id)));
        }
        count += 1;
        key = entry.id.key().len();
        places.entry(entry.pack.clone()).or_insert_with(|| {
            names.extend_from_slice(entry.pack.as_bytes());
            names.len() - entry.pack.len()
        });
    }
    let names_at = HEADER + count as usize * (key + ENTRY);
    let mut out = Vec::with_capacity(names_at + names.len());
    out.extend_from_slice(&[1, key as u8]);
    out.extend_from_slice(&(ENTRY as u16).to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    for entry in entries()? {
        let entry = entry?;
        let entry = entry.borrow();
        let place = places.get(&entry.pack).copied().unwrap_or(0);
        out.extend_from_slice(entry.id.key());
        out.extend_from_slice(&entry.timestamp.to_be_bytes()[2..]);
        out.extend_from_slice(&[entry.format_version, entry.pack.len() as u8]);
        out.extend_from_slice(&((names_at + place) as u32).to_be_bytes());
        out.extend_from_slice(&(entry.offset | if entry.deleted { DELETED } else { 0 }).to_be_bytes());
        out.extend_from_slice(&entry.packed_length.to_be_bytes());
    }
    out.extend_from_slice(&names);
    Ok(out)
}
