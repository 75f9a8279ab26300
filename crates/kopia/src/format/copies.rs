//! Copies of the format blob: version 1 puts one at the head of every pack, and an upgrade leaves one as a blob.
//!
//! ```text
//! length, 2 bytes little-endian | format blob | HMAC-SHA256 of it | length again | rest of the pack …
//! ```

use aws_lc_rs::hmac;
use bytes::Bytes;
use futures::TryStreamExt;

use super::FORMAT_BLOB;
use crate::blob::{BlobError, BlobMetadata, BlobStore, BlobStoreExt, PutOptions};
use crate::error::BlobContext;
use crate::{Error, Result};

const SECRET: &[u8] = b"kopia-repository";
const SUM: usize = 32;
const LENGTH: usize = 2;
/// The longest copy, with its checksum, and its length before it.
const MAX_HEAD: u64 = 65_000;
const BACKUP_PREFIX: &str = "kopia.repository.backup.";
/// Packs that are looked at for a copy.
const MAX_PACKS: usize = 100;

/// The copy for the head of a pack.
pub(super) fn frame(format_blob: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(format_blob.len() + SUM).ok()?.to_le_bytes();
    let sum = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), format_blob);
    Some([&length, format_blob, sum.as_ref(), &length].concat())
}

fn unframe(head: &[u8]) -> Option<&[u8]> {
    let (length, rest) = head.split_first_chunk::<LENGTH>()?;
    let checked = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    let (blob, sum) = checked.split_at_checked(checked.len().checked_sub(SUM)?)?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), blob, sum).ok().map(|()| blob)
}

/// Writes a lost format blob again, from a copy that an upgrade left or (version 1) from the head of a pack.
///
/// # Errors
/// [`Error::AlreadyExists`] when it is not lost; [`Error::NotARepository`] when there is no copy; those of the store.
pub async fn recover(store: &dyn BlobStore) -> Result<()> {
    match store.metadata(FORMAT_BLOB).await {
        Err(BlobError::NotFound) => {}
        other => return other.blob("inspect", FORMAT_BLOB).and(Err(Error::AlreadyExists)),
    }
    let copy = find(store).await?.ok_or(Error::NotARepository)?;
    match store.put(FORMAT_BLOB, copy, PutOptions::if_absent()).await {
        Err(BlobError::AlreadyExists) => Err(Error::AlreadyExists),
        other => other.blob("write", FORMAT_BLOB),
    }
}

async fn find(store: &dyn BlobStore) -> Result<Option<Bytes>> {
    if let Some(backup) = store.list_sorted(BACKUP_PREFIX).await.blob("list", BACKUP_PREFIX)?.first() {
        return store.get(&backup.id, None).await.blob("read", &backup.id).map(Some);
    }
    for prefix in ["p", "q"] {
        let mut packs = store.list(prefix);
        for _ in 0..MAX_PACKS {
            let Some(BlobMetadata { id, length, .. }) = packs.try_next().await.blob("list", prefix)? else {
                break;
            };
            let head = store.get(&id, Some(0..length.min(MAX_HEAD))).await.blob("read", &id)?;
            if let Some(copy) = unframe(&head) {
                return Ok(Some(head.slice_ref(copy)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framed_copy_is_found_and_a_damaged_one_is_not() {
        let pack = [frame(b"{}").unwrap(), vec![7; 100]].concat();
        assert_eq!(unframe(&pack), Some(&b"{}"[..]));
        for at in 0..36 {
            let mut damaged = pack.clone();
            damaged[at] ^= 1;
            assert_eq!(unframe(&damaged), None, "{at}");
        }
        assert_eq!(unframe(&[]), None);
        assert_eq!(frame(&vec![0; 70_000]), None);
    }
}
