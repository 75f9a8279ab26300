//! One log line in the two forms of logrus, which Velero's users search and parse: `time="…" level=info msg="…" backup=velero/web`
//! with the fields in order of their names, or the same as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use tracing::Level;

/// The form of log lines (`--log-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `key=value` pairs.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The fields of a line, `msg` among them.
pub(super) type Fields = BTreeMap<&'static str, String>;

const MESSAGE: &str = "msg";

impl Format {
    /// The line, with its end.
    pub(super) fn line(self, time: Timestamp, level: Level, fields: &Fields) -> String {
        let time = Timestamp::from_second(time.as_second()).unwrap_or(time).to_string();
        match self {
            Self::Text => text(&time, name(level), fields),
            Self::Json => json(&time, name(level), fields),
        }
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn text(time: &str, level: &str, fields: &Fields) -> String {
    let mut line = format!("time=\"{time}\" level={level} msg=");
    value(&mut line, fields.get(MESSAGE).map_or("", String::as_str));
    for (key, field) in fields.iter().filter(|(key, field)| **key != MESSAGE && !field.is_empty()) {
        let _ = write!(line, " {key}=");
        value(&mut line, field);
    }
    line.push('\n');
    line
}

/// Quotes what logrus quotes: everything but letters, digits and `-._/@^+`.
fn value(line: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            c if c.is_control() => drop(write!(line, "\\x{:02x}", c as u32)),
            c => line.push(c),
        }
    }
    line.push('"');
}

fn json(time: &str, level: &str, fields: &Fields) -> String {
    let mut all: BTreeMap<&str, &str> = fields
        .iter()
        .filter(|(_, field)| !field.is_empty())
        .map(|(key, field)| (*key, field.as_str()))
        .collect();
    all.extend([("time", time), ("level", level)]);
    let mut line = serde_json::to_string(&all).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        [
            ("msg", "it \"works\"\n".to_owned()),
            ("backup", "velero/web".into()),
            ("a", "x=1".into()),
            ("name", String::new()),
        ]
        .into()
    }

    #[test]
    fn text_is_as_logrus_writes_it() {
        let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(
            Format::Text.line(time, Level::WARN, &fields()),
            "time=\"2026-01-02T03:04:05Z\" level=warning msg=\"it \\\"works\\\"\\n\" a=\"x=1\" backup=velero/web\n"
        );
    }

    #[test]
    fn json_has_the_same_fields() {
        let time = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(
            Format::Json.line(time, Level::INFO, &fields()),
            r#"{"a":"x=1","backup":"velero/web","level":"info","msg":"it \"works\"\n","time":"2026-01-02T03:04:05Z"}"#.to_owned() + "\n"
        );
    }
}
