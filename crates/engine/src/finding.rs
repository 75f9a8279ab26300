//! What went wrong or deserves a look, as data: the source of results files, describe output, logs and counts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;

use bowline_api::artifact::Results;
use bowline_api::plain;

use crate::catalog::GroupResource;

/// Most findings of one level that are kept whole; further ones are counted. A run that fails for a million objects must not
/// fill the memory with a million messages.
pub const MAX_KEPT: usize = 10_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Does not change the phase.
    Warning,
    /// Makes the run PartiallyFailed.
    Error,
}

/// Where results show a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Not about an object.
    Velero,
    /// A cluster-scoped object.
    Cluster,
    /// An object in this namespace (the target namespace, for restores).
    Namespace(String),
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Where it belongs.
    pub place: Place,
    /// Kind of the object, when it is about one.
    pub resource: Option<GroupResource>,
    /// Name of the object, when it is about one.
    pub name: Option<String>,
    /// What happened, and why, in words for the user; ends with a hint when there is one.
    pub message: String,
}

impl Finding {
    /// A finding about the run as a whole.
    pub fn general(level: Level, message: impl Into<String>) -> Self {
        Self { level, place: Place::Velero, resource: None, name: None, message: message.into() }
    }

    /// A finding about one object.
    pub fn about(
        level: Level,
        resource: &GroupResource,
        namespace: Option<&str>,
        name: &str,
        message: impl Into<String>,
    ) -> Self {
        let place = namespace.map_or(Place::Cluster, |namespace| Place::Namespace(namespace.into()));
        Self {
            level,
            place,
            resource: Some(resource.clone()),
            name: Some(name.into()),
            message: message.into(),
        }
    }
}

/// An error with its causes in one line (see [`line()`]).
pub fn chain(error: &dyn std::error::Error) -> String {
    line(std::iter::successors(Some(error), |error| error.source().map(|source| source as _)))
}

/// An error and its causes in one line, without what only programmers read. Foreign errors often repeat their cause in their own text; it
/// is said once.
pub fn line<E: Display>(causes: impl Iterator<Item = E>) -> String {
    let mut line = String::new();
    for cause in causes {
        let cause = plain(&cause.to_string());
        if !line.contains(&cause) {
            let separator = if line.is_empty() { "" } else { ": " };
            line.push_str(separator);
            line.push_str(&cause);
        }
    }
    line
}

/// Collects findings from many tasks at once, in bounded memory, and logs each as it comes.
#[derive(Debug, Default)]
pub struct Findings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    findings: Vec<Finding>,
    counts: BTreeMap<Level, u64>,
}

impl Findings {
    /// Adds a finding and writes it to the log.
    pub fn add(&self, finding: Finding) {
        log(&finding);
        let mut kept = self.lock();
        let count = kept.counts.entry(finding.level).or_default();
        *count += 1;
        if *count <= MAX_KEPT as u64 {
            kept.findings.push(finding);
        }
    }

    /// How many findings of a level there are, kept or not.
    pub fn count(&self, level: Level) -> u64 {
        self.lock().counts.get(&level).copied().unwrap_or_default()
    }

    /// A copy of what was kept, in the order in which it came.
    pub fn list(&self) -> Vec<Finding> {
        self.lock().findings.clone()
    }

    /// The results artifact (backup-format §3.6), with `spell` saying how one finding reads. Where findings were only counted,
    /// a last line says so.
    pub fn results(&self, spell: impl Fn(&Finding) -> String) -> Results {
        let kept = self.lock();
        let mut results = Results::default();
        for finding in &kept.findings {
            let level =
                if finding.level == Level::Error { &mut results.errors } else { &mut results.warnings };
            let line = spell(finding);
            match &finding.place {
                Place::Velero => level.velero.push(line),
                Place::Cluster => level.cluster.push(line),
                Place::Namespace(namespace) => {
                    level.namespaces.entry(namespace.clone()).or_default().push(line);
                }
            }
        }
        for (level, count) in &kept.counts {
            let beyond = count.saturating_sub(MAX_KEPT as u64);
            if beyond > 0 {
                let side = if *level == Level::Error { &mut results.errors } else { &mut results.warnings };
                side.velero.push(format!("{beyond} more, see the log"));
            }
        }
        results
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn log(finding: &Finding) {
    let resource = finding.resource.as_ref().map(ToString::to_string);
    let (resource, name) =
        (resource.as_deref().unwrap_or_default(), finding.name.as_deref().unwrap_or_default());
    let namespace = if let Place::Namespace(namespace) = &finding.place { namespace.as_str() } else { "" };
    match finding.level {
        Level::Error => tracing::error!(resource, namespace, name, "{}", finding.message),
        Level::Warning => tracing::warn!(resource, namespace, name, "{}", finding.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_grouped_by_place_and_bounded() {
        let findings = Findings::default();
        let resource = GroupResource { group: String::new(), resource: "pods".into() };
        findings.add(Finding::about(Level::Error, &resource, Some("shop"), "web", "boom"));
        for _ in 0..=MAX_KEPT {
            findings.add(Finding::general(Level::Warning, "w"));
        }
        let results = findings.results(|finding| finding.message.clone());
        assert_eq!(results.errors.namespaces["shop"], ["boom"]);
        assert_eq!(results.warnings.velero.len(), MAX_KEPT + 1);
        assert_eq!(results.warnings.velero[MAX_KEPT], "1 more, see the log");
        assert_eq!(findings.count(Level::Warning), MAX_KEPT as u64 + 1);
    }
}
