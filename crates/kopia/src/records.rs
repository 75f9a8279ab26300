//! Records in order, however many: those that exceed an allowance of memory go, sorted, to an unlinked temporary file, and are
//! merged when they are read.

mod run;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicUsize};

use crate::{Error, Result};

use run::{Run, RunReader, RunWriter};

/// Bytes after which a new piece of memory begins: one that grows would be there twice.
const CHUNK: usize = 64 << 10;

/// How two records are sorted.
pub(crate) type Order = fn(&[u8], &[u8]) -> Ordering;

/// The memory that lists of records share.
#[derive(Debug)]
pub(crate) struct Allowance {
    total: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
}

impl Allowance {
    /// Of so many bytes. A list by itself gets a quarter of it; when all is used, the sixteenth part of that.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicUsize::new(0), peak: AtomicUsize::new(0) })
    }

    /// The most bytes that were taken of it at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(atomic::Ordering::Relaxed)
    }

    /// Notes that a list takes `now` bytes instead of `before`.
    fn take(&self, before: usize, now: usize) {
        let change = now.wrapping_sub(before);
        let used = self.used.fetch_add(change, atomic::Ordering::Relaxed).wrapping_add(change);
        self.peak.fetch_max(used, atomic::Ordering::Relaxed);
    }

    /// Whether a list of this size has to leave the memory.
    fn is_exceeded(&self, size: usize) -> bool {
        let each = self.total / 4;
        size >= each || (size >= each / 16 && self.used.load(atomic::Ordering::Relaxed) > self.total)
    }
}

/// Many records. Until they are sorted, a short list has them as they were added, and a long one in no order.
#[derive(Debug)]
pub(crate) struct Records {
    order: Order,
    memory: Memory,
    runs: Vec<Run>,
    /// Where the next run goes. A copy of the list begins a file of its own.
    file: Option<(Arc<File>, u64)>,
    count: usize,
}

/// The records that are in memory.
#[derive(Debug)]
struct Memory {
    allowance: Arc<Allowance>,
    /// Bytes taken of the allowance.
    taken: usize,
    chunks: Vec<Vec<u8>>,
    /// Bytes of all chunks but the last.
    full: usize,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: u32,
    start: u32,
    length: u32,
}

/// How far records have been read.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// In memory, where they are read after those in the file.
    index: usize,
    heads: Option<BinaryHeap<Head>>,
}

/// Where the last record was found: the next is often near.
#[derive(Debug, Default)]
pub(crate) struct Cursor(Option<(usize, RunReader)>);

/// A run that takes part in a merge.
#[derive(Debug)]
struct Head {
    reader: RunReader,
    order: Order,
}

impl Records {
    pub(crate) fn new(order: Order, allowance: &Arc<Allowance>) -> Self {
        Self { order, memory: Memory::new(allowance), runs: Vec::new(), file: None, count: 0 }
    }

    /// Adds the record that `write` appends.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.memory.push(write);
        self.count += 1;
        if self.memory.allowance.is_exceeded(self.memory.taken) { self.spill() } else { Ok(()) }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Puts them in order.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn sort(&mut self) -> Result<()> {
        if !self.runs.is_empty() && !self.memory.places.is_empty() {
            return self.spill();
        }
        self.memory.sort(self.order);
        Ok(())
    }

    /// The next record.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn next<'a>(&'a self, position: &'a mut Position) -> Result<Option<&'a [u8]>> {
        if let Some(heads) = &mut position.heads {
            if let Some(mut first) = heads.peek_mut()
                && !first.reader.advance()?
            {
                PeekMut::pop(first);
            }
        } else {
            position.heads = Some(self.heads()?);
        }
        if let Some(head) = position.heads.as_ref().and_then(BinaryHeap::peek) {
            return Ok(Some(head.reader.record()));
        }
        let place = self.memory.places.get(position.index);
        position.index += usize::from(place.is_some());
        Ok(place.map(|place| self.memory.record(*place)))
    }

    fn heads(&self) -> Result<BinaryHeap<Head>> {
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for run in &self.runs {
            let mut reader = RunReader::new(run.clone());
            if reader.open(0)? {
                heads.push(Head { reader, order: self.order });
            }
        }
        Ok(heads)
    }

    /// A record that is `Equal`, where `compare` tells how a record stands to the one that is wanted. They must be sorted.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(crate) fn find<'a>(
        &'a self,
        compare: impl Fn(&[u8]) -> Ordering,
        cursor: &'a mut Cursor,
    ) -> Result<Option<&'a [u8]>> {
        if self.runs.is_empty() {
            let places = &self.memory.places;
            let found = places.binary_search_by(|place| compare(self.memory.record(*place)));
            return Ok(found.ok().map(|index| self.memory.record(places[index])));
        }
        for (number, run) in self.runs.iter().enumerate() {
            let Some(block) = run.block(&compare) else { continue };
            let mut reader = match cursor.0.take() {
                Some((known, reader)) if known == number => reader,
                _ => RunReader::new(run.clone()),
            };
            let found = reader.find(block, &compare)?;
            cursor.0 = Some((number, reader));
            if found {
                return Ok(cursor.0.as_ref().map(|(_, reader)| reader.record()));
            }
        }
        Ok(None)
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self) -> Result<()> {
        self.memory.sort(self.order);
        let (file, start) = match self.file.take() {
            Some(file) => file,
            None => (Arc::new(tempfile::tempfile().map_err(write_error)?), 0),
        };
        let mut writer = RunWriter::new(file.clone(), start);
        for place in &self.memory.places {
            writer.push(self.memory.record(*place))?;
        }
        let run = writer.finish()?;
        self.file = Some((file, run.end()));
        self.runs.push(run);
        self.memory = Memory::new(&self.memory.allowance);
        Ok(())
    }
}

impl Clone for Records {
    fn clone(&self) -> Self {
        let mut memory = Memory::new(&self.memory.allowance);
        memory.places.clone_from(&self.memory.places);
        memory.chunks.clone_from(&self.memory.chunks);
        memory.full = self.memory.full;
        memory.count();
        Self { order: self.order, memory, runs: self.runs.clone(), file: None, count: self.count }
    }
}

impl Memory {
    fn new(allowance: &Arc<Allowance>) -> Self {
        Self { allowance: allowance.clone(), taken: 0, chunks: Vec::new(), full: 0, places: Vec::new() }
    }

    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() >= CHUNK) {
            self.full += self.chunks.last().map_or(0, Vec::capacity);
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK + CHUNK / 32 };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let start = chunk.len();
        write(chunk);
        let length = (chunk.len() - start) as u32;
        self.places.push(Place { chunk: number as u32, start: start as u32, length });
        self.count();
    }

    /// Takes of the allowance what is in use.
    fn count(&mut self) {
        let last = self.chunks.last().map_or(0, Vec::capacity);
        let now = self.full + last + self.places.capacity() * size_of::<Place>();
        if now != self.taken {
            self.allowance.take(self.taken, now);
            self.taken = now;
        }
    }

    fn record(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        &self.chunks[place.chunk as usize][start..start + place.length as usize]
    }

    fn sort(&mut self, order: Order) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_unstable_by(|a, b| order(self.record(*a), self.record(*b)));
        self.places = places;
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.allowance.take(self.taken, 0);
    }
}

impl Ord for Head {
    /// The first record is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.order)(other.reader.record(), self.reader.record())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

fn write_error(source: io::Error) -> Error {
    file_error("write", source)
}

fn read_error(source: io::Error) -> Error {
    file_error("read", source)
}

/// A missing folder for temporary files is none of the things that are looked for in a repository: hence no kind.
fn file_error(action: &'static str, source: io::Error) -> Error {
    Error::File { action, path: "temporary list".into(), source: io::Error::other(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::splitmix64;

    fn numbers(count: usize, allowance: &Arc<Allowance>) -> Records {
        let mut records = Records::new(Ord::cmp, allowance);
        for bytes in splitmix64(3, count * 8).chunks_exact(8) {
            // Of lengths from 8 to 263, and now and then longer than a block.
            let length = if bytes[..2] == [0, 0] { 100_000 } else { 8 + usize::from(bytes[7]) };
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(bytes);
                out.resize(out.len() + length - 8, 7);
            };
            records.push(write).unwrap();
        }
        records
    }

    fn all(records: &Records) -> Vec<Vec<u8>> {
        let (mut position, mut found) = (Position::default(), Vec::new());
        while let Some(record) = records.next(&mut position).unwrap() {
            found.push(record.to_vec());
        }
        assert!(records.next(&mut position).unwrap().is_none());
        found
    }

    #[test]
    fn long_lists_are_read_and_searched_like_short_ones_and_keep_to_their_memory() {
        let (ample, tight) = (Allowance::new(usize::MAX), Allowance::new(1 << 20));
        let (mut plain, mut spilled) = (numbers(100_000, &ample), numbers(100_000, &tight));
        assert!(plain.runs.is_empty() && spilled.runs.len() > 20);
        assert!(tight.peak() < 1 << 20, "{}", tight.peak());
        plain.sort().unwrap();
        spilled.sort().unwrap();
        let expected = all(&plain);
        assert!(expected.is_sorted() && expected.len() == 100_000 && spilled.len() == 100_000);
        assert!(all(&spilled) == expected);
        let mut cursor = Cursor::default();
        let wanted =
            |step: usize| expected.iter().step_by(step).chain(expected.iter().rev().step_by(7 * step));
        for record in wanted(211) {
            let found = spilled.find(|other| other.cmp(record), &mut cursor).unwrap();
            assert_eq!(found, Some(&record[..]));
            let missing = [&record[..8], &[0]].concat();
            assert_eq!(spilled.find(|other| other.cmp(&missing), &mut cursor).unwrap(), None);
        }
        drop(spilled);
        assert_eq!(tight.used.load(atomic::Ordering::Relaxed), 0);
    }

    #[test]
    fn a_copy_goes_its_own_way() {
        let allowance = Allowance::new(1 << 18);
        let mut first = numbers(5_000, &allowance);
        let mut second = first.clone();
        for (records, text) in [(&mut first, "first"), (&mut second, "second")] {
            for _ in 0..20_000 {
                records.push(|out| out.extend_from_slice(text.as_bytes())).unwrap();
            }
            records.sort().unwrap();
        }
        for (records, text) in [(first, "first"), (second, "second")] {
            let records = all(&records);
            assert_eq!(records.iter().filter(|record| *record == text.as_bytes()).count(), 20_000);
            assert_eq!(records.len(), 25_000);
        }
    }

    #[test]
    fn many_short_lists_share_what_there_is() {
        let allowance = Allowance::new(1 << 18);
        let lists: Vec<_> = (0..40).map(|_| numbers(300, &allowance)).collect();
        // The sixteenth part of a quarter is what each may keep.
        let most = (1 << 18) + 40 * ((1 << 18) / 64 + 4096);
        assert!(allowance.peak() <= most, "{}", allowance.peak());
        assert!(lists.iter().any(|list| !list.runs.is_empty()));
    }
}
