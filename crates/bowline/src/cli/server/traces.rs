//! Where the server's traces go: `--tracing-endpoint`, else OpenTelemetry's variables, else nowhere.

use std::time::Duration;

use anyhow::Context as _;
use bowline_reconcile::telemetry::Collector;
use bowline_server::VERSION;

use crate::config::TraceVariables;
use crate::failure::Failure;
use crate::session::Session;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Where a collector takes traces (OTLP 1.0, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// The collector, if one is wanted. A flag that can't be used is refused; variables, which may be set for every pod of a namespace, are
/// only warned of.
pub(super) fn collector(
    flag: Option<&str>,
    session: &Session,
    notices: &mut Vec<String>,
) -> anyhow::Result<Option<Collector>> {
    let variables = &session.environment.traces;
    let (url, is_flag) = match (flag, variables.disabled) {
        (Some(url), _) => (below(url), true),
        (None, true) => return Ok(None),
        (None, false) => match by_variables(variables) {
            Some(url) => (url, false),
            None => return Ok(None),
        },
    };
    let collector = Collector {
        url,
        certificates: None,
        timeout: timeout(variables).unwrap_or(TIMEOUT),
        attributes: attributes(session),
    };
    let usable = with_certificates(collector, variables).and_then(|collector| {
        collector.check()?;
        Ok(collector)
    });
    match usable {
        Ok(collector) => {
            if variables.protocol.as_deref().is_some_and(|protocol| protocol.trim() == "grpc") {
                notices.push(
                    "traces are sent as http/protobuf: OTEL_EXPORTER_OTLP_PROTOCOL=grpc has no effect".into(),
                );
            }
            Ok(Some(collector))
        }
        Err(error) if is_flag => Err(Failure::new(format!("--tracing-endpoint: {error:#}"))
            .hint("name the collector like this: http://collector.monitoring:4318")
            .into()),
        Err(error) => {
            notices.push(format!("there will be no traces: {error:#} (OTEL_EXPORTER_OTLP_ENDPOINT)"));
            Ok(None)
        }
    }
}

fn by_variables(variables: &TraceVariables) -> Option<String> {
    variables.traces_endpoint.clone().or_else(|| variables.endpoint.as_deref().map(below))
}

/// The address for traces of a collector. What is no address stays what it is: with a path behind it, it might become one.
fn below(url: &str) -> String {
    let trimmed = url.trim().trim_end_matches('/');
    if trimmed.ends_with(PATH) || reqwest::Url::parse(url.trim()).is_err() {
        return trimmed.to_owned();
    }
    format!("{trimmed}{PATH}")
}

fn with_certificates(collector: Collector, variables: &TraceVariables) -> anyhow::Result<Collector> {
    let read = |path| fs_err::read(path).context("the certificates of the collector can't be read");
    let certificates = variables.certificate.as_ref().map(read).transpose()?;
    Ok(Collector { certificates, ..collector })
}

fn timeout(variables: &TraceVariables) -> Option<Duration> {
    let milliseconds: u64 = variables.timeout.as_deref()?.trim().parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// What every span says of this process.
fn attributes(session: &Session) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("service.version", VERSION.to_owned()), ("k8s.namespace.name", session.namespace().to_owned())];
    if let Some(pod) = &session.environment.pod {
        attributes.push(("service.instance.id", pod.clone()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::global::GlobalFlags;
    use crate::config::{ClientFile, Environment};

    fn chosen(flag: Option<&str>, traces: TraceVariables) -> (anyhow::Result<Option<String>>, Vec<String>) {
        let environment = Environment { traces, ..Environment::default() };
        let session = Session::silent(environment, GlobalFlags::default(), &ClientFile::default());
        let mut notices = Vec::new();
        let chosen = collector(flag, &session, &mut notices);
        (chosen.map(|collector| collector.map(|collector| collector.url)), notices)
    }

    fn url(flag: Option<&str>, traces: TraceVariables) -> Option<String> {
        chosen(flag, traces).0.unwrap()
    }

    #[test]
    fn traces_go_where_flag_or_variables_say_and_nowhere_else() {
        let general =
            || TraceVariables { endpoint: Some("http://c:4318/".into()), ..TraceVariables::default() };
        assert_eq!(url(None, TraceVariables::default()), None);
        assert_eq!(url(None, general()).as_deref(), Some("http://c:4318/v1/traces"));
        let own = TraceVariables { traces_endpoint: Some("https://t/x".into()), ..general() };
        assert_eq!(url(None, own).as_deref(), Some("https://t/x"));
        assert_eq!(url(Some("http://f:1"), general()).as_deref(), Some("http://f:1/v1/traces"));
        assert_eq!(url(Some("http://f:1/v1/traces"), general()).as_deref(), Some("http://f:1/v1/traces"));
        assert_eq!(url(None, TraceVariables { disabled: true, ..general() }), None);
    }

    #[test]
    fn a_wrong_flag_is_refused_and_wrong_variables_are_warned_of() {
        for wrong in ["collector:4318", "ftp://c", "", "http://"] {
            assert!(chosen(Some(wrong), TraceVariables::default()).0.is_err(), "{wrong:?}");
            let variables = TraceVariables { endpoint: Some(wrong.into()), ..TraceVariables::default() };
            let (chosen, notices) = chosen(None, variables);
            assert!(chosen.unwrap().is_none() && notices.len() == 1, "{wrong:?}: {notices:?}");
        }
        let missing = TraceVariables {
            endpoint: Some("https://c".into()),
            certificate: Some("/does/not/exist".into()),
            ..TraceVariables::default()
        };
        let (_, notices) = chosen(None, missing);
        assert!(notices[0].contains("/does/not/exist"), "{notices:?}");
        let grpc = TraceVariables {
            endpoint: Some("http://c".into()),
            protocol: Some("grpc".into()),
            ..TraceVariables::default()
        };
        let (chosen, notices) = chosen(None, grpc);
        assert!(chosen.unwrap().is_some() && notices[0].contains("http/protobuf"), "{notices:?}");
    }
}
