//! The way of archive bytes from the writer to the object store: a bounded channel whose end must be said.
//!
//! A writer that is dropped without [`Sink::finish`] makes the reader fail. So an upload whose source died is aborted, and no
//! truncated archive is ever taken for a whole one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

/// Blocks in flight between writer and store; with blocks of about 1 MiB of input this is a few MiB at most.
const BLOCKS: usize = 4;

/// Where a writer puts finished blocks.
#[derive(Debug)]
pub struct Sink(mpsc::Sender<Option<Bytes>>);

/// The bytes of the archive as a stream, for an upload.
#[derive(Debug)]
pub struct Source {
    blocks: mpsc::Receiver<Option<Bytes>>,
    ended: bool,
}

/// A connected pair.
pub fn pipe() -> (Sink, Source) {
    let (tx, rx) = mpsc::channel(BLOCKS);
    (Sink(tx), Source { blocks: rx, ended: false })
}

impl Sink {
    /// Hands on a block; waits while the store is slower. Fails when the store has given up.
    pub async fn send(&self, block: Bytes) -> io::Result<()> {
        self.0.send(Some(block)).await.map_err(|_| gone())
    }

    /// Says that the archive is whole.
    pub async fn finish(self) -> io::Result<()> {
        self.0.send(None).await.map_err(|_| gone())
    }
}

impl Stream for Source {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.blocks.poll_recv(cx).map(|block| match block {
            Some(Some(bytes)) => Some(Ok(bytes)),
            Some(None) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::Error::new(
                    io::ErrorKind::BrokenPipe,
                    "the archive was abandoned before its end",
                )))
            }
        })
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the object store stopped taking the archive")
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn an_abandoned_archive_is_an_error_not_an_end() {
        let (sink, mut source) = pipe();
        sink.send(Bytes::from_static(b"a")).await.unwrap();
        drop(sink);
        assert!(source.next().await.unwrap().is_ok());
        assert!(source.next().await.unwrap().is_err());
        assert!(source.next().await.is_none());
    }

    #[tokio::test]
    async fn a_finished_archive_ends() {
        let (sink, mut source) = pipe();
        sink.finish().await.unwrap();
        assert!(source.next().await.is_none());
    }
}
