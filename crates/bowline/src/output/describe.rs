//! Descriptions of backups, restores and schedules: Velero's sections in Velero's order, but what failed comes first.

mod attempts;
pub(crate) mod backup;
mod hooks;
pub(crate) mod restore;
mod results;
pub(crate) mod schedule;
mod spec;
mod structured;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bowline_api::artifact::Results;
use bowline_api::{Kind, ObjectMeta};
use bowline_server::ATTEMPTS_ANNOTATION;
use clap::ValueEnum;
use serde_json::Value;

use super::encode::{Encoding, encode};
use super::screen::{Screen, Style};
use super::tabs;
use crate::download::Artifact;
use crate::failure::Failure;

/// Forms of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Plaintext,
    Json,
    Yaml,
}

impl Form {
    /// Programs get one description at a time: of what was named, or of the only one that is there.
    pub(crate) fn check(self, noun: &str, count: usize) -> Result<(), Failure> {
        if self == Self::Plaintext || count <= 1 {
            return Ok(());
        }
        Err(Failure::new(format!("-o json and -o yaml describe one {noun}, not {count}"))
            .hint("give one name"))
    }

    /// A description in this form: from its tree, or its text for people.
    pub(crate) fn render(
        self,
        tree: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<String> {
        match self {
            Self::Plaintext => Ok(text()),
            Self::Json => structured::indented(&tree()),
            Self::Yaml => encode(&tree(), Encoding::Yaml),
        }
    }
}

/// Word for an empty list or map.
const NONE: &str = "<none>";

/// A description under construction. Values stand behind a tab, so that they are aligned in the end.
#[derive(Default)]
struct Text {
    text: String,
    depth: usize,
}

impl Text {
    /// `name:` with a value. Further lines of the value are put under its first one.
    fn field(&mut self, name: &str, value: impl AsRef<str>) {
        // A tab of the value's own would begin another column.
        let value = value.as_ref().replace('\t', " ");
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        let indent = self.indent();
        self.push(&[&indent, name, ":\t", first]);
        for line in lines {
            self.push(&[&indent, "\t", line]);
        }
    }

    /// A line of its own.
    fn line(&mut self, line: impl AsRef<str>) {
        let indent = self.indent();
        self.push(&[&indent, line.as_ref()]);
    }

    /// An empty line.
    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// `name:` with indented lines below.
    fn section(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        self.line(format!("{name}:"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    fn push(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied().chain(["\n"]));
    }

    fn indent(&self) -> String {
        "  ".repeat(self.depth)
    }

    fn finish(self, screen: &Screen) -> String {
        tabs::expand_within(&self.text, tabs::DESCRIPTION, screen.width)
    }
}

/// Errors and warnings of a restore that has just been run.
pub(crate) fn findings(screen: &Screen, found: Results, counts: (i32, i32)) -> String {
    let mut text = Text::default();
    results::describe(&mut text, screen, &Artifact::Here(found), counts, false);
    text.finish(screen)
}

/// Name, namespace, labels and annotations.
fn metadata(text: &mut Text, screen: &Screen, meta: &ObjectMeta) {
    text.field("Name", screen.style(Style::Bold, meta.name.as_deref().unwrap_or_default()));
    text.field("Namespace", meta.namespace.as_deref().unwrap_or_default());
    text.field("Labels", map(meta.labels.as_ref()));
    let annotations = meta.annotations.clone().map(|mut annotations| {
        // The server's own notes are told in words.
        annotations.remove(ATTEMPTS_ANNOTATION);
        annotations
    });
    text.field("Annotations", map(annotations.as_ref()));
    text.gap();
}

/// A map, a line an entry.
fn map(entries: Option<&BTreeMap<String, String>>) -> String {
    let entries: Vec<String> =
        entries.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    if entries.is_empty() { NONE.to_owned() } else { entries.join("\n") }
}

/// A list in one line; the given word for an empty one.
fn list(entries: &[String], none: &str) -> String {
    if entries.is_empty() { none.to_owned() } else { entries.join(", ") }
}

/// A switch with three states.
fn switch<'a>(value: Option<bool>, on: &'a str, off: &'a str, absent: &'a str) -> &'a str {
    match value {
        Some(true) => on,
        Some(false) => off,
        None => absent,
    }
}

/// The phase, with the command that tells more when something went wrong.
fn phase<K: Kind>(screen: &Screen, program: &str, noun: &str, object: &K, phase: &str) -> String {
    let shown = screen.phase(phase);
    let name = object.meta().name.as_deref().unwrap_or_default();
    match phase {
        "PartiallyFailed" | "Failed" => {
            format!("{shown} (run '{program} {noun} logs {name}' for more information)")
        }
        _ => shown,
    }
}
