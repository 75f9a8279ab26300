//! Sorted records in a file, in blocks of which each begins with a record.

use std::cmp::Ordering;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{read_error, write_error};
use crate::{Result, varint};

/// Bytes after which a block ends.
const BLOCK: usize = 32 << 10;

/// A sorted run of records.
#[derive(Debug, Clone)]
pub(super) struct Run {
    file: Arc<File>,
    blocks: Arc<[Block]>,
    end: u64,
    last: Arc<[u8]>,
}

#[derive(Debug)]
struct Block {
    start: u64,
    first: Box<[u8]>,
}

impl Run {
    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The block that has the wanted record if any has.
    pub(super) fn block(&self, compare: &impl Fn(&[u8]) -> Ordering) -> Option<usize> {
        if compare(&self.last).is_lt() {
            return None;
        }
        self.blocks.partition_point(|block| compare(&block.first).is_le()).checked_sub(1)
    }

    fn read(&self, number: usize, out: &mut Vec<u8>) -> Result<bool> {
        let Some(block) = self.blocks.get(number) else { return Ok(false) };
        let end = self.blocks.get(number + 1).map_or(self.end, |next| next.start);
        out.resize((end - block.start) as usize, 0);
        self.file.read_exact_at(out, block.start).map_err(read_error)?;
        Ok(true)
    }
}

/// Writes a run.
pub(super) struct RunWriter {
    file: Arc<File>,
    blocks: Vec<Block>,
    at: u64,
    buffer: Vec<u8>,
    last: Vec<u8>,
}

impl RunWriter {
    pub(super) fn new(file: Arc<File>, start: u64) -> Self {
        let buffer = Vec::with_capacity(BLOCK + BLOCK / 8);
        Self { file, blocks: Vec::new(), at: start, buffer, last: Vec::new() }
    }

    /// Adds a record, which is not less than the one before.
    pub(super) fn push(&mut self, record: &[u8]) -> Result<()> {
        if self.buffer.is_empty() {
            self.blocks.push(Block { start: self.at, first: record.into() });
        }
        varint::put(&mut self.buffer, record.len() as u64);
        self.buffer.extend_from_slice(record);
        self.last.clear();
        self.last.extend_from_slice(record);
        if self.buffer.len() >= BLOCK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.at).map_err(write_error)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Run> {
        self.write()?;
        Ok(Run { file: self.file, blocks: self.blocks.into(), end: self.at, last: self.last.into() })
    }
}

/// Reads a run.
#[derive(Debug)]
pub(super) struct RunReader {
    run: Run,
    /// The block in memory.
    number: Option<usize>,
    block: Vec<u8>,
    /// The record in it.
    record: Range<usize>,
}

impl RunReader {
    pub(super) fn new(run: Run) -> Self {
        Self { run, number: None, block: Vec::new(), record: 0..0 }
    }

    /// The record that it stands at.
    pub(super) fn record(&self) -> &[u8] {
        &self.block[self.record.clone()]
    }

    /// Goes to the first record of a block. `false` when there is none.
    pub(super) fn open(&mut self, number: usize) -> Result<bool> {
        self.number = None;
        if !self.run.read(number, &mut self.block)? {
            return Ok(false);
        }
        self.number = Some(number);
        self.record = 0..0;
        Ok(self.step())
    }

    /// Goes to the next record. `false` when there is none.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if self.step() {
            return Ok(true);
        }
        match self.number {
            Some(number) => self.open(number + 1),
            None => Ok(false),
        }
    }

    /// Goes to the next record of the block.
    fn step(&mut self) -> bool {
        let mut rest = &self.block[self.record.end..];
        let Some(length) = varint::take(&mut rest) else { return false };
        let start = self.block.len() - rest.len();
        self.record = start..start + length as usize;
        true
    }

    /// Goes to the wanted record, which is in block `number` if anywhere in the run. Whether it is there.
    pub(super) fn find(&mut self, number: usize, compare: &impl Fn(&[u8]) -> Ordering) -> Result<bool> {
        let is_past = self.number != Some(number) || compare(self.record()).is_gt();
        if is_past && !self.open(number)? {
            return Ok(false);
        }
        while compare(self.record()).is_lt() {
            if !self.step() {
                return Ok(false);
            }
        }
        Ok(compare(self.record()).is_eq())
    }
}
