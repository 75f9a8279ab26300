//! Checking a stored backup byte by byte, so that damage is named before somebody needs the backup.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use futures::stream::TryStreamExt;

use super::checksums::{Checksums, Sum, Summing};
use super::{BackupStore, backup_key};
use crate::error::Result;
use crate::layout::{BackupArtifact, Encoding};

/// What [`BackupStore::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// One entry for each file that is there or should be.
    pub artifacts: Vec<ArtifactCheck>,
}

/// One file of a verified backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactCheck {
    /// Which file.
    pub artifact: BackupArtifact,
    /// Its name in the backup's directory.
    pub file: String,
    /// What is with it.
    pub state: ArtifactState,
}

/// What is with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactState {
    /// The same bytes that were stored.
    Intact,
    /// No sum was recorded (a backup by Velero, or of an older version), but it can be decoded from end to end.
    Readable,
    /// A sum was recorded, or the backup can't do without it, and it is not there.
    Missing,
    /// Not what was stored, with the difference.
    Damaged(String),
}

impl Verification {
    /// Whether every file is there and nothing is damaged.
    pub fn is_intact(&self) -> bool {
        self.damaged().next().is_none()
    }

    /// The files that are missing or damaged.
    pub fn damaged(&self) -> impl Iterator<Item = &ArtifactCheck> {
        let is_bad =
            |state: &ArtifactState| matches!(state, ArtifactState::Missing | ArtifactState::Damaged(_));
        self.artifacts.iter().filter(move |check| is_bad(&check.state))
    }
}

impl BackupStore {
    /// Reads every file of a backup and compares it with what was recorded when it was stored. An error means that
    /// the store failed; damage is in the result.
    pub async fn verify(&self, backup: &str) -> Result<Verification> {
        let sums = match self.read::<Option<Checksums>>(backup, BackupArtifact::Checksums).await {
            Err(error) if error.kind() == crate::ErrorKind::Corrupt => Err(error.to_string()),
            sums => Ok(sums?.filter(Checksums::is_understood)),
        };
        let mut artifacts = Vec::new();
        let recorded = sums.as_ref().ok().and_then(Option::as_ref);
        for artifact in BackupArtifact::ALL {
            let file = artifact.file_name(backup);
            let state = match (&sums, artifact) {
                (Err(damage), BackupArtifact::Checksums) => Some(ArtifactState::Damaged(damage.clone())),
                (Ok(sums), BackupArtifact::Checksums) => sums.as_ref().map(|_| ArtifactState::Intact),
                _ => self.check(backup, artifact, recorded.and_then(|sums| sums.files.get(&file))).await?,
            };
            artifacts.extend(state.map(|state| ArtifactCheck { artifact, file, state }));
        }
        Ok(Verification { artifacts })
    }

    /// `None` for a file that is not there and need not be.
    async fn check(
        &self,
        backup: &str,
        artifact: BackupArtifact,
        recorded: Option<&Sum>,
    ) -> Result<Option<ArtifactState>> {
        let mut object = match self.objects().get(&backup_key(backup, artifact)?, None).await {
            Err(error) if error.is_not_found() => {
                let is_needed = matches!(artifact, BackupArtifact::Metadata | BackupArtifact::Contents);
                return Ok((is_needed || recorded.is_some()).then_some(ArtifactState::Missing));
            }
            object => object?,
        };
        let mut summing = Summing::default();
        let mut reading = Reading::new(artifact.encoding());
        while let Some(piece) = object.body.try_next().await? {
            summing.add(&piece);
            if recorded.is_none() {
                reading.add(&piece);
            }
        }
        Ok(Some(match recorded {
            Some(recorded) => compare(recorded, &summing.finish()),
            None => reading.finish(),
        }))
    }
}

fn compare(recorded: &Sum, found: &Sum) -> ArtifactState {
    if recorded == found {
        ArtifactState::Intact
    } else if recorded.size == found.size {
        ArtifactState::Damaged("its content is not what was stored".to_owned())
    } else {
        ArtifactState::Damaged(format!("it has {} bytes, {} were stored", found.size, recorded.size))
    }
}

/// Decodes a file without keeping it: gzip has a sum of its own.
enum Reading {
    Gzip(Box<MultiGzDecoder<io::Sink>>, io::Result<()>),
    Json(Vec<u8>),
}

impl Reading {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Json(Vec::new()),
            _ => Self::Gzip(Box::new(MultiGzDecoder::new(io::sink())), Ok(())),
        }
    }

    fn add(&mut self, piece: &[u8]) {
        match self {
            Self::Gzip(decoder, result @ Ok(())) => *result = decoder.write_all(piece),
            Self::Json(text) if text.len() as u64 <= super::MAX_METADATA => text.extend_from_slice(piece),
            Self::Gzip(..) | Self::Json(_) => {}
        }
    }

    fn finish(self) -> ArtifactState {
        let result = match self {
            Self::Gzip(decoder, result) => {
                result.and_then(|()| decoder.finish().map(drop)).map_err(|cause| cause.to_string())
            }
            Self::Json(text) => serde_json::from_slice::<serde::de::IgnoredAny>(&text)
                .map(drop)
                .map_err(|cause| cause.to_string()),
        };
        result.map_or_else(ArtifactState::Damaged, |()| ArtifactState::Readable)
    }
}
