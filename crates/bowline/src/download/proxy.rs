//! The way round: the API server passes the request on to the server's pod, which answers for its own files.

use futures::{AsyncReadExt, StreamExt};
use kube::api::ListParams;
use serde_json::Value;

use super::{Address, Pieces};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::follow::SERVER;

/// Port of the server's own listener, the default of `--metrics-address`.
const PORT: u16 = 8085;
/// Size of a piece.
const PIECE: usize = 64 << 10;

/// Opens the file behind an address of the server by way of the API server; `None` when there is no such file.
pub(super) async fn open(cluster: &Cluster, address: &Address) -> anyhow::Result<Option<Pieces>> {
    let Some(path) = &address.path else {
        return Err(Failure::new("the server does not hand it out itself").into());
    };
    let pod = server_pod(cluster).await?;
    let path = format!("/api/v1/namespaces/{}/pods/{pod}:{PORT}/proxy{path}", cluster.namespace);
    let request = http::Request::get(path).body(Vec::new())?;
    match cluster.client.request_stream(request).await {
        Ok(reader) => Ok(Some(pieces(reader))),
        Err(error) if crate::cluster::is_not_found(&error) => {
            Err(Failure::new(format!("the pod {pod} does not serve it")).into())
        }
        Err(error) => Err(Failure::new(crate::failure::causes(&error)).into()),
    }
}

async fn server_pod(cluster: &Cluster) -> anyhow::Result<String> {
    let request = kube::core::Request::new(format!("/api/v1/namespaces/{}/pods", cluster.namespace));
    let request =
        request.list_metadata(&ListParams::default().labels(SERVER)).map_err(kube::Error::BuildRequest);
    let pods: Value = cluster.send_raw(request).await?;
    match pods["items"][0]["metadata"]["name"].as_str() {
        Some(name) => Ok(name.to_owned()),
        None => {
            Err(Failure::new(format!("no pod in namespace {:?} has the label {SERVER}", cluster.namespace))
                .into())
        }
    }
}

fn pieces(reader: impl futures::AsyncBufRead + Send + 'static) -> Pieces {
    let reader = Box::pin(reader);
    futures::stream::try_unfold(reader, |mut reader| async move {
        let mut piece = vec![0; PIECE];
        let read = reader.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (piece.into(), reader)))
    })
    .boxed()
}
