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

/// The namespaces that exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveNamespaces {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Those of them whose label keeps them out of backups.
    pub labelled: BTreeSet<String>,
    /// Whether these are all of a cluster; else they are some of those that the spec names, or those of an archive.
    pub complete: bool,
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
        Err(problems.iter().map(|problem| invalid(problem)).collect())
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

    /// The contradiction of including a namespace by name that excludes itself by label. The errors are in Velero's words.
    pub fn check_labelled(&self, live: &LiveNamespaces) -> Vec<String> {
        let both = self.named().filter(|name| live.labelled.contains(*name));
        both.map(|name| invalid(&super::in_both(name))).collect()
    }

    /// Expands the patterns against the namespaces that exist.
    pub fn expand(&self, live: &LiveNamespaces) -> Namespaces {
        let expand = |entries: &[Entry]| -> BTreeSet<String> {
            entries
                .iter()
                .flat_map(|entry| match entry {
                    Entry::Name(name) => vec![name.clone()],
                    Entry::Pattern(pattern) => {
                        live.names.iter().filter(|name| pattern.matches(name)).cloned().collect()
                    }
                })
                .collect()
        };
        let included = self.included.as_deref().map(expand);
        let mut excluded = expand(&self.excluded);
        // Lists that come to all namespaces mean the same as no lists.
        let everything = if live.complete {
            excluded.is_empty() && included.as_ref().is_none_or(|names| *names == live.names)
        } else {
            self.included.is_none() && self.excluded.is_empty()
        };
        excluded.extend(live.labelled.iter().cloned());
        Namespaces { included, excluded, everything }
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

fn invalid(problem: &str) -> String {
    format!("Invalid included/excluded namespace lists: {problem}")
}

fn entry(text: &str) -> Result<Entry, String> {
    let is_pattern = Pattern::is_pattern(text) || text.contains(['|', '(', ')', '!', '{', '}', ',']);
    let pattern = is_pattern.then(|| Pattern::parse(text)).transpose()?;
    // The letters of a pattern must be those of a name. Velero reads the empty name as "no namespace".
    let plain = text.replace(['*', '?', '[', ']'], "x");
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [plain.bytes().next(), plain.bytes().next_back()];
    let valid = plain.len() <= 63
        && plain.bytes().all(|byte| allowed(byte) || byte == b'-')
        && ends.iter().flatten().all(|byte| allowed(*byte));
    if valid {
        return Ok(pattern.map_or_else(|| Entry::Name(text.to_owned()), Entry::Pattern));
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

    fn live(names: &[&str], labelled: &[&str]) -> LiveNamespaces {
        LiveNamespaces { names: set(names), labelled: set(labelled), complete: true }
    }

    #[test]
    fn lists_and_patterns_include_what_they_say() {
        let live = live(&["a", "team-1", "team-2", "hidden"], &["hidden"]);
        for (includes, excludes, expected) in [
            (&[][..], &[][..], "a team-1 team-2"),
            (&["*"], &["team-*"], "a"),
            (&[], &["team-*"], "a"),
            (&["team-*"], &["team-2"], "team-1"),
            (&["team-?"], &["*-1"], "team-2"),
            (&["team-[0-1]", "[bc]"], &[], "team-1"),
            (&["a", "nowhere-*"], &[], "a"),
            (&["nowhere-*"], &[], ""),
            (&["hid*"], &[], ""),
            (&[""], &[], ""),
        ] {
            let namespaces = lists(includes, excludes).unwrap().expand(&live);
            let found: Vec<_> =
                live.names.iter().filter(|name| namespaces.contains(name)).map(String::as_str).collect();
            assert_eq!(found.join(" "), expected, "{includes:?} {excludes:?}");
        }
    }

    #[test]
    fn lists_that_come_to_all_namespaces_are_everything() {
        let everything = |includes: &[&str], excludes: &[&str]| {
            lists(includes, excludes).unwrap().expand(&live(&["a", "b"], &["b"])).is_everything()
        };
        assert!(everything(&[], &[]) && everything(&["*"], &[]));
        assert!(everything(&["a", "b"], &[]) && everything(&["?"], &[]) && everything(&[], &["nowhere-*"]));
        assert!(!everything(&["a"], &[]) && !everything(&[], &["a"]) && !everything(&[], &["nowhere"]));
        let some = LiveNamespaces { complete: false, ..live(&["a", "b"], &[]) };
        assert!(!lists(&["a", "b"], &[]).unwrap().expand(&some).is_everything());
        assert!(!lists(&[], &["nowhere-*"]).unwrap().expand(&some).is_everything());
    }

    #[test]
    fn a_named_namespace_that_excludes_itself_is_a_contradiction() {
        let live = live(&["a", "hidden"], &["hidden"]);
        let problems = |includes: &[&str]| lists(includes, &[]).unwrap().check_labelled(&live);
        assert_eq!(
            problems(&["a", "hidden"]),
            [
                "Invalid included/excluded namespace lists: excludes list cannot contain an item in the includes list: hidden"
            ]
        );
        assert!(problems(&["a", "hid*"]).is_empty() && problems(&[]).is_empty());
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
            (&[], &["a{b}"], "'{'"),
            (&["a|b"], &[], "'|'"),
            (&["[a"], &[], "brackets"),
            (&["Team-*"], &[], "invalid namespace \"Team-*\""),
            (&["-*"], &[], "invalid namespace"),
            (&["a.b*"], &[], "invalid namespace"),
            (&["[^a]*"], &[], "invalid namespace"),
            (&["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"], &[], "at most 63"),
        ] {
            let problems = lists(includes, excludes).unwrap_err().join("\n");
            assert!(
                problems.contains(part) && problems.starts_with("Invalid included/excluded namespace lists"),
                "{problems}"
            );
        }
    }
}
