//! A kube client behind a fence.

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;

use super::{Fence, Fenced};

/// The same API server, for readers without limits and for writers only as long as the fence is open.
pub fn fenced_client(client: &Client, fence: &Fence) -> Client {
    let namespace = client.default_namespace().to_owned();
    let (client, fence) = (client.clone(), fence.clone());
    let service =
        tower::service_fn(move |request: Request<Body>| send(client.clone(), fence.clone(), request));
    Client::new(service, namespace)
}

async fn send(
    client: Client,
    fence: Fence,
    request: Request<Body>,
) -> Result<Response<Body>, tower::BoxError> {
    if !changes(&request) {
        return Ok(client.send(request).await?);
    }
    match fence.guard(client.send(request)).await {
        Ok(answer) => Ok(answer?),
        Err(error @ Fenced) => Err(error.into()),
    }
}

/// Whether a request may change something. A command in a container begins as a GET.
fn changes(request: &Request<Body>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !reads || request.uri().path().ends_with("/exec")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn a_closed_fence_lets_readers_through_and_no_writer() {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let service = tower::service_fn(move |_: Request<Body>| {
            counter.fetch_add(1, Relaxed);
            async { Ok::<_, tower::BoxError>(Response::new(Body::from(b"{}".to_vec()))) }
        });
        let fence = Fence::closed();
        let client = fenced_client(&Client::new(service, "velero"), &fence);
        let request = |method: Method, path: &str| {
            Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
        };
        assert!(client.send(request(Method::GET, "/api/v1/pods")).await.is_ok());
        for (method, path) in [
            (Method::POST, "/api/v1/pods"),
            (Method::PATCH, "/api/v1/pods/a"),
            (Method::DELETE, "/api/v1/pods/a"),
            (Method::GET, "/api/v1/namespaces/a/pods/b/exec"),
        ] {
            let error = client.send(request(method, path)).await.unwrap_err();
            assert!(matches!(error, kube::Error::Service(error) if error.is::<Fenced>()), "{path}");
        }
        assert_eq!(seen.load(Relaxed), 1);
    }
}
