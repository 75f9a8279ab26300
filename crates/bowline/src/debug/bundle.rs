//! A compressed archive that is there when it is whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use tempfile::NamedTempFile;

/// Folder that holds everything in the archive.
const ROOT: &str = "velero-bundle";

/// An archive in the making.
pub(super) struct Bundle {
    archive: tar::Builder<GzEncoder<NamedTempFile>>,
    path: PathBuf,
    time: u64,
}

impl Bundle {
    /// Begins an archive beside the file that it will be.
    pub(super) fn create(path: &Path, now: Timestamp) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder)?;
        let archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        let time = u64::try_from(now.as_second()).unwrap_or_default();
        Ok(Self { archive, path: path.to_owned(), time })
    }

    /// Adds a file.
    pub(super) fn add(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.time);
        self.archive.append_data(&mut header, format!("{ROOT}/{path}"), content)
    }

    /// Puts the archive in its place.
    pub(super) fn finish(self) -> io::Result<()> {
        let mut file = self.archive.into_inner()?.finish()?;
        file.flush()?;
        file.persist(self.path)?;
        Ok(())
    }
}
