//! The log of one backup or restore: what is logged inside its span goes, besides to the server's log, gzipped into a temporary
//! file, which later becomes the artifact `<name>-logs.gz`. Memory is that of one gzip encoder a run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;

type Encoder = GzEncoder<BufWriter<File>>;

/// The logs of all runs in progress, by run. Cloning shares them.
#[derive(Clone, Default)]
pub struct RunLogs(Arc<Mutex<HashMap<String, Sink>>>);

/// The log of a run in progress. When it is dropped, what was logged is forgotten.
pub struct RunLog {
    logs: RunLogs,
    key: String,
    sink: Sink,
}

/// A log that is complete.
#[derive(Debug)]
pub struct FinishedLog {
    /// The gzipped text, to be read from its start; the file has no name any more.
    pub file: File,
    /// Size of the gzipped text in bytes.
    pub size: u64,
}

/// Where the lines of a run go.
#[derive(Clone)]
pub(super) struct Sink(Arc<Mutex<Option<Encoder>>>);

impl RunLogs {
    /// Begins the log of a run. Lines come from spans with the field `kind` (`backup` or `restore`) of value `name` (`namespace/name`)
    /// that are opened from now on.
    pub fn start(&self, kind: &str, name: &str) -> io::Result<RunLog> {
        let encoder = GzEncoder::new(BufWriter::new(tempfile::tempfile()?), Compression::fast());
        let sink = Sink(Arc::new(Mutex::new(Some(encoder))));
        let key = key(kind, name);
        self.lock().insert(key.clone(), sink.clone());
        Ok(RunLog { logs: self.clone(), key, sink })
    }

    /// Where the lines of a span with this field go, if it belongs to a run.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<Sink> {
        self.lock().get(&key(kind, name)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunLog {
    /// Ends the log. Later lines of the run are not in it.
    pub fn finish(self) -> io::Result<FinishedLog> {
        let Some(encoder) = self.sink.lock().take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut file = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        let size = file.stream_position()?;
        file.rewind()?;
        Ok(FinishedLog { file, size })
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        self.logs.lock().remove(&self.key);
    }
}

impl Sink {
    /// Adds a line. A full disk must not stop the run: the log ends at that point, and its end says so.
    pub(super) fn write(&self, line: &str) {
        let mut slot = self.lock();
        if let Some(encoder) = slot.as_mut()
            && encoder.write_all(line.as_bytes()).is_err()
        {
            *slot = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Encoder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind}={name}")
}
