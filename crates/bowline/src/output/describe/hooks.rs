//! Hooks of a backup.

use bowline_api::backup::{BackupHooks, BackupResourceHook, BackupResourceHookSpec};

use super::{NONE, Text, list};
use crate::selector;

pub(super) fn describe(text: &mut Text, hooks: &BackupHooks) {
    if hooks.resources.is_empty() {
        text.field("Hooks", NONE);
        return;
    }
    text.section("Hooks", |text| {
        text.section("Resources", |text| hooks.resources.iter().for_each(|hook| resource(text, hook)));
    });
}

fn resource(text: &mut Text, hook: &BackupResourceHookSpec) {
    text.section(&hook.name, |text| {
        text.section("Namespaces", |text| {
            text.field("Included", list(&hook.included_namespaces, "*"));
            text.field("Excluded", list(&hook.excluded_namespaces, NONE));
        });
        text.gap();
        text.section("Resources", |text| {
            text.field("Included", list(&hook.included_resources, "*"));
            text.field("Excluded", list(&hook.excluded_resources, NONE));
        });
        text.gap();
        text.field("Label selector", selector::format(hook.label_selector.as_ref()));
        for (title, hooks) in [("Pre Exec Hook", &hook.pre), ("Post Exec Hook", &hook.post)] {
            for hook in hooks {
                command(text, title, hook);
            }
        }
    });
}

fn command(text: &mut Text, title: &str, hook: &BackupResourceHook) {
    let Some(exec) = &hook.exec else { return };
    text.gap();
    text.section(title, |text| {
        text.field("Container", &exec.container);
        text.field("Command", exec.command.join(" "));
        text.field("On Error", exec.on_error.as_ref().map(ToString::to_string).unwrap_or_default());
        text.field("Timeout", exec.timeout.to_string());
    });
}
