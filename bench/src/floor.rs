//! The floors: what the same requests cost without a backup program.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::Client;
use crate::workload::{COLLECTIONS, Set};

/// Reads the collections page by page across the cluster, one request after the other, and gzips what came.
pub(crate) async fn list_and_gzip(client: &Client) -> Result<Duration> {
    let start = Instant::now();
    let mut gzip = flate2::write::GzEncoder::new(std::io::sink(), flate2::Compression::default());
    for collection in COLLECTIONS {
        let mut next = String::new();
        loop {
            let body = client.get(&format!("{collection}?limit=500&continue={next}")).await?;
            gzip.write_all(&body)?;
            let list: serde_json::Value =
                serde_json::from_slice(&body[..body.len().min(400)]).unwrap_or_default();
            next = continue_token(&list, &body);
            if next.is_empty() {
                break;
            }
        }
    }
    gzip.finish()?;
    Ok(start.elapsed())
}

/// Creates a set's objects in fresh namespaces, with 8, 16 and 32 requests in flight, and gives the best time.
pub(crate) async fn create(client: &Client, set: &Set) -> Result<(Duration, usize)> {
    let mut best = (Duration::MAX, 0);
    for in_flight in [8, 16, 32] {
        let suffix = format!("-floor{in_flight}");
        let namespaces = set.namespaces(&suffix);
        client.create_namespaces(&namespaces).await?;
        let start = Instant::now();
        client.create_all(set.items(&suffix), in_flight).await?;
        best = best.min((start.elapsed(), in_flight));
        client.delete_namespaces(&namespaces).await?;
    }
    Ok(best)
}

/// Changes a label of each object of a set in namespaces with `suffix`, with as many requests in flight as paid best for
/// creating them. Whoever refreshes labels needs at least these requests.
pub(crate) async fn patch(client: &Client, set: &Set, suffix: &str, in_flight: usize) -> Result<Duration> {
    let start = Instant::now();
    client.label_all(set.items(suffix), in_flight).await?;
    Ok(start.elapsed())
}

/// The token stands in the list's metadata, which the API server writes before the items.
fn continue_token(head: &serde_json::Value, body: &[u8]) -> String {
    if let Some(token) = head["metadata"]["continue"].as_str() {
        return token.to_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]);
    let items = text.find("\"items\"").unwrap_or(text.len());
    let token = text[..items].split_once("\"continue\":\"").and_then(|(_, rest)| rest.split_once('"'));
    token.map(|(token, _)| token.to_owned()).unwrap_or_default()
}
