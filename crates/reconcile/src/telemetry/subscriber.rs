//! The tracing layer behind both logs: it gathers the fields of an event and of the spans around it into one line.

use std::io::Write;
use std::str::FromStr;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::line::{Fields, Format};
use super::run_log::{RunLogs, Sink};
use super::trace::Traces;

/// How much is logged (`--log-level`), with logrus' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(LevelFilter);

/// Names of the levels, the least talkative first.
const LEVELS: [&str; 7] = ["panic", "fatal", "error", "warning", "info", "debug", "trace"];

impl Default for Level {
    fn default() -> Self {
        Self(LevelFilter::INFO)
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "panic" | "fatal" | "error" => LevelFilter::ERROR,
            "warning" | "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(format!("unknown log level {text:?}, use one of {}", LEVELS.join(", "))),
        }))
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How much.
    pub level: Level,
    /// In which form.
    pub format: Format,
}

/// A layer that writes to `writer` and to the logs of the runs. Libraries say only warnings, or what is asked for by `debug` and
/// `trace` one level less than ours.
pub fn layer<S, W>(settings: Settings, runs: RunLogs, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn() -> Box<dyn Write> + Send + Sync + 'static,
{
    let libraries = match settings.level.0 {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        LevelFilter::DEBUG => LevelFilter::INFO,
        level => level.min(LevelFilter::WARN),
    };
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("bowline", settings.level.0)
        .with_target(bowline_api::trace::TARGET, LevelFilter::OFF);
    Lines { format: settings.format, runs, writer }.with_filter(filter)
}

/// Makes the layer, on standard output, the log of the process, and sends traces if they are wanted. Fails when there is a log already.
pub fn install(settings: Settings, traces: Option<&Traces>) -> Result<RunLogs, SetGlobalDefaultError> {
    let runs = RunLogs::default();
    let layer = layer(settings, runs.clone(), || Box::new(std::io::stdout()));
    let registry = tracing_subscriber::registry().with(layer);
    match traces {
        Some(traces) => tracing::subscriber::set_global_default(registry.with(traces.layer()))?,
        None => tracing::subscriber::set_global_default(registry)?,
    }
    Ok(runs)
}

struct Lines<W> {
    format: Format,
    runs: RunLogs,
    writer: W,
}

/// What a span adds to the lines inside it.
struct SpanFields {
    fields: Fields,
    sink: Option<Sink>,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn() -> Box<dyn Write> + Send + Sync + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut visitor = Visitor::default();
        attributes.record(&mut visitor);
        let fields = visitor.0;
        let run = ["backup", "restore"].into_iter().find_map(|kind| self.runs.find(kind, fields.get(kind)?));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields { fields, sink: run });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut visitor = Visitor::default();
        event.record(&mut visitor);
        let mut fields = visitor.0;
        let mut sink = None;
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(outer) = extensions.get::<SpanFields>() else { continue };
            for (key, value) in &outer.fields {
                fields.entry(key).or_insert_with(|| value.clone());
            }
            sink = sink.or_else(|| outer.sink.clone());
        }
        let metadata = event.metadata();
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            fields.insert("logSource", format!("{}:{line}", short(file)));
        }
        let line = self.format.line(Timestamp::now(), *metadata.level(), &fields);
        if let Some(sink) = sink {
            sink.write(&line);
        }
        // A closed standard output is no reason to stop a backup.
        let _ = (self.writer)().write_all(line.as_bytes());
    }
}

/// The part of a source path that means something to its readers: of ours all, of a library the file and its folder. The rest is about
/// the machine that built it.
fn short(file: &str) -> &str {
    let own = file.rfind("crates/");
    let last_two = || file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    &file[own.unwrap_or_else(last_two)..]
}

#[derive(Default)]
struct Visitor(Fields);

impl Visitor {
    fn add(&mut self, field: &Field, value: String) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name, value);
    }
}

impl Visit for Visitor {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        self.add(field, text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::{Arc, Mutex};

    use super::*;
    use flate2::read::GzDecoder;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_run_gets_the_lines_of_its_spans_and_the_server_gets_all() {
        let (runs, shared) = (RunLogs::default(), Shared::default());
        let log = runs.start("backup", "velero/web").unwrap();
        let writer = shared.clone();
        let layer = layer(Settings::default(), runs, move || Box::new(writer.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(target: "bowline", "before");
            let span = tracing::info_span!(target: "bowline", "backup", backup = "velero/web");
            span.in_scope(|| {
                let inner = tracing::info_span!(target: "bowline", "item", resource = "pods");
                inner.in_scope(|| tracing::info!(target: "bowline", name = "a b", "stored"));
                tracing::debug!(target: "bowline", "too much");
            });
        });
        let mut text = String::new();
        GzDecoder::new(log.finish().unwrap().file).read_to_string(&mut text).unwrap();
        assert!(
            text.contains("level=info msg=stored backup=velero/web logSource=\"crates/reconcile/"),
            "{text}"
        );
        assert!(text.ends_with(" name=\"a b\" resource=pods\n") && text.lines().count() == 1, "{text}");
        let all = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(all.contains("msg=before") && all.ends_with(&text), "{all}");
    }

    #[test]
    fn source_paths_say_nothing_about_the_machine() {
        assert_eq!(short("/home/x/bowline/crates/server/src/lib.rs"), "crates/server/src/lib.rs");
        assert_eq!(short("/home/x/.registry/src/kube-5.0.0/src/client/builder.rs"), "client/builder.rs");
        assert_eq!(short("lib.rs"), "lib.rs");
    }

    #[test]
    fn levels_have_their_logrus_names() {
        assert_eq!("warning".parse::<Level>().unwrap(), Level(LevelFilter::WARN));
        assert!("loud".parse::<Level>().unwrap_err().contains("panic, fatal"));
    }
}
