//! Spans for traces ([`bowline_api::trace`]) that several places open.

use bowline_api::trace::TARGET;
use tracing::Span;
use tracing::field::Empty;

use crate::catalog::Kind;
use crate::object::Page;
use crate::port::{ClusterError, ListQuery};

/// A part of a run.
pub fn phase(name: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "phase", otel.name = name)
}

/// A page of a list, its further attempts included.
pub(crate) fn list(kind: &Kind, query: &ListQuery) -> Span {
    tracing::info_span!(
        target: TARGET,
        "list",
        otel.name = "api list",
        otel.kind = "client",
        resource = %kind.group_resource(),
        namespace = query.namespace,
        objects = Empty,
        bytes = Empty,
        otel.status_code = Empty
    )
}

/// Notes what the page brought.
pub(crate) fn listed(span: &Span, page: &Result<Page, ClusterError>) {
    match page {
        Ok(page) => {
            span.record("objects", page.items.len());
            span.record("bytes", page.bytes);
        }
        Err(_) => {
            span.record("otel.status_code", "ERROR");
        }
    }
}
