//! An unsuccessful answer of the API server, by meaning.

use std::time::Duration;

use bowline_engine::port::ClusterError;
use http::header::RETRY_AFTER;
use http::response::Parts;
use serde::Deserialize;

/// Longest message that is kept of an answer.
const MAX_MESSAGE: usize = 4096;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

/// The error that an answer with a status of 400 or above stands for.
pub(super) fn read(parts: &Parts, body: &[u8]) -> ClusterError {
    let code = parts.status.as_u16();
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let retry_after = pause(parts, &status);
    let message = text(&status, code, body);
    match (code, status.reason.as_str()) {
        (404, _) => ClusterError::NotFound { message },
        (409, "AlreadyExists") => ClusterError::AlreadyExists { message },
        (409, _) => ClusterError::Conflict { message },
        (410, _) => ClusterError::Expired,
        (401, _) => ClusterError::Unauthorized { message },
        (403, _) => ClusterError::Forbidden { message },
        (429, _) => ClusterError::TooManyRequests { retry_after },
        (503, _) if retry_after.is_some() => ClusterError::TooManyRequests { retry_after },
        (502..=504, _) => ClusterError::Unavailable { message },
        (400..=499, _) => ClusterError::Invalid { message },
        _ => ClusterError::Server { code, message },
    }
}

fn pause(parts: &Parts, status: &Status) -> Option<Duration> {
    let header = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let details = status.details.as_ref().and_then(|details| details.retry_after_seconds);
    header.or(details).map(Duration::from_secs)
}

fn text(status: &Status, code: u16, body: &[u8]) -> String {
    let message = if status.message.is_empty() {
        String::from_utf8_lossy(body).trim().to_owned()
    } else {
        status.message.clone()
    };
    match message.chars().nth(MAX_MESSAGE) {
        _ if message.is_empty() => format!("status {code} without a message"),
        Some(_) => message.chars().take(MAX_MESSAGE).chain(['…']).collect(),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, retry_after: Option<&str>, body: &str) -> ClusterError {
        let mut response = http::Response::builder().status(code);
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        read(&response.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn every_code_has_its_meaning() {
        let exists = r#"{"kind":"Status","message":"m","reason":"AlreadyExists","code":409}"#;
        assert!(answer(409, None, exists).is_already_exists());
        assert!(matches!(answer(409, None, r#"{"reason":"Conflict"}"#), ClusterError::Conflict { .. }));
        assert!(
            matches!(answer(422, None, r#"{"message":"bad"}"#), ClusterError::Invalid { message } if message == "bad")
        );
        assert!(
            matches!(answer(413, None, "too large"), ClusterError::Invalid { message } if message == "too large")
        );
        assert!(matches!(answer(504, None, ""), ClusterError::Unavailable { .. }));
        assert!(matches!(answer(500, None, "{}"), ClusterError::Server { code: 500, .. }));
        assert!(matches!(answer(410, None, "{}"), ClusterError::Expired));
    }

    #[test]
    fn the_pause_comes_from_the_header_or_the_status() {
        let three = Some(Duration::from_secs(3));
        assert_eq!(answer(429, Some("3"), "").retry_after(), three);
        assert_eq!(answer(503, None, r#"{"details":{"retryAfterSeconds":3}}"#).retry_after(), three);
        assert!(answer(429, None, "").retry_after().is_none() && answer(429, None, "").is_retryable());
    }
}
