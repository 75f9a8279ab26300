//! Errors and warnings of a backup or restore: for which object, why, and what may help.

use bowline_api::artifact::{ResultSet, Results};

use super::{NONE, Text};
use crate::download::Artifact;
use crate::output::screen::{Screen, Style};

/// Most messages of one place that are shown without `--details`.
const SHOWN: usize = 25;

/// What may help, by a word in the message.
const ADVICE: [(&str, &str); 12] = [
    (
        "is forbidden: user ",
        "The server's service account may not do this: give it the right, or install with --rbac cluster-admin.",
    ),
    (
        "already allocated",
        "A node port is taken: free it, or restore without --preserve-nodeports; a resource modifier removes those that the Service's author chose.",
    ),
    (
        "nothing to save them with",
        "Data of volumes is not saved yet: save it by other means, and leave the volumes out by the pod's annotation backup.velero.io/backup-volumes-excludes.",
    ),
    (
        "is damaged",
        "Nothing of it was restored. Bring the file back from a copy or an older version in the object store, or restore from another backup.",
    ),
    (
        ".tar.gz: not found",
        "The archive is gone from the object store, and nothing was restored: bring it back from a copy or an older version, or restore from another backup.",
    ),
    (
        "in-cluster version is different",
        "Objects that exist were left alone: --existing-resource-policy=update changes them.",
    ),
    ("no matches for", "A kind is not installed here: install its custom resource definition first."),
    (
        "the cluster does not serve",
        "A kind is not installed here: install it first, or restore its definition too by --include-cluster-resources.",
    ),
    ("timed out", "Something took too long: see the log for what was waited for."),
    ("exceeded quota", "A resource quota is exhausted: raise it, or restore into another namespace."),
    (
        " in container ",
        "A hook failed: try its command by hand with `kubectl exec`, and see the log for what it printed.",
    ),
    (
        "aggregated api server",
        "An aggregated API does not answer: `kubectl get apiservices` names it. Bring it back, or delete its APIService if it is not needed.",
    ),
];

/// Both sets, errors first. Nothing at all when there is nothing to say.
pub(super) fn describe(
    text: &mut Text,
    screen: &Screen,
    results: &Artifact<Results>,
    counts: (i32, i32),
    details: bool,
) {
    let (errors, warnings) = counts;
    if errors == 0 && warnings == 0 {
        return;
    }
    match results {
        Artifact::Here(results) => {
            set(text, &screen.style(Style::Red, "Errors"), &results.errors, details);
            set(text, &screen.style(Style::Yellow, "Warnings"), &results.warnings, details);
            advice(text, results);
        }
        Artifact::Absent => {
            text.line(format!("Errors: {errors}, warnings: {warnings} (they were not recorded)"));
        }
        Artifact::Unreadable(why) => {
            text.line(format!("Errors: {errors}, warnings: {warnings} (they could not be read: {why})"));
            text.gap();
        }
    }
}

fn set(text: &mut Text, title: &str, set: &ResultSet, details: bool) {
    if set.is_empty() {
        return;
    }
    text.section(title, |text| {
        text.field("Velero", messages(&set.velero, details));
        text.field("Cluster", messages(&set.cluster, details));
        if set.namespaces.is_empty() {
            text.field("Namespaces", NONE);
            return;
        }
        text.section("Namespaces", |text| {
            for (namespace, list) in &set.namespaces {
                text.field(namespace, messages(list, details));
            }
        });
    });
    text.gap();
}

fn messages(list: &[String], details: bool) -> String {
    if list.is_empty() {
        return NONE.to_owned();
    }
    let shown = if details { list.len() } else { SHOWN.min(list.len()) };
    let mut lines: Vec<String> = list[..shown].iter().map(|message| readable(message)).collect();
    if shown < list.len() {
        lines.push(format!("and {} more (specify --details to see all)", list.len() - shown));
    }
    lines.join("\n")
}

/// The message of a backup as a sentence: `pods/web: timed out`. Those of restores are sentences already.
fn readable(message: &str) -> String {
    let part = |name: &str| {
        let (_, rest) = message.split_once(&format!(" {name}: /"))?;
        let end = ["resource", "name", "message", "error"]
            .iter()
            .filter_map(|next| rest.find(&format!(" {next}: /")))
            .min()
            .unwrap_or(rest.len());
        Some(rest[..end].trim())
    };
    let Some(text) = part("message") else { return message.trim().to_owned() };
    let object = match (part("resource"), part("name")) {
        (Some(resource), Some(name)) => format!("{resource}/{name}: "),
        (None, Some(name)) | (Some(name), None) => format!("{name}: "),
        (None, None) => String::new(),
    };
    match part("error") {
        Some(error) => format!("{object}{text}: {error}"),
        None => format!("{object}{text}"),
    }
}

fn advice(text: &mut Text, results: &Results) {
    let all = |set: &ResultSet| {
        let namespaces = set.namespaces.values().flatten();
        set.velero.iter().chain(&set.cluster).chain(namespaces).cloned().collect::<Vec<_>>()
    };
    let messages = [all(&results.errors), all(&results.warnings)].concat();
    help(text, &messages.join("\n"));
}

/// What may help against what these words say, if anything is known.
pub(super) fn help(text: &mut Text, said: &str) {
    let said = said.to_lowercase();
    let advice: Vec<&str> =
        ADVICE.iter().filter(|(word, _)| said.contains(word)).map(|(_, advice)| *advice).collect();
    if advice.is_empty() {
        return;
    }
    text.section("What may help", |text| advice.iter().for_each(|line| text.line(line)));
    text.gap();
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::{help, readable};
    use crate::output::screen::Screen;

    #[test]
    fn advice_is_given_only_to_what_it_is_about() {
        let advised = |said: &str| {
            let mut text = Text::default();
            help(&mut text, said);
            text.finish(&Screen::default())
        };
        for (said, advice) in [
            ("secrets \"a\" is forbidden: User \"x\" cannot create resource", "--rbac cluster-admin"),
            ("pods \"a\" is forbidden: exceeded quota: q, requested: pods=1", "resource quota"),
            (
                "hook <from-annotation> in container c failed: the command ended with exit code 3",
                "kubectl exec",
            ),
            ("the aggregated API server behind this group does not answer", "kubectl get apiservices"),
        ] {
            let help = advised(said);
            assert!(help.contains(advice) && help.matches("\n  ").count() == 1, "{said}: {help}");
        }
        for said in [
            "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields",
            "no space left (Bucket quota exceeded); free space or raise the quota",
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"",
        ] {
            assert_eq!(advised(said), "", "{said}");
        }
    }

    #[test]
    fn messages_of_backups_become_sentences() {
        for (message, sentence) in [
            (
                " resource: /pods name: /web message: /Error backing up item error: /timed out",
                "pods/web: Error backing up item: timed out",
            ),
            (
                " name: /app message: /Error backing up item error: /no matches for x",
                "app: Error backing up item: no matches for x",
            ),
            (" message: /boom", "boom"),
            (
                "could not restore, ConfigMap:x already exists",
                "could not restore, ConfigMap:x already exists",
            ),
        ] {
            assert_eq!(readable(message), sentence);
        }
    }
}
