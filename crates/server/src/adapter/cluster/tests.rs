//! The adapter over a scripted API server: which requests it sends, and what it makes of the answers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use kube::client::Body;

use super::*;

type Log = Arc<Mutex<Vec<String>>>;

/// A server that answers by path; unknown paths are 404.
fn server(routes: Vec<(&'static str, StatusCode, &'static str)>) -> (ApiServer, Log) {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let service = tower::service_fn(move |request: Request<Body>| {
        let target = request.uri().path_and_query().unwrap().to_string();
        seen.lock().unwrap().push(format!("{} {target}", request.method()));
        let route = routes.iter().find(|(path, ..)| *path == target);
        let (status, body) =
            route.map_or((StatusCode::NOT_FOUND, "{}"), |(_, status, body)| (*status, *body));
        let answer =
            Response::builder().status(status).body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    let client = kube::Client::new(service, "default");
    let connection = Connection { client, url: String::new(), default_namespace: String::new(), limit: None };
    (ApiServer::new(&connection), log)
}

fn secrets() -> Kind {
    Kind::builtin("", "v1", "Secret", "secrets", true)
}

const CORE: &str = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":""},"versions":[{"version":"v1","freshness":"Current",
    "resources":[{"resource":"pods","singularResource":"pod","shortNames":["po"],"scope":"Namespaced","verbs":["get","list"],
    "responseKind":{"group":"","version":"v1","kind":"Pod"},"subresources":[{"subresource":"log"}]}]}]}]}"#;
const GROUPS: &str = r#"{"kind":"APIGroupDiscoveryList","items":[
    {"metadata":{"name":"apps"},"versions":[
        {"version":"v1","freshness":"Current","resources":[{"resource":"deployments","scope":"Namespaced","verbs":["list"],"responseKind":{"kind":"Deployment"}}]},
        {"version":"v1beta1","freshness":"Current","resources":[{"resource":"deployments","scope":"Namespaced","verbs":["list"],"responseKind":{"kind":"Deployment"}}]}]},
    {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale","resources":[]}]}]}"#;

#[tokio::test]
async fn aggregated_discovery_takes_two_requests_and_names_dead_groups() {
    let (server, log) = server(vec![("/api", StatusCode::OK, CORE), ("/apis", StatusCode::OK, GROUPS)]);
    let catalog = server.discover().await.unwrap();
    let names: Vec<_> =
        catalog.all().iter().map(|kind| format!("{} {}", kind.plural, kind.api_version())).collect();
    assert_eq!(names, ["pods v1", "deployments apps/v1", "deployments apps/v1beta1"]);
    assert_eq!(catalog.resolve("po").unwrap().kind, "Pod");
    assert_eq!(catalog.broken()[0].api_version, "metrics.k8s.io/v1beta1");
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn discovery_falls_back_to_groups_and_survives_a_dead_one() {
    let groups = r#"{"kind":"APIGroupList","groups":[
        {"name":"apps","versions":[{"version":"v1beta1"},{"version":"v1"}],"preferredVersion":{"version":"v1"}},
        {"name":"dead","versions":[{"version":"v1"}]}]}"#;
    let apps = r#"{"resources":[{"name":"deployments","singularName":"deployment","namespaced":true,"kind":"Deployment","verbs":["list"]},
        {"name":"deployments/scale","namespaced":true,"kind":"Scale","verbs":["get"]}]}"#;
    let (server, _) = server(vec![
        ("/api", StatusCode::OK, r#"{"kind":"APIVersions","versions":["v1"]}"#),
        (
            "/api/v1",
            StatusCode::OK,
            r#"{"resources":[{"name":"pods","namespaced":true,"kind":"Pod","verbs":["list"]}]}"#,
        ),
        ("/apis", StatusCode::OK, groups),
        ("/apis/apps/v1", StatusCode::OK, apps),
        ("/apis/apps/v1beta1", StatusCode::OK, apps),
        ("/apis/dead/v1", StatusCode::SERVICE_UNAVAILABLE, "down"),
    ]);
    let catalog = server.discover().await.unwrap();
    let names: Vec<_> =
        catalog.preferred().map(|kind| format!("{} {}", kind.plural, kind.api_version())).collect();
    assert_eq!(names, ["pods v1", "deployments apps/v1"]);
    assert_eq!(catalog.broken()[0].api_version, "dead/v1");
}

#[tokio::test]
async fn a_list_asks_for_its_page_and_refuses_more_than_allowed() {
    let path = "/api/v1/namespaces/a/secrets?limit=2&continue=t";
    let body = r#"{"metadata":{"continue":"next"},"items":[{"metadata":{"name":"s","namespace":"a"}}]}"#;
    let (server, _) = server(vec![(path, StatusCode::OK, body)]);
    let query = ListQuery { namespace: Some("a".into()), ..ListQuery::default() };
    let mut page = PageRequest { limit: 2, continue_token: Some("t".into()), max_bytes: 1000 };
    let found = server.list(&secrets(), &query, &page).await.unwrap();
    assert_eq!(
        (found.items[0].head().kind.as_str(), found.continue_token.as_deref()),
        ("Secret", Some("next"))
    );
    page.max_bytes = 10;
    let error = server.list(&secrets(), &query, &page).await.unwrap_err();
    assert!(matches!(error, ClusterError::PageTooLarge { max_bytes: 10 }));
}

#[tokio::test]
async fn writes_carry_their_options() {
    let (server, log) = server(vec![]);
    let object = ObjectRef { kind: Arc::new(secrets()), namespace: Some("a".into()), name: "s".into() };
    let options = WriteOptions { field_manager: "m".into(), dry_run: true };
    let refused = server.create(&object, Bytes::from_static(b"{}"), &options).await.unwrap_err();
    let _ =
        server.patch(&object, Some("status"), &Patch::Apply(Bytes::new()), &WriteOptions::default()).await;
    let _ = server.delete(&object).await;
    assert!(refused.is_not_found());
    assert_eq!(
        *log.lock().unwrap(),
        [
            "POST /api/v1/namespaces/a/secrets?fieldManager=m&dryRun=All",
            "PATCH /api/v1/namespaces/a/secrets/s/status?force=true",
            "DELETE /api/v1/namespaces/a/secrets/s?propagationPolicy=Background",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_condition_or_the_deadline() {
    let (server, _) = server(vec![]);
    let object = ObjectRef { kind: Arc::new(secrets()), namespace: Some("a".into()), name: "s".into() };
    let deadline = Duration::from_secs(5);
    server.wait(&object, Arc::new(|found| found.is_none()), deadline).await.unwrap();
    let error = server.wait(&object, Arc::new(|found| found.is_some()), deadline).await.unwrap_err();
    assert!(matches!(error, ClusterError::Timeout));
}
