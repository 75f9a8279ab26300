//! Epochs: which of the index blobs make up the index, decided from their names alone.
//!
//! New index blobs (`xn`) belong to the write epoch. Old epochs are compacted singly (`xs`) and in ranges (`xr`).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::Result;
use crate::blob::{BlobMetadata, BlobStore, BlobStoreExt};
use crate::error::BlobContext;

pub(crate) const MARKER: &str = "xe";
pub(crate) const WATERMARK: &str = "xw";
pub(crate) const SINGLE: &str = "xs";
pub(crate) const RANGE: &str = "xr";
pub(crate) const UNCOMPACTED: &str = "xn";

/// A compacted index of several epochs.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) blobs: Vec<BlobMetadata>,
}

/// The epochs as listed at one time.
#[derive(Debug, Clone)]
pub(crate) struct EpochState {
    /// When the listing began.
    pub(crate) listed_at: Timestamp,
    pub(crate) write_epoch: u64,
    pub(crate) watermark: Option<u64>,
    pub(crate) markers: Vec<(u64, BlobMetadata)>,
    pub(crate) watermarks: Vec<(u64, BlobMetadata)>,
    /// The chain of range checkpoints, from epoch 0 on.
    pub(crate) ranges: Vec<Range>,
    /// One complete set per epoch.
    pub(crate) singles: BTreeMap<u64, Vec<BlobMetadata>>,
    pub(crate) uncompacted: BTreeMap<u64, Vec<BlobMetadata>>,
}

impl EpochState {
    /// Lists all index blobs.
    pub(crate) async fn list(store: &dyn BlobStore, now: Timestamp) -> Result<Self> {
        // Markers come first: an epoch that begins meanwhile is read as the one after the write epoch.
        let (markers, watermarks) = tokio::try_join!(listed(store, MARKER), listed(store, WATERMARK))?;
        let (singles, ranges, uncompacted) =
            tokio::try_join!(listed(store, SINGLE), listed(store, RANGE), listed(store, UNCOMPACTED))?;
        let markers: Vec<_> = numbered(markers, MARKER);
        let watermarks: Vec<_> = numbered(watermarks, WATERMARK);
        Ok(Self {
            listed_at: now,
            write_epoch: largest(&markers).unwrap_or(0),
            watermark: largest(&watermarks),
            markers,
            watermarks,
            ranges: longest_chain(complete_ranges(ranges)),
            singles: grouped(numbered(singles, SINGLE))
                .into_iter()
                .filter_map(|(epoch, blobs)| Some((epoch, first_complete_set(blobs)?)))
                .collect(),
            uncompacted: grouped(numbered(uncompacted, UNCOMPACTED)),
        })
    }

    /// The epoch that is written to now, from its marker alone.
    pub(crate) async fn write_epoch(store: &dyn BlobStore) -> Result<u64> {
        Ok(largest(&numbered(listed(store, MARKER).await?, MARKER)).unwrap_or(0))
    }

    /// The blobs that together are the index.
    pub(crate) fn active(&self) -> Vec<&BlobMetadata> {
        let mut active = Vec::new();
        let mut start = 0;
        for range in &self.ranges {
            if range.last > start {
                active.extend(&range.blobs);
                start = range.last + 1;
            }
        }
        for epoch in start..=self.write_epoch + 1 {
            active.extend(self.of_epoch(epoch));
        }
        active
    }

    /// The blobs of one epoch: its compacted set once it is settled, else everything written in it.
    pub(crate) fn of_epoch(&self, epoch: u64) -> &[BlobMetadata] {
        let single = self.singles.get(&epoch).filter(|_| self.is_settled(epoch));
        single.or_else(|| self.uncompacted.get(&epoch)).map_or(&[], Vec::as_slice)
    }

    /// Whether no client may write into the epoch any more.
    pub(crate) fn is_settled(&self, epoch: u64) -> bool {
        epoch + 2 <= self.write_epoch
    }

    /// The first epoch after the range checkpoints.
    pub(crate) fn after_ranges(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.last + 1)
    }

    /// The oldest epoch with anything in it that is settled but neither compacted nor in a range.
    pub(crate) fn next_to_compact(&self) -> Option<u64> {
        let settled = self
            .uncompacted
            .range(self.after_ranges()..self.write_epoch.saturating_sub(1).max(self.after_ranges()));
        settled.map(|(epoch, _)| *epoch).find(|epoch| !self.singles.contains_key(epoch))
    }
}

async fn listed(store: &dyn BlobStore, prefix: &str) -> Result<Vec<BlobMetadata>> {
    store.list_sorted(prefix).await.blob("list", prefix)
}

/// The blobs whose name has a number after the prefix, up to an underscore or the end.
fn numbered(blobs: Vec<BlobMetadata>, prefix: &str) -> Vec<(u64, BlobMetadata)> {
    let number = |blob: &BlobMetadata| blob.id.strip_prefix(prefix)?.split('_').next()?.parse().ok();
    blobs.into_iter().filter_map(|blob| Some((number(&blob)?, blob))).collect()
}

fn largest(found: &[(u64, BlobMetadata)]) -> Option<u64> {
    found.iter().map(|(number, _)| *number).max()
}

fn grouped(blobs: Vec<(u64, BlobMetadata)>) -> BTreeMap<u64, Vec<BlobMetadata>> {
    let mut groups: BTreeMap<u64, Vec<BlobMetadata>> = BTreeMap::new();
    for (epoch, blob) in blobs {
        groups.entry(epoch).or_default().push(blob);
    }
    groups
}

/// The first set of blobs (`…-<set>-c<count>`) of which none is missing.
fn first_complete_set(blobs: Vec<BlobMetadata>) -> Option<Vec<BlobMetadata>> {
    let mut sets: BTreeMap<String, Vec<BlobMetadata>> = BTreeMap::new();
    for blob in blobs {
        match set_of(&blob.id) {
            None => return Some(vec![blob]),
            Some((set, count)) => {
                let members = sets.entry(set.to_owned()).or_default();
                members.push(blob);
                if members.len() == count {
                    return Some(std::mem::take(members));
                }
            }
        }
    }
    None
}

fn set_of(id: &str) -> Option<(&str, usize)> {
    let mut parts = id.split('-').skip(1);
    let set = parts.next().filter(|set| set.starts_with('s'))?;
    Some((set, parts.next()?.strip_prefix('c')?.parse().ok()?))
}

fn complete_ranges(blobs: Vec<BlobMetadata>) -> Vec<Range> {
    let mut groups: BTreeMap<(u64, u64), Vec<BlobMetadata>> = BTreeMap::new();
    for blob in blobs {
        let mut numbers = blob.id.trim_start_matches(RANGE).split('_').map_while(|part| part.parse().ok());
        if let (Some(first), Some(last)) = (numbers.next(), numbers.next())
            && first <= last
        {
            groups.entry((first, last)).or_default().push(blob);
        }
    }
    groups
        .into_iter()
        .filter_map(|((first, last), blobs)| Some(Range { first, last, blobs: first_complete_set(blobs)? }))
        .collect()
}

/// The chain from epoch 0 that reaches farthest, with the fewest members.
fn longest_chain(ranges: Vec<Range>) -> Vec<Range> {
    // Best chain ending at each range, from the end backwards: (last epoch, fewer members).
    let mut best: BTreeMap<u64, (u64, usize, Vec<Range>)> = BTreeMap::new();
    for range in ranges.into_iter().rev() {
        let follow = best.get(&(range.last + 1));
        let reach = follow.map_or(range.last, |(reach, _, _)| *reach);
        let members = 1 + follow.map_or(0, |(_, members, _)| *members);
        let better = best.get(&range.first).is_none_or(|(known, count, _)| {
            (reach, std::cmp::Reverse(members)) > (*known, std::cmp::Reverse(*count))
        });
        if better {
            let rest = follow.map_or_else(Vec::new, |(_, _, rest)| rest.clone());
            let first = range.first;
            let chain = std::iter::once(range).chain(rest).collect();
            best.insert(first, (reach, members, chain));
        }
    }
    best.remove(&0).map_or_else(Vec::new, |(_, _, chain)| chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{MemoryStore, PutOptions};

    async fn active(names: &[&str]) -> Vec<String> {
        let store = MemoryStore::default();
        for name in names {
            store.put(name, bytes::Bytes::new(), PutOptions::default()).await.unwrap();
        }
        let state = EpochState::list(&store, Timestamp::UNIX_EPOCH).await.unwrap();
        state.active().into_iter().map(|blob| blob.id.clone()).collect()
    }

    #[tokio::test]
    async fn empty_and_young_epochs_are_not_compacted() {
        for (names, expected) in [
            (&["xe3"][..], None),
            (&["xe3", "xn2_a-s1-c1"], None),
            (&["xe3", "xn1_a-s1-c1"], Some(1)),
            (&["xe3", "xn0_b-s1-c1", "xn1_a-s1-c1", "xs0_c-s2-c1"], Some(1)),
            (&["xe3", "xn1_a-s1-c1", "xr0_1_b-s1-c1"], None),
        ] {
            let store = MemoryStore::default();
            for name in names {
                store.put(name, bytes::Bytes::new(), PutOptions::default()).await.unwrap();
            }
            let state = EpochState::list(&store, Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!(state.next_to_compact(), expected, "{names:?}");
        }
    }

    #[tokio::test]
    async fn the_active_blobs_follow_from_the_names() {
        for (names, expected) in [
            (&[][..], &[][..]),
            (&["xn0_a-s1-c1", "xn1_b-s1-c1", "xn2_c-s1-c1"], &["xn0_a-s1-c1", "xn1_b-s1-c1"]),
            // A compacted set counts once its epoch is settled.
            (&["xe1", "xn0_a-s1-c1", "xs0_b-s2-c1"], &["xn0_a-s1-c1"]),
            (&["xe2", "xn0_a-s1-c1", "xs0_b-s2-c1"], &["xs0_b-s2-c1"]),
            // An incomplete set does not count.
            (&["xe2", "xn0_a-s1-c1", "xs0_b-s2-c2"], &["xn0_a-s1-c1"]),
            (&["xe2", "xn0_a-s1-c1", "xs0_b-s2-c2", "xs0_c-s2-c2"], &["xs0_b-s2-c2", "xs0_c-s2-c2"]),
            // Ranges cover what they say; a gap ends the chain.
            (&["xe4", "xr0_2_a-s1-c1", "xn1_b-s1-c1", "xn3_c-s1-c1"], &["xr0_2_a-s1-c1", "xn3_c-s1-c1"]),
            (&["xe9", "xr0_2_a-s1-c1", "xr4_6_b-s1-c1", "xn3_c-s1-c1"], &["xr0_2_a-s1-c1", "xn3_c-s1-c1"]),
            (
                &["xe9", "xr0_2_a-s1-c1", "xr3_6_b-s1-c1", "xr0_3_c-s1-c1", "xn7_d-s1-c1"],
                &["xr0_2_a-s1-c1", "xr3_6_b-s1-c1", "xn7_d-s1-c1"],
            ),
            (
                &["xe9", "xr0_2_a-s1-c1", "xr3_6_b-s1-c1", "xr0_6_c-s1-c1", "xn7_d-s1-c1"],
                &["xr0_6_c-s1-c1", "xn7_d-s1-c1"],
            ),
        ] {
            assert_eq!(active(names).await, expected, "{names:?}");
        }
    }
}
