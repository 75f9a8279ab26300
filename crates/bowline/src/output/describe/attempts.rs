//! Attempts at a backup or restore, told where there was more than one.

use bowline_api::{ObjectMeta, Time};

use super::Text;
use crate::output::time::Now;

/// Says that a server took up again what another one had begun, and why that was necessary.
pub(super) fn describe(text: &mut Text, meta: &ObjectMeta, now: &Now) {
    let attempts = bowline_server::attempts(meta);
    if attempts.len() < 2 {
        return;
    }
    text.gap();
    text.section("Attempts", |text| {
        for attempt in &attempts {
            let end = attempt.ended.as_deref().unwrap_or("taken up again");
            let began = now.absolute(Some(&Time(attempt.began)));
            text.line(format!("{began} on {}: {end}", attempt.server));
        }
    });
}
