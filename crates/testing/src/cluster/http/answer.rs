//! Answers in the API server's words.

use bowline_engine::port::{ClusterError, ObjectRef, ServerVersion};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::route::Route;

/// The body of an answer.
pub(super) type Content = UnsyncBoxBody<Bytes, std::io::Error>;

pub(super) fn object(code: u16, object: &Value) -> Response<Content> {
    response(code, text(object.to_string()))
}

fn text(text: String) -> Content {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn response(code: u16, body: Content) -> Response<Content> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a code of ours");
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

pub(super) fn no_page() -> Response<Content> {
    let mut response = response(404, text("404 page not found\n".to_owned()));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    response
}

pub(super) fn version(version: &ServerVersion) -> Response<Content> {
    let ServerVersion { git_version, major, minor } = version;
    let text = [("gitCommit", ""), ("gitTreeState", "clean"), ("buildDate", ""), ("goVersion", "")];
    let mut body =
        json!({"major": major, "minor": minor, "gitVersion": git_version, "compiler": "", "platform": ""});
    for (name, value) in text {
        body[name] = value.into();
    }
    object(200, &body)
}

/// What a deletion answers when the object is gone at once.
pub(super) fn deleted(reference: &ObjectRef, before: &Value) -> Response<Content> {
    let kind = &reference.kind;
    // What a test stored word for word may have none.
    let uid = before["metadata"]["uid"].as_str().unwrap_or_default();
    let details = json!({"name": reference.name, "group": kind.group, "kind": kind.plural, "uid": uid});
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    object(200, &body)
}

pub(super) fn failure(error: &ClusterError, route: &Route) -> Response<Content> {
    let (code, reason) = meaning(error);
    let mut details = json!({});
    if let Route::Objects(objects) = route {
        details = json!({
            "name": objects.name.clone().unwrap_or_default(),
            "group": objects.kind.group, "kind": objects.kind.plural,
        });
    }
    let pause = error.retry_after().map(|pause| pause.as_secs());
    if let Some(seconds) = pause {
        details["retryAfterSeconds"] = seconds.into();
    }
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": error.to_string(), "reason": reason, "details": details, "code": code,
    });
    let mut response = object(code, &body);
    if let Some(seconds) = pause {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn meaning(error: &ClusterError) -> (u16, &'static str) {
    match error {
        ClusterError::NotFound { .. } => (404, "NotFound"),
        ClusterError::AlreadyExists { .. } => (409, "AlreadyExists"),
        ClusterError::Conflict { .. } => (409, "Conflict"),
        ClusterError::Invalid { .. } => (422, "Invalid"),
        ClusterError::Forbidden { .. } => (403, "Forbidden"),
        ClusterError::Unauthorized { .. } => (401, "Unauthorized"),
        ClusterError::Expired => (410, "Expired"),
        ClusterError::TooManyRequests { .. } => (429, "TooManyRequests"),
        ClusterError::Server { code, .. } => (*code, "InternalError"),
        ClusterError::Timeout
        | ClusterError::Unavailable { .. }
        | ClusterError::PageTooLarge { .. }
        | ClusterError::Decode { .. } => (500, "InternalError"),
    }
}
