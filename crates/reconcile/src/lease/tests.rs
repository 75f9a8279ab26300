//! Two candidates over a Lease in memory.

use std::sync::Mutex;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// An API server with one Lease, which checks resource versions, and can be cut off.
#[derive(Default)]
struct Server {
    lease: Mutex<Option<Value>>,
    cut: Mutex<bool>,
}

impl Server {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, tower::BoxError> {
        if *self.cut.lock().unwrap() {
            return Err("cut off".into());
        }
        let (parts, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap_or_default();
        let (code, answer) = self.apply(&parts.method, body);
        Ok(Response::builder().status(code).body(Body::from(serde_json::to_vec(&answer)?))?)
    }

    fn apply(&self, method: &Method, mut body: Value) -> (u16, Value) {
        let refusal = |code: u16| {
            let reason = if code == 404 { "NotFound" } else { "Conflict" };
            let message = "refused";
            (
                code,
                json!({"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}),
            )
        };
        let mut lease = self.lease.lock().unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().map(ToOwned::to_owned);
        match (method, lease.as_ref()) {
            (&Method::GET, Some(lease)) => return (200, lease.clone()),
            (&Method::GET, None) => return refusal(404),
            (&Method::POST, Some(_)) => return refusal(409),
            (&Method::PUT, Some(lease)) if version(lease) != version(&body) => return refusal(409),
            _ => {}
        }
        let next =
            lease.as_ref().and_then(version).and_then(|v| v.parse::<u64>().ok()).unwrap_or_default() + 1;
        body["metadata"]["resourceVersion"] = json!(next.to_string());
        *lease = Some(body.clone());
        (200, body)
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        lease
            .as_ref()
            .map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
            .unwrap_or_default()
    }
}

fn candidate(server: &Arc<Server>, identity: &str) -> Candidate {
    let server = Arc::clone(server);
    let service = tower::service_fn(move |request| Arc::clone(&server).answer(request));
    let leases = Api::namespaced(kube::Client::new(service, "velero"), "velero");
    let start = Instant::now();
    let clock = move || Timestamp::UNIX_EPOCH + start.elapsed();
    Candidate::new(leases, "bowline", identity, Timing::default(), Arc::new(clock))
}

#[tokio::test(start_paused = true)]
async fn a_second_server_waits_and_takes_over_within_twenty_seconds_of_a_kill() {
    let server = Arc::new(Server::default());
    let (first, second) = (candidate(&server, "a"), candidate(&server, "b"));
    let fence = Fence::closed();
    let mut held = first.acquire().await;
    let leader = tokio::spawn(async move { first.keep(&mut held, &fence).await });
    let successor = tokio::spawn(async move { second.acquire().await });
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(!successor.is_finished());
    leader.abort();
    let killed = Instant::now();
    successor.await.unwrap();
    assert!(killed.elapsed() <= Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_once() {
    let server = Arc::new(Server::default());
    let (first, second) = (candidate(&server, "a"), candidate(&server, "b"));
    let held = first.acquire().await;
    let successor = tokio::spawn(async move { second.acquire().await });
    tokio::time::sleep(Duration::from_secs(10)).await;
    let start = Instant::now();
    first.release(held).await;
    successor.await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_right_of_a_leader_that_is_cut_off_has_ended_before_another_one_leads() {
    let server = Arc::new(Server::default());
    let (first, second) = (candidate(&server, "a"), candidate(&server, "b"));
    let fence = Fence::closed();
    let mut held = first.acquire().await;
    let kept = fence.clone();
    let leader = tokio::spawn(async move {
        first.keep(&mut held, &kept).await;
        Instant::now()
    });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(fence.check(), Ok(()));
    // Only the first is cut off, so its way to the server is; the second sees the Lease as it was left.
    *server.cut.lock().unwrap() = true;
    let lost = leader.await.unwrap();
    assert!(fence.check().is_err());
    *server.cut.lock().unwrap() = false;
    second.acquire().await;
    assert!(Instant::now() - lost >= Duration::from_secs(3), "{:?}", Instant::now() - lost);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_stops_at_once_and_one_that_was_only_touched_goes_on() {
    let server = Arc::new(Server::default());
    let first = candidate(&server, "a");
    let fence = Fence::closed();
    let mut held = first.acquire().await;
    let kept = fence.clone();
    let leader = tokio::spawn(async move { first.keep(&mut held, &kept).await });
    let change = |holder: &str| {
        let mut lease = server.lease.lock().unwrap();
        let lease = lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!(holder);
        lease["metadata"]["resourceVersion"] = json!("1000");
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    change("a");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(fence.check().is_ok());
    change("thief");
    leader.await.unwrap();
    assert!(fence.check().is_err());
    assert_eq!(server.holder(), "thief");
}
