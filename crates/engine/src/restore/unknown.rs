//! Names in a restore's spec that mean nothing in the backup: a mistyped one must not look like a good restore.

use bowline_api::restore::RestoreSpec;

use crate::archive::spool::Spool;
use crate::catalog::{Catalog, GroupResource};
use crate::finding::{Finding, Findings, Level};
use crate::nearest::did_you_mean;
use crate::select::namespace::NamespaceLists;

/// Warns of namespaces to restore or to rename that are not in the backup, and of included kinds that neither the backup nor the
/// cluster knows. Excluded ones are left alone: the same list often serves many backups.
pub(super) fn report(spec: &RestoreSpec, spool: &Spool, catalog: &Catalog, findings: &Findings) {
    let there = spool.namespaces();
    let namespace = |field: &str, name: &str| {
        if !there.contains(name) {
            let question = did_you_mean(name, there.iter().map(String::as_str));
            warn(findings, &format!("{field}: the backup has no namespace {name:?}"), question);
        }
    };
    // Lists with mistakes have been refused.
    let lists = NamespaceLists::parse(&spec.included_namespaces, &[]).unwrap_or_default();
    lists.named().for_each(|name| namespace("includedNamespaces", name));
    spec.namespace_mapping.keys().for_each(|name| namespace("namespaceMapping", name));

    let kinds: Vec<_> = spool.resources().map(ToString::to_string).collect();
    let is_known = |name: &str| {
        name == "*"
            || catalog.resolve(name).is_some()
            || spool.resources().any(|kind| *kind == GroupResource::from(name))
    };
    for name in spec.included_resources.iter().filter(|name| !is_known(name)) {
        let question = did_you_mean(name, kinds.iter().map(String::as_str))
            .or_else(|| catalog.nearest(name).map(|near| format!("did you mean {near:?}?")));
        warn(findings, &format!("includedResources: neither backup nor cluster know {name:?}"), question);
    }
}

fn warn(findings: &Findings, message: &str, question: Option<String>) {
    let question = question.map_or_else(String::new, |question| format!("; {question}"));
    findings.add(Finding::general(Level::Warning, format!("{message}{question}")));
}
