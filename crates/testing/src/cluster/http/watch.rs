//! Watches: what has changed since a revision, then what changes, until the client's time is over.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bowline_engine::port::ListQuery;
use bytes::Bytes;
use futures::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{self, Content};
use super::route::{Incoming, Objects};
use crate::MemoryCluster;
use crate::cluster::port::is_selected;
use crate::cluster::state::{Change, State};

/// How long a watch lasts whose client says nothing about it.
const LASTS: Duration = Duration::from_mins(30);

struct Watch {
    cluster: Arc<MemoryCluster>,
    changed: tokio::sync::watch::Receiver<u64>,
    objects: (String, Value),
    query: ListQuery,
    seen: u64,
    bookmarks: bool,
    ends: Instant,
    lines: VecDeque<Value>,
    ended: bool,
}

pub(super) fn start(
    cluster: &Arc<MemoryCluster>,
    state: &State,
    incoming: &Incoming,
    objects: &Objects,
    query: ListQuery,
    from: &str,
) -> Response<Content> {
    let seen = from.parse().unwrap_or_else(|_| state.revision());
    let seconds = incoming.parameter("timeoutSeconds").and_then(|seconds| seconds.parse().ok());
    let shape = json!({"apiVersion": objects.kind.api_version(), "kind": objects.kind.kind});
    let watch = Watch {
        cluster: Arc::clone(cluster),
        changed: state.subscribe(),
        objects: (objects.kind.group_resource().to_string(), shape),
        query,
        seen,
        bookmarks: incoming.is_set("allowWatchBookmarks"),
        ends: Instant::now() + seconds.map_or(LASTS, Duration::from_secs),
        lines: VecDeque::new(),
        ended: false,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, io::Error>(Frame::data(Bytes::from(format!("{line}\n")))), watch))
    });
    answer::response(200, BodyExt::boxed_unsync(StreamBody::new(lines)))
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.changed.mark_unchanged();
            self.read();
            if self.lines.is_empty() && !self.ended {
                let woken = tokio::time::timeout_at(self.ends, self.changed.changed()).await;
                if woken.is_err() {
                    self.end();
                }
            }
        }
    }

    /// Takes over what has changed.
    fn read(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let state = cluster.lock();
        let Some(changes) = state.changes_after(self.seen) else {
            let gone = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired",
                "message": "too old resource version", "code": 410,
            });
            self.lines.push_back(json!({"type": "ERROR", "object": gone}));
            self.ended = true;
            return;
        };
        for change in changes {
            self.seen = change.revision;
            self.lines.extend(self.line(change));
        }
    }

    fn line(&self, change: &Change) -> Option<Value> {
        let wanted = change.key.0 == self.objects.0 && is_selected(&self.query, &change.key, &change.object);
        wanted.then(|| json!({"type": change.kind, "object": change.object}))
    }

    fn end(&mut self) {
        self.ended = true;
        if self.bookmarks {
            let mut object = self.objects.1.clone();
            object["metadata"]["resourceVersion"] = self.seen.to_string().into();
            self.lines.push_back(json!({"type": "BOOKMARK", "object": object}));
        }
    }
}
