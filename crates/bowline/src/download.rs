//! Files of a backup or restore, fetched through the server: a DownloadRequest gives an address that is good for some
//! minutes. Where the address can't be reached from here, the API server's proxy to the server's pod is tried.

mod proxy;
mod trust;

use std::io::{BufReader, Cursor, Read, Write};
use std::path::Path;
use std::time::Duration as StdDuration;

use bowline_api::request::{DownloadRequestPhase, DownloadRequestSpec, DownloadTarget, DownloadTargetKind};
use bowline_api::{BackupStorageLocation, DownloadRequest, Duration};
use bowline_server::{DOWNLOAD_PATH_ANNOTATION, MESSAGE_ANNOTATION};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

pub(crate) use trust::Trust;

use crate::cluster::Cluster;
use crate::failure::{Failure, causes};
use crate::session::Session;

/// How long the server may take to answer, where the user does not say.
const ANSWER_LIMIT: StdDuration = StdDuration::from_secs(30);
/// How often the answer is looked for.
const PACE: StdDuration = StdDuration::from_millis(50);
/// How long a connection to the bucket may take before the other way is tried.
const CONNECT_LIMIT: StdDuration = StdDuration::from_secs(4);
/// What helps where neither way to a file is open.
pub(crate) const HINT: &str = "run this where the bucket can be reached, or set publicUrl in the location's config to an address that can be reached from \
     here, or get the right to list the pods of the server's namespace and to get pods/proxy there";
/// Most compressed bytes of a file that is held in memory.
const MAX_STORED: usize = 256 << 20;
/// Most bytes of a decompressed JSON file; a small file could hold any amount.
const MAX_JSON: u64 = 512 << 20;

/// The pieces of a file.
pub(crate) type Pieces = BoxStream<'static, std::io::Result<Bytes>>;

/// Where a file is. Who knows this can read the file, so it belongs in no message.
struct Address {
    url: String,
    /// The path under which the server itself hands it out, where it does.
    path: Option<String>,
}

/// Where files are fetched from: the server, for one location.
pub(crate) struct Source<'a> {
    cluster: &'a Cluster,
    client: reqwest::Client,
    limit: StdDuration,
}

/// A file that may be missing, because the backup has none or is of another version, or that can't be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Artifact<T> {
    Absent,
    Unreadable(String),
    Here(T),
}

impl<T> Artifact<T> {
    /// The content, if there is any.
    pub(crate) fn here(&self) -> Option<&T> {
        match self {
            Self::Here(content) => Some(content),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

impl<'a> Source<'a> {
    /// For files of the named location, whose certificates are trusted.
    pub(crate) async fn new(
        session: &Session,
        cluster: &'a Cluster,
        trust: &Trust,
        location: &str,
    ) -> anyhow::Result<Self> {
        let location = match location {
            "" => None,
            name => cluster.find::<BackupStorageLocation>(name).await?.map(|found| found.object),
        };
        let certificates = trust.certificates(session, cluster, location.as_ref()).await?;
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_LIMIT).read_timeout(ANSWER_LIMIT);
        if trust.skips_verification() {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
        let client = builder.build().map_err(|error| Failure::new(causes(&error)))?;
        Ok(Self { cluster, client, limit: ANSWER_LIMIT })
    }

    /// The same with another limit for the server's answer.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit: limit.to_std().unwrap_or(ANSWER_LIMIT), ..self }
    }

    /// A JSON file.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        kind: DownloadTargetKind,
        name: &str,
    ) -> Artifact<T> {
        match Box::pin(self.stored(kind, name))
            .await
            .and_then(|stored| stored.map(|bytes| decode(&bytes)).transpose())
        {
            Ok(Some(content)) => Artifact::Here(content),
            Ok(None) => Artifact::Absent,
            Err(error) => Artifact::Unreadable(crate::failure::explain(&error).text),
        }
    }

    /// A text file, decompressed while it is read.
    pub(crate) async fn text(&self, kind: DownloadTargetKind, name: &str) -> anyhow::Result<impl Read> {
        let Some(stored) = self.stored(kind, name).await? else {
            return Err(Failure::new(format!("there is no log of {name:?} in the object store")).into());
        };
        Ok(MultiGzDecoder::new(Cursor::new(stored)))
    }

    /// Writes an archive as it is stored, whole or not at all. One that is stored damaged is written too, for what can be saved of
    /// it, and is an error.
    pub(crate) async fn save(&self, kind: DownloadTargetKind, name: &str, path: &Path) -> anyhow::Result<()> {
        let Some(mut pieces) = self.open(kind, name).await? else {
            return Err(Failure::new(format!("the archive of {name:?} is not in the object store")).into());
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        while let Some(piece) = pieces.try_next().await? {
            file.write_all(&piece)?;
        }
        file.as_file().sync_all()?;
        let mut archive = MultiGzDecoder::new(BufReader::new(file.reopen()?));
        let read =
            tokio::task::spawn_blocking(move || std::io::copy(&mut archive, &mut std::io::sink())).await?;
        file.persist(path)?;
        match read {
            Ok(_) => Ok(()),
            Err(damage) => Err(Failure::new(format!(
                "the archive of {name:?} was downloaded to {}, but it is damaged in the object store: {damage}",
                path.display()
            ))
            .hint("the object store may keep an older version of the file; what comes before the damage can be unpacked with tar")
            .into()),
        }
    }

    async fn stored(&self, kind: DownloadTargetKind, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(mut pieces) = self.open(kind, name).await? else { return Ok(None) };
        let mut stored = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            if stored.len() + piece.len() > MAX_STORED {
                return Err(Failure::new(format!("the file is larger than {} MiB", MAX_STORED >> 20)).into());
            }
            stored.extend_from_slice(&piece);
        }
        Ok(Some(stored))
    }

    /// Opens a file; `None` when the store has no such file.
    pub(crate) async fn open(&self, kind: DownloadTargetKind, name: &str) -> anyhow::Result<Option<Pieces>> {
        let address = self.address(kind, name).await?;
        match self.client.get(&address.url).send().await {
            Ok(answer) => direct(answer),
            Err(direct) => self.around(&address, &direct).await,
        }
    }

    /// Asks the server for an address.
    async fn address(&self, kind: DownloadTargetKind, name: &str) -> anyhow::Result<Address> {
        let id = uuid::Uuid::new_v4();
        let spec =
            DownloadRequestSpec { target: DownloadTarget { kind: kind.clone(), name: name.to_owned() } };
        let request = DownloadRequest::new(&format!("{}-{id}", name.to_lowercase()), spec);
        let created = self.cluster.create(&request).await?;
        let deadline = Instant::now() + self.limit;
        loop {
            let found = self.cluster.get::<DownloadRequest>(created.name()).await?;
            let status = found.object.status.clone();
            let annotations = found.object.metadata.annotations.clone().unwrap_or_default();
            if !status.download_url.is_empty() {
                let path = annotations.get(DOWNLOAD_PATH_ANNOTATION).cloned();
                return Ok(Address { url: status.download_url, path });
            }
            if status.phase.as_ref().is_some_and(|phase| *phase != DownloadRequestPhase::New) {
                let own = annotations.get(MESSAGE_ANNOTATION).map(String::as_str);
                let tree = found.tree()?;
                let why = own.or(tree["status"]["message"].as_str()).unwrap_or("it gave no address");
                return Err(
                    Failure::new(format!("the server can't hand out {kind} of {name:?}: {why}")).into()
                );
            }
            if Instant::now() >= deadline {
                return Err(self.silent(&kind, name));
            }
            sleep(PACE).await;
        }
    }

    fn silent(&self, kind: &DownloadTargetKind, name: &str) -> anyhow::Error {
        let Cluster { namespace, program, .. } = self.cluster;
        Failure::new(format!(
            "the server did not answer the request for {kind} of {name:?} within {:?}",
            self.limit
        ))
        .hint(format!("check that it runs: `kubectl -n {namespace} get pods`, `{program} version`"))
        .into()
    }

    /// The way through the API server, after the direct one has failed.
    async fn around(&self, address: &Address, direct: &reqwest::Error) -> anyhow::Result<Option<Pieces>> {
        let host = reqwest::Url::parse(&address.url)
            .ok()
            .and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)))
            .unwrap_or_default();
        // The error's own text holds the whole address, and who knows it can read the file.
        let direct = if direct.is_timeout() { "no answer in time".to_owned() } else { direct.source_text() };
        match proxy::open(self.cluster, address).await {
            Ok(pieces) => Ok(pieces),
            Err(through) => Err(Failure::new(format!(
                "the file can't be fetched from {host} ({direct}), nor through the API server ({})",
                crate::failure::explain(&through).text
            ))
            .hint(HINT)
            .maybe_hint(direct.contains("certificate").then(|| {
                "the bucket's certificate is not trusted: name its CA with --cacert FILE, or add --insecure-skip-tls-verify".to_owned()
            }))
            .into()),
        }
    }
}

/// The causes of an error of the HTTP client, without its own text, which holds the address.
trait SourceText {
    fn source_text(&self) -> String;
}

impl SourceText for reqwest::Error {
    fn source_text(&self) -> String {
        std::error::Error::source(self).map_or_else(|| "no connection".to_owned(), causes)
    }
}

fn direct(answer: reqwest::Response) -> anyhow::Result<Option<Pieces>> {
    use futures::StreamExt;

    let status = answer.status();
    if status == reqwest::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        let host = answer.url().host_str().unwrap_or_default().to_owned();
        return Err(Failure::new(format!("the object store at {host} answered {status}")).into());
    }
    let pieces = answer.bytes_stream().map_err(|error| std::io::Error::other(error.without_url()));
    Ok(Some(pieces.boxed()))
}

fn decode<T: DeserializeOwned>(stored: &[u8]) -> anyhow::Result<T> {
    let mut text = Vec::new();
    MultiGzDecoder::new(stored).take(MAX_JSON).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
