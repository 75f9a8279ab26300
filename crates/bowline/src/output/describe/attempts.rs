//! Attempts at a backup or restore, told where there was more than one.

use bowline_api::ObjectMeta;

use super::Text;

/// Says that a server took up again what another one had begun, and why that was necessary.
pub(super) fn describe(text: &mut Text, meta: &ObjectMeta) {
    let attempts = bowline_server::attempts(meta);
    if attempts.len() < 2 {
        return;
    }
    text.gap();
    text.section("Attempts", |text| {
        for attempt in &attempts {
            let end = attempt.ended.as_deref().unwrap_or("taken up again");
            text.line(format!("{} on {}: {end}", attempt.began, attempt.server));
        }
    });
}
