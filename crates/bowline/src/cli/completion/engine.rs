//! What could come next on a command line, found out from the command tree.

use clap::{Arg, ArgAction, Command};

use crate::cli::global::GlobalFlags;
use crate::cli::pflag::takes_value;

/// A word that could come next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) word: String,
    pub(super) help: String,
}

impl Candidate {
    pub(super) fn plain(word: String) -> Self {
        Self { word, help: String::new() }
    }

    fn new(word: impl Into<String>, help: Option<impl ToString>) -> Self {
        let help = help.map(|help| help.to_string()).unwrap_or_default();
        Self { word: word.into(), help: help.lines().next().unwrap_or_default().to_owned() }
    }
}

/// Names that only the cluster, or the kubeconfig, knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Backups,
    Restores,
    Schedules,
    BackupLocations,
    SnapshotLocations,
    Repositories,
    Namespaces,
    Plugins,
    Contexts,
}

/// What stands where the cursor is.
enum Place<'a> {
    /// The value of a flag.
    Value(&'a Arg),
    /// The name of a flag.
    Flag,
    /// A command, or an argument of one; with the number of arguments before.
    Word(usize),
}

/// A command line up to the cursor.
pub(super) struct Line<'a> {
    command: &'a Command,
    path: Vec<&'a str>,
    place: Place<'a>,
    globals: GlobalFlags,
    /// The part of the last word that is not completed: `--flag=`, or the entries of a list.
    kept: String,
    /// The part that is.
    typed: String,
}

/// Bash cuts words at `=` and `:`; this puts them together again.
pub(super) fn rejoined(words: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut glue = false;
    for word in words {
        let joint = word == "=" || word == ":";
        match whole.last_mut() {
            Some(last) if glue || joint => last.push_str(word),
            _ => whole.push(word.clone()),
        }
        glue = joint;
    }
    whole
}

impl<'a> Line<'a> {
    /// Reads the words behind the program's name; the last one is where the cursor is.
    pub(super) fn read(tree: &'a Command, words: &[String]) -> Self {
        let (last, before) =
            words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
        let mut line = Line {
            command: tree,
            path: Vec::new(),
            place: Place::Word(0),
            globals: GlobalFlags::default(),
            kept: String::new(),
            typed: last.to_owned(),
        };
        let (mut count, mut pending) = (0, None);
        for word in before {
            if let Some(arg) = pending.take() {
                line.note(arg, word);
            } else if word.starts_with('-') {
                pending = line.flag(word);
            } else if line.path.is_empty() && word == "help" {
                // The words behind it are those of the command.
            } else if let Some(sub) = line.command.find_subcommand(word) {
                line.command = sub;
                line.path.push(sub.get_name());
                count = 0;
            } else {
                count += 1;
            }
        }
        line.place = match pending {
            Some(arg) => Place::Value(arg),
            None => line.at_cursor(last, count),
        };
        if let Place::Value(arg) = line.place
            && matches!(arg.get_action(), ArgAction::Append)
            && let Some((entries, entry)) = line.typed.clone().rsplit_once(',')
        {
            line.kept.push_str(entries);
            line.kept.push(',');
            entry.clone_into(&mut line.typed);
        }
        line
    }

    fn at_cursor(&mut self, last: &str, count: usize) -> Place<'a> {
        if let Some((flag, value)) = last.split_once('=')
            && let Some(arg) = self.find(flag)
        {
            self.kept = format!("{flag}=");
            value.clone_into(&mut self.typed);
            return Place::Value(arg);
        }
        if last.starts_with('-') { Place::Flag } else { Place::Word(count) }
    }

    /// A flag before the cursor; returns it when the next word is its value.
    fn flag(&mut self, word: &str) -> Option<&'a Arg> {
        if let Some((flag, value)) = word.split_once('=') {
            if let Some(arg) = self.find(flag) {
                self.note(arg, value);
            }
            return None;
        }
        self.find(word).filter(|arg| takes_value(arg))
    }

    fn find(&self, flag: &str) -> Option<&'a Arg> {
        let long = flag.strip_prefix("--");
        let short = flag.strip_prefix('-').filter(|_| long.is_none()).and_then(|short| short.chars().next());
        let fits = |arg: &&Arg| {
            long.is_some_and(|long| arg.get_long() == Some(long))
                || (short.is_some() && arg.get_short() == short)
        };
        self.command.get_arguments().find(fits)
    }

    /// Remembers where the cluster is.
    fn note(&mut self, arg: &Arg, value: &str) {
        match arg.get_id().as_str() {
            "namespace" => self.globals.namespace = Some(value.to_owned()),
            "kubeconfig" => self.globals.kubeconfig = Some(value.into()),
            "kubecontext" => self.globals.kubecontext = Some(value.to_owned()),
            _ => {}
        }
    }

    /// The words that the tree knows.
    pub(super) fn words(&self) -> Vec<Candidate> {
        match self.place {
            Place::Value(arg) => values(arg),
            Place::Flag => {
                let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
                shown
                    .filter_map(|arg| Some(Candidate::new(format!("--{}", arg.get_long()?), arg.get_help())))
                    .collect()
            }
            Place::Word(_) if self.command.has_subcommands() => {
                let shown = self.command.get_subcommands().filter(|sub| !sub.is_hide_set());
                shown.map(|sub| Candidate::new(sub.get_name(), sub.get_about())).collect()
            }
            Place::Word(count) => self.positional(count).map(values).unwrap_or_default(),
        }
    }

    /// The names that have to be looked up.
    pub(super) fn live(&self) -> Option<Names> {
        match self.place {
            Place::Value(arg) => of_flag(arg.get_long()?),
            Place::Flag => None,
            Place::Word(count) => {
                self.positional(count)?;
                let is_new = self.path.contains(&"create");
                let is_first = count == 0 || !self.path.contains(&"browse");
                if is_new || !is_first { None } else { of_path(&self.path) }
            }
        }
    }

    fn positional(&self, count: usize) -> Option<&'a Arg> {
        let many = |arg: &Arg| matches!(arg.get_action(), ArgAction::Append);
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        all.get(count).or_else(|| all.last().filter(|arg| many(arg))).copied()
    }

    /// Flags that say where the cluster is.
    pub(super) fn globals(&self) -> GlobalFlags {
        self.globals.clone()
    }

    /// What a candidate has to begin with.
    pub(super) fn typed(&self) -> &str {
        &self.typed
    }

    /// What stands before the candidate in the same word.
    pub(super) fn kept(&self) -> &str {
        &self.kept
    }
}

fn values(arg: &Arg) -> Vec<Candidate> {
    let possible = arg.get_possible_values();
    possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| Candidate::new(value.get_name(), value.get_help()))
        .collect()
}

fn of_flag(long: &str) -> Option<Names> {
    Some(match long {
        "from-backup" | "backup" | "against" => Names::Backups,
        "restore" => Names::Restores,
        "from-schedule" => Names::Schedules,
        "storage-location" => Names::BackupLocations,
        "volume-snapshot-locations" => Names::SnapshotLocations,
        "namespace" | "include-namespaces" | "exclude-namespaces" => Names::Namespaces,
        "kubecontext" => Names::Contexts,
        _ => return None,
    })
}

/// By the noun of a command, which may stand before or behind its verb.
fn of_path(path: &[&str]) -> Option<Names> {
    path.iter().find_map(|word| {
        Some(match *word {
            "backup" | "backups" => Names::Backups,
            "restore" | "restores" => Names::Restores,
            "schedule" | "schedules" => Names::Schedules,
            "backup-location" | "backup-locations" => Names::BackupLocations,
            "snapshot-location" | "snapshot-locations" => Names::SnapshotLocations,
            "repo" => Names::Repositories,
            "plugin" => Names::Plugins,
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, Names, rejoined};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn commands_flags_and_values_are_known_from_the_tree() {
        let mut tree = crate::cli::tree("bowline");
        tree.build();
        for (line, expected) in [
            ("ba", "backup"),
            ("backup cr", "create"),
            ("-n other backup de", "describe"),
            ("backup create --incl", "--include-namespaces"),
            ("backup get -o ", "json"),
            ("backup get --output=y", "yaml"),
            ("completion ", "zsh"),
            ("help backup cr", "create"),
            ("backup get --kubec", "--kubecontext"),
        ] {
            let words = words(line);
            let line = Line::read(&tree, &words);
            let found: Vec<String> = line.words().into_iter().map(|found| found.word).collect();
            assert!(
                found.iter().any(|word| word == expected && word.starts_with(line.typed())),
                "{words:?}: {found:?}"
            );
        }
    }

    #[test]
    fn names_are_looked_up_where_an_object_is_expected() {
        let mut tree = crate::cli::tree("velero");
        tree.build();
        for (line, expected) in [
            ("backup describe ", Some(Names::Backups)),
            ("describe backups web ", Some(Names::Backups)),
            ("backup logs web ", None),
            ("backup create ", None),
            ("restore create --from-backup ", Some(Names::Backups)),
            ("restore create --from-backup=w", Some(Names::Backups)),
            ("backup create x --include-namespaces a,b", Some(Names::Namespaces)),
            ("schedule pause ", Some(Names::Schedules)),
            ("backup browse web ", None),
            ("plugin remove ", Some(Names::Plugins)),
            ("version ", None),
            ("--kubecontext ", Some(Names::Contexts)),
        ] {
            assert_eq!(Line::read(&tree, &words(line)).live(), expected, "{line}");
        }
    }

    #[test]
    fn where_the_cluster_is_and_what_is_typed_are_read() {
        let mut tree = crate::cli::tree("bowline");
        tree.build();
        let line = words("-n other --kubeconfig=/k backup create x --include-namespaces a,b");
        let line = Line::read(&tree, &line);
        let globals = line.globals();
        assert_eq!((globals.namespace.as_deref(), globals.kubeconfig), (Some("other"), Some("/k".into())));
        assert_eq!((line.kept(), line.typed()), ("a,", "b"));
        assert_eq!(rejoined(&words("a --b = c")), words("a --b=c"));
        assert_eq!(rejoined(&words("a --b =")), words("a --b="));
    }
}
