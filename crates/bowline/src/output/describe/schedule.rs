//! `schedule describe`.

use bowline_api::Schedule;

use super::{Text, metadata, spec, switch};
use crate::cron;
use crate::output::screen::Style;
use crate::output::time::Now;
use crate::session::Session;

/// The description for people.
pub(crate) fn text(session: &Session, schedule: &Schedule) -> String {
    render(session, schedule, &Now::here())
}

pub(super) fn render(session: &Session, schedule: &Schedule, now: &Now) -> String {
    let mut text = Text::default();
    let screen = &session.screen;
    let phase = schedule.status.phase.as_ref().map_or_else(|| "New".to_owned(), ToString::to_string);
    metadata(&mut text, screen, &schedule.metadata);
    text.field("Phase", screen.phase(&phase));
    text.gap();
    if !schedule.status.validation_errors.is_empty() {
        let errors = schedule.status.validation_errors.join("\n");
        text.field("Validation errors", screen.style(Style::Red, errors));
        if let Some(place) = cron::place(&schedule.spec.schedule) {
            text.field("Where", place);
        }
        text.gap();
    }
    text.field("Paused", schedule.spec.paused.to_string());
    text.gap();
    text.field("Schedule", &schedule.spec.schedule);
    text.gap();
    text.section("Backup Template", |text| spec::describe(text, &schedule.spec.template));
    text.gap();
    if let Some(skip) = schedule.spec.skip_immediately {
        text.field("Skip Immediately", switch(Some(skip), "true", "false", ""));
        text.gap();
    }
    text.field("Last Backup", now.absolute_or(schedule.status.last_backup.as_ref(), "<never>"));
    text.finish(screen)
}
