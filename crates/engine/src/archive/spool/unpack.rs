//! The unpacking thread: blocks of the archive → gzip → tar → spool file.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Write};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use tar::EntryType;
use tokio::sync::mpsc;

use super::index::Builder;
use super::{Limits, Unpacked};
use crate::archive::ArchiveError;
use crate::archive::path::{self, Copy};
use crate::object::{MAX_OBJECT_BYTES, ObjectError};

/// Longest path of an entry. Group, resource, namespace and name together can't be longer.
const MAX_PATH: usize = 1024;
/// Largest PAX header; ours hold one path.
const MAX_PAX: u64 = 64 << 10;
/// Longest body of `metadata/version`.
const MAX_VERSION: u64 = 64;
/// The two blocks of zeros that end a tar.
const TRAILER: u64 = 1024;

type Blocks = mpsc::Receiver<io::Result<Bytes>>;

/// Reads the whole archive.
pub(super) fn unpack(blocks: Blocks, limits: Limits, file: File) -> Result<Unpacked, ArchiveError> {
    let source = Incoming { blocks, block: Bytes::new(), failed: None };
    let counted = Counted { inner: MultiGzDecoder::new(source), limits, bytes: 0, zeros: 0 };
    let mut archive = tar::Archive::new(counted);
    let mut unpacker = Unpacker {
        file: BufWriter::with_capacity(256 << 10, file),
        offset: 0,
        index: Builder::default(),
        version: String::new(),
    };
    let result = unpacker.entries(&mut archive, limits);
    let mut counted = archive.into_inner();
    let result = result.and_then(|()| counted.check_end());
    if let Err(error) = result {
        return Err(counted.blame(error));
    }
    let file = unpacker.file.into_inner().map_err(|error| ArchiveError::Spool(error.into_error()))?;
    Ok(Unpacked { file, index: unpacker.index.finish(), format_version: unpacker.version })
}

struct Unpacker {
    file: BufWriter<File>,
    offset: u64,
    index: Builder,
    version: String,
}

impl Unpacker {
    fn entries<R: Read>(
        &mut self,
        archive: &mut tar::Archive<R>,
        limits: Limits,
    ) -> Result<(), ArchiveError> {
        let mut long_path = None;
        // Raw, because otherwise the tar crate reads extension headers of any size into memory.
        let entries = archive.entries().map_err(ArchiveError::Damaged)?.raw(true);
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.map_err(ArchiveError::Damaged)?;
            if count as u64 >= limits.entries {
                return Err(ArchiveError::TooLarge { limit: limits.entries });
            }
            match entry.header().entry_type() {
                EntryType::XHeader => long_path = pax_path(&mut entry)?.or(long_path),
                EntryType::GNULongName => long_path = Some(gnu_path(&mut entry)?),
                kind => {
                    let path = long_path.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                    if kind.is_file() {
                        self.file(&mut entry, checked(path)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn file<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, path: String) -> Result<(), ArchiveError> {
        if path.trim_start_matches("./") == path::VERSION_FILE {
            let mut body = String::new();
            entry.take(MAX_VERSION).read_to_string(&mut body).map_err(ArchiveError::Damaged)?;
            body.trim().clone_into(&mut self.version);
            return Ok(());
        }
        let Some((item, copy)) = path::parse(&path) else {
            let known = path.trim_start_matches("./").starts_with("resources/");
            return if known { Err(refused(path.as_bytes())) } else { Ok(()) };
        };
        let size = entry.size();
        if size > MAX_OBJECT_BYTES as u64 {
            return Err(ArchiveError::Entry {
                path,
                source: ObjectError::TooLarge { size: usize::try_from(size).unwrap_or(usize::MAX) },
            });
        }
        if let Copy::Preferred(version) = &copy {
            self.index.prefer(&item, version);
            // The writer puts this copy right behind the plain one, with the same bytes.
            if self.index.has_just_added(&item) {
                return Ok(());
            }
        }
        let written = copy_all(entry, &mut self.file)?;
        if written != size {
            return Err(ArchiveError::Damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        let added = self.index.add(&item, &copy, self.offset, size as usize);
        self.offset += size;
        if added { Ok(()) } else { Err(ArchiveError::TooLarge { limit: u64::from(u32::MAX) }) }
    }
}

/// Copies an entry, keeping apart whether reading or writing failed.
fn copy_all(from: &mut impl Read, to: &mut impl Write) -> Result<u64, ArchiveError> {
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    loop {
        let length = from.read(&mut buffer).map_err(ArchiveError::Damaged)?;
        if length == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..length]).map_err(ArchiveError::Spool)?;
        total += length as u64;
    }
}

fn checked(path: Vec<u8>) -> Result<String, ArchiveError> {
    let path = String::from_utf8(path).map_err(|error| refused(error.as_bytes()))?;
    let leaves = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if path.len() > MAX_PATH || leaves || path.chars().any(char::is_control) || path.contains('\\') {
        return Err(refused(path.as_bytes()));
    }
    Ok(path)
}

fn refused(path: &[u8]) -> ArchiveError {
    ArchiveError::Path { path: String::from_utf8_lossy(path).chars().take(256).collect() }
}

/// The path in a PAX header, which has records `LENGTH KEY=VALUE\n`.
fn pax_path<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Option<Vec<u8>>, ArchiveError> {
    let records = extension(entry)?;
    let mut rest = records.as_slice();
    let mut path = None;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let record =
            length.filter(|length| *length > space + 1).and_then(|length| rest.get(space + 1..length - 1));
        let (Some(length), Some(record)) = (length, record) else {
            return Err(ArchiveError::Damaged(io::Error::new(
                io::ErrorKind::InvalidData,
                "a PAX record is not well formed",
            )));
        };
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(value.to_vec());
        }
        rest = &rest[length..];
    }
    Ok(path)
}

fn gnu_path<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, ArchiveError> {
    let mut path = extension(entry)?;
    while path.last() == Some(&0) {
        path.pop();
    }
    Ok(path)
}

fn extension<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, ArchiveError> {
    if entry.size() > MAX_PAX {
        return Err(ArchiveError::TooLarge { limit: MAX_PAX });
    }
    let mut body = Vec::new();
    entry.read_to_end(&mut body).map_err(ArchiveError::Damaged)?;
    Ok(body)
}

/// The compressed archive as it comes in.
struct Incoming {
    blocks: Blocks,
    block: Bytes,
    failed: Option<io::Error>,
}

impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.block.is_empty() {
            match self.blocks.blocking_recv() {
                Some(Ok(block)) => self.block = block,
                Some(Err(error)) => {
                    let kind = error.kind();
                    self.failed = Some(error);
                    return Err(kind.into());
                }
                None => return Ok(&[]),
            }
        }
        Ok(&self.block)
    }

    fn consume(&mut self, amount: usize) {
        self.block.advance(amount);
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

/// The unpacked bytes: counted against the limit, and watched for the trailer.
struct Counted {
    inner: MultiGzDecoder<Incoming>,
    limits: Limits,
    bytes: u64,
    /// How many zeros the stream ends with, so far.
    zeros: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        if self.bytes > self.limits.total_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let trailing = buffer[..length].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if trailing == length { self.zeros + length as u64 } else { trailing as u64 };
        Ok(length)
    }
}

impl Counted {
    /// Checks that the tar has its trailer and the gzip stream its checksum, and that nothing but padding follows.
    fn check_end(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 4 << 10];
        while self.read(&mut buffer).map_err(ArchiveError::Damaged)? > 0 {}
        if self.zeros >= TRAILER {
            return Ok(());
        }
        Err(ArchiveError::Damaged(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the end of the tar is missing",
        )))
    }

    /// Names the true cause of a failed read: the store, or the limit.
    fn blame(&mut self, error: ArchiveError) -> ArchiveError {
        match self.inner.get_mut().failed.take() {
            Some(cause) => ArchiveError::Fetch(cause),
            None if self.bytes > self.limits.total_bytes => {
                ArchiveError::TooLarge { limit: self.limits.total_bytes }
            }
            None => error,
        }
    }
}
