//! Help that teaches: what a command does, an example, its flags with defaults, in at most 100 columns.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::failure::Failure;
use crate::nearest::did_you_mean;
use crate::session::Session;

/// Widest line.
const WIDTH: usize = 100;
/// Widest name of a flag that still has its explanation on the same line.
const NAMES: usize = 38;
/// Heading of flags that belong to no group.
const FLAGS: &str = "Flags";
/// Heading of the flags that every command has.
#[cfg(test)]
pub(crate) const GLOBAL_FLAGS: &str = "Global flags";

/// Commands of the root by purpose.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Daily work", &["backup", "restore", "schedule"]),
    ("Places and parts", &["backup-location", "snapshot-location", "repo", "plugin"]),
    ("The same, verb first", &["get", "create", "describe", "delete"]),
    ("When something is wrong", &["debug", "bug"]),
    ("Set up", &["install", "uninstall", "server", "client", "completion", "version", "help"]),
];

const ROOT_NOTE: &str = "\
The logging flags of Velero's client (--logtostderr, --log_dir, --vmodule and so on) are accepted, so that scripts
keep working; they have no effect, apart from -v.";

/// Show the help of a command
#[derive(clap::Args)]
#[command(after_help = "{program} help backup create")]
pub(crate) struct Help {
    /// Words of the command
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
}

impl Help {
    pub(crate) fn run(&self, session: &Session) -> anyhow::Result<()> {
        let mut command = super::tree(session.program());
        for word in &self.words {
            let Some(next) = command.find_subcommand(word).cloned() else {
                let known = command.get_subcommands().map(Command::get_name);
                return Err(Failure::new(format!("there is no command {:?}", self.words.join(" ")))
                    .maybe_hint(did_you_mean(word, known))
                    .into());
            };
            command = next;
        }
        Ok(session.screen.print(command.render_help().to_string())?)
    }
}

/// Gives every command of the tree its help.
pub(crate) fn teach(tree: Command, program: &str) -> Command {
    let globals: Vec<Arg> = tree.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    teach_below(tree, program, &globals)
}

fn teach_below(command: Command, path: &str, globals: &[Arg]) -> Command {
    let program = path.split(' ').next().unwrap_or_default().to_owned();
    let text = render(&command, path, globals).replace("{program}", &program);
    let command = if command.has_subcommands() {
        command.subcommand_required(true).arg_required_else_help(true)
    } else {
        command
    };
    command.override_help(text).mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        teach_below(sub, &path, globals)
    })
}

/// The whole help of one command. Writing to a string can't fail, so that results are dropped.
pub(crate) fn render(command: &Command, path: &str, globals: &[Arg]) -> String {
    let is_root = !path.contains(' ');
    let mut text = String::new();
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(text, "{about}\n");
    }
    let _ = writeln!(text, "Usage:\n  {}", usage(command, path));
    let aliases: Vec<&str> = command.get_all_aliases().collect();
    if !aliases.is_empty() {
        let _ = writeln!(text, "\nAliases:\n  {}", aliases.join(", "));
    }
    let examples = command.get_after_help().map_or_else(|| of_subcommands(command), ToString::to_string);
    if !examples.is_empty() {
        let _ = writeln!(text, "\nExamples:");
        for line in examples.trim().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if is_root {
        for (title, names) in GROUPS {
            let _ = writeln!(text, "\n{title}:");
            text.push_str(&subcommands(command, Some(names)));
        }
    } else if command.has_subcommands() {
        let _ = writeln!(text, "\nAvailable commands:");
        text.push_str(&subcommands(command, None));
    }
    text.push_str(&flags(command, globals));
    if command.has_subcommands() {
        let _ = writeln!(text, "\nUse \"{path} [command] --help\" for more about a command.");
    }
    if is_root {
        let _ = writeln!(text, "{ROOT_NOTE}");
    }
    text
}

/// The first example in one line of each command below one that only groups them.
fn of_subcommands(command: &Command) -> String {
    let example = |sub: &Command| {
        let examples = sub.get_after_help()?.to_string();
        let whole = |line: &&str| line.starts_with("{program}") && !line.ends_with('\\');
        Some(examples.lines().find(whole)?.to_owned() + "\n")
    };
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).filter_map(example).collect()
}

pub(super) fn usage(command: &Command, path: &str) -> String {
    if command.has_subcommands() {
        return format!("{path} [command]");
    }
    let positionals: Vec<String> = command
        .get_positionals()
        .map(|arg| {
            let names: Vec<&str> =
                arg.get_value_names().unwrap_or_default().iter().map(clap::builder::Str::as_str).collect();
            let name = names.join(" ");
            if arg.is_required_set() { name } else { format!("[{name}]") }
        })
        .collect();
    let parts = [vec![path.to_owned()], positionals, vec!["[flags]".to_owned()]];
    parts.concat().join(" ")
}

fn subcommands(command: &Command, names: Option<&[&str]>) -> String {
    let wanted = |sub: &&Command| names.is_none_or(|names| names.contains(&sub.get_name()));
    let shown: Vec<&Command> =
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).filter(wanted).collect();
    let width = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let line = |sub: &&Command| {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:width$}  {about}\n", sub.get_name())
    };
    shown.iter().map(line).collect()
}

/// All flags under their headings; those that every command has come last.
fn flags(command: &Command, globals: &[Arg]) -> String {
    let own = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_global_set());
    let mut text = String::new();
    for (heading, args) in groups(own.chain(globals)) {
        let _ = writeln!(text, "\n{heading}:");
        let width = args.iter().map(|arg| name(arg).len()).filter(|len| *len <= NAMES).max().unwrap_or(0);
        for arg in args {
            text.push_str(&flag(arg, width));
        }
    }
    text
}

/// Flags by their headings, sorted below each.
pub(super) fn groups<'a>(args: impl Iterator<Item = &'a Arg>) -> Vec<(String, Vec<&'a Arg>)> {
    let mut groups: Vec<(String, Vec<&Arg>)> = Vec::new();
    for arg in args.filter(|arg| !arg.is_hide_set()) {
        let heading = arg.get_help_heading().unwrap_or(FLAGS);
        match groups.iter_mut().find(|(name, _)| name == heading) {
            Some((_, args)) => args.push(arg),
            None => groups.push((heading.to_owned(), vec![arg])),
        }
    }
    for (_, args) in &mut groups {
        args.sort_by_key(|arg| arg.get_long());
    }
    groups
}

/// What a flag is when it is not given, unless that goes without saying.
pub(super) fn defaults(arg: &Arg) -> Option<String> {
    let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    (!defaults.is_empty() && !arg.is_hide_default_value_set()).then(|| defaults.join(","))
}

/// `-w, --wait` with the name of its value.
pub(super) fn name(arg: &Arg) -> String {
    let short = arg.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
    let long = arg.get_long().unwrap_or_default();
    if arg.is_require_equals_set() {
        return format!("{short}--{long}");
    }
    let value = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    format!("{short}--{long} {value}")
}

fn flag(arg: &Arg, width: usize) -> String {
    let name = name(arg);
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(default) = defaults(arg) {
        let _ = write!(text, " (default {default})");
    }
    let lines = wrap(&text, WIDTH - width - 4);
    let mut lines = lines.iter();
    let mut result = if name.len() > width {
        format!("  {name}\n")
    } else {
        format!("  {name:width$}  {}\n", lines.next().map_or("", String::as_str))
    };
    for line in lines {
        let _ = writeln!(result, "  {:width$}  {line}", "");
    }
    result
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, wrap};

    #[test]
    fn every_command_of_the_root_is_in_a_group() {
        let tree = crate::cli::tree("bowline");
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let visible = tree.get_subcommands().filter(|sub| !sub.is_hide_set());
        for command in visible {
            assert!(grouped.contains(&command.get_name()), "{}", command.get_name());
        }
        assert_eq!(grouped.len(), tree.get_subcommands().count());
    }

    #[test]
    fn long_text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
