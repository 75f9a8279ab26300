//! Which namespaces are included: names and patterns, expanded against those that exist.

use std::collections::BTreeSet;

use super::pattern::Pattern;

/// The included namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `None` includes all that are not excluded.
    included: Option<BTreeSet<String>>,
    excluded: BTreeSet<String>,
    /// Whether the spec's own lists include everything.
    everything: bool,
}

/// The lists of a spec, checked.
#[derive(Debug, Default)]
pub struct NamespaceLists {
    included: Option<Vec<Entry>>,
    excluded: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Name(String),
    Pattern(Pattern),
}

impl NamespaceLists {
    /// Checks the lists. The errors are reasons for a user, in Velero's words where it has any.
    pub fn parse(includes: &[String], excludes: &[String]) -> Result<Self, Vec<String>> {
        let mut problems = super::list_problems(includes, excludes);
        let mut entries = |texts: &[String]| -> Vec<Entry> {
            let parsed = texts.iter().filter(|text| *text != "*").map(|text| entry(text));
            parsed.filter_map(|entry| entry.map_err(|problem| problems.push(problem)).ok()).collect()
        };
        let all = includes.is_empty() || includes.iter().any(|text| text == "*");
        let included = (!all).then(|| entries(includes));
        let excluded = entries(excludes);
        if problems.is_empty() {
            return Ok(Self { included, excluded });
        }
        Err(problems
            .iter()
            .map(|problem| format!("Invalid included/excluded namespace lists: {problem}"))
            .collect())
    }

    /// Included names that are written out, without patterns.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.included.iter().flatten().filter_map(|entry| match entry {
            Entry::Name(name) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it takes a list of all namespaces to know which are included.
    pub fn needs_all(&self) -> bool {
        self.included
            .as_ref()
            .is_none_or(|entries| entries.iter().any(|entry| matches!(entry, Entry::Pattern(_))))
    }

    /// Expands the patterns against the namespaces that exist. `labelled` are those whose label keeps them out of backups.
    pub fn expand(&self, live: &BTreeSet<String>, labelled: &BTreeSet<String>) -> Namespaces {
        let expand = |entries: &[Entry]| -> BTreeSet<String> {
            entries
                .iter()
                .flat_map(|entry| match entry {
                    Entry::Name(name) => vec![name.clone()],
                    Entry::Pattern(pattern) => {
                        live.iter().filter(|name| pattern.matches(name)).cloned().collect()
                    }
                })
                .collect()
        };
        let mut excluded = expand(&self.excluded);
        excluded.extend(labelled.iter().cloned());
        Namespaces {
            included: self.included.as_deref().map(expand),
            excluded,
            everything: self.included.is_none() && self.excluded.is_empty(),
        }
    }
}

impl Namespaces {
    /// Whether objects of a namespace are included.
    pub fn contains(&self, namespace: &str) -> bool {
        !self.excluded.contains(namespace)
            && self.included.as_ref().is_none_or(|included| included.contains(namespace))
    }

    /// Whether the spec includes every namespace. Namespaces that exclude themselves by label don't count: they must not change
    /// which cluster-scoped objects are saved.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// The included namespaces where they are given one by one; `None` when all but some are included.
    pub fn named(&self) -> Option<Vec<&str>> {
        let included = self.included.as_ref()?;
        Some(
            included.difference(&self.excluded).map(String::as_str).filter(|name| !name.is_empty()).collect(),
        )
    }
}

fn entry(text: &str) -> Result<Entry, String> {
    if Pattern::is_pattern(text) || text.contains(['|', '(', ')', '!', '{', '}', ',']) {
        return Pattern::parse(text).map(Entry::Pattern);
    }
    // Velero reads the empty name as "no namespace".
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let valid = text.len() <= 63
        && text.bytes().all(|byte| allowed(byte) || byte == b'-')
        && ends.iter().flatten().all(|byte| allowed(*byte));
    if valid {
        return Ok(Entry::Name(text.to_owned()));
    }
    Err(format!(
        "invalid namespace {text:?}: a name has at most 63 lower-case letters, digits and '-', and starts and ends with a letter or digit"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn lists(includes: &[&str], excludes: &[&str]) -> Result<NamespaceLists, Vec<String>> {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        NamespaceLists::parse(&own(includes), &own(excludes))
    }

    #[test]
    fn lists_and_patterns_include_what_they_say() {
        let live = set(&["a", "team-1", "team-2", "hidden"]);
        for (includes, excludes, expected) in [
            (&[][..], &[][..], "a team-1 team-2"),
            (&["*"], &["team-*"], "a"),
            (&["team-*"], &["team-2"], "team-1"),
            (&["a", "nowhere-*"], &[], "a"),
            (&["hidden"], &[], ""),
        ] {
            let namespaces = lists(includes, excludes).unwrap().expand(&live, &set(&["hidden"]));
            let found: Vec<_> =
                live.iter().filter(|name| namespaces.contains(name)).map(String::as_str).collect();
            assert_eq!(found.join(" "), expected, "{includes:?} {excludes:?}");
        }
    }

    #[test]
    fn only_lists_without_any_limit_are_everything() {
        let everything = |includes: &[&str], excludes: &[&str]| {
            lists(includes, excludes).unwrap().expand(&set(&["a"]), &set(&["b"])).is_everything()
        };
        assert!(everything(&[], &[]) && everything(&["*"], &[]));
        assert!(!everything(&["a"], &[]) && !everything(&[], &["a"]));
    }

    #[test]
    fn contradictions_and_bad_names_are_refused() {
        for (includes, excludes, part) in [
            (&["*", "a"][..], &[][..], "must either contain '*' only"),
            (&[], &["*"], "excludes list cannot contain '*'"),
            (&["a"], &["a"], "cannot contain an item in the includes list: a"),
            (&["Shop"], &[], "invalid namespace \"Shop\""),
            (&["-a"], &[], "invalid namespace"),
            (&["a**"], &[], "'**'"),
            (&["a{b}"], &[], "'{'"),
        ] {
            let problems = lists(includes, excludes).unwrap_err().join("\n");
            assert!(
                problems.contains(part) && problems.starts_with("Invalid included/excluded namespace lists"),
                "{problems}"
            );
        }
    }
}
