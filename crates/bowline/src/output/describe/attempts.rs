//! Attempts at a backup or restore, told where there was more than one.

use bowline_api::ObjectMeta;
use bowline_server::ATTEMPTS_ANNOTATION;
use serde_json::Value;

use super::Text;

/// Says that a server took up again what another one had begun, and why that was necessary.
pub(super) fn describe(text: &mut Text, meta: &ObjectMeta) {
    let noted = meta.annotations.as_ref().and_then(|annotations| annotations.get(ATTEMPTS_ANNOTATION));
    let attempts: Vec<Value> = noted.and_then(|noted| serde_json::from_str(noted).ok()).unwrap_or_default();
    if attempts.len() < 2 {
        return;
    }
    let part = |attempt: &Value, field: &str| attempt[field].as_str().unwrap_or_default().to_owned();
    text.gap();
    text.section("Attempts", |text| {
        for attempt in &attempts {
            let (began, server, ended) =
                (part(attempt, "began"), part(attempt, "server"), part(attempt, "ended"));
            let end = if ended.is_empty() { "taken up again".to_owned() } else { ended };
            text.line(format!("{began} on {server}: {end}"));
        }
    });
}
