//! The reference of the command line for the documentation, made from the command tree. Not for users: `xtask gen` asks for it.

use std::fmt::Write;

use clap::{Arg, Command};

use super::help::{defaults, groups, name, usage};

/// The argument that prints it.
pub(crate) const QUESTION: &str = "__reference";
/// Commands whose subcommands are those of others, verb first.
const VERBS: [&str; 4] = ["get", "create", "describe", "delete"];

/// All commands in Markdown. Writing to a string can't fail, so that results are dropped.
pub(crate) fn markdown(program: &'static str) -> String {
    let mut tree = super::tree(program);
    tree.build();
    let globals: Vec<Arg> = tree.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let mut text = format!(
        "# Command line\n\nAll commands and flags of `{program}`, generated from the program: do not edit. Called as `velero` it is the \
         same.\n\nFlags with a value take it as `--flag value` or `--flag=value`, switches as `--flag` or `--flag=false`. Lists are separated by \
         commas or given by repeating the flag; durations are written as `90s`, `1h30m`, `720h`.\n\n## Flags of every command\n"
    );
    flags(&mut text, &tree, &globals.iter().collect::<Vec<_>>());
    for command in tree.get_subcommands().filter(|command| !command.is_hide_set()) {
        section(&mut text, command, &format!("{program} {}", command.get_name()), program);
    }
    text
}

fn section(text: &mut String, command: &Command, path: &str, program: &str) {
    let _ = writeln!(text, "\n## {path}\n");
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(text, "{}.\n", about.to_string().trim_end_matches('.'));
    }
    if command.has_subcommands() {
        return group(text, command, path, program);
    }
    let _ = writeln!(text, "```sh\n{}\n```", usage(command, path));
    let aliases: Vec<String> = command.get_all_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        let _ = writeln!(text, "\nAlso called {}.", aliases.join(", "));
    }
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    if !positionals.is_empty() {
        let _ = writeln!(text, "\n| argument | meaning |\n|---|---|");
        for arg in positionals {
            let names: Vec<&str> = arg.get_value_names().into_iter().flatten().map(AsRef::as_ref).collect();
            let _ = writeln!(text, "| `{}` | {} |", cell(&names.join(" ")), cell(&meaning(arg)));
        }
    }
    let own: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_global_set()).collect();
    flags(text, command, &own);
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string().replace("{program}", program);
        let _ = writeln!(text, "\n```sh\n{}\n```", examples.trim());
    }
}

/// A command that only has commands below it.
fn group(text: &mut String, command: &Command, path: &str, program: &str) {
    let is_verb = VERBS.contains(&command.get_name());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        if is_verb {
            let noun = sub.get_name().trim_end_matches('s');
            let same = format!("{program} {noun} {}", command.get_name());
            let _ =
                writeln!(text, "* `{path} {}` is [`{same}`](#{})", sub.get_name(), same.replace(' ', "-"));
        } else {
            section(text, sub, &format!("{path} {}", sub.get_name()), program);
        }
    }
}

fn flags(text: &mut String, command: &Command, args: &[&Arg]) {
    let args = args.iter().copied().filter(|arg| arg.get_id() != "help");
    for (heading, args) in groups(args) {
        let _ = writeln!(
            text,
            "\n| {} of `{}` | default | meaning |\n|---|---|---|",
            heading,
            command.get_name()
        );
        for arg in args {
            let default = defaults(arg).map(|default| format!("`{default}`")).unwrap_or_default();
            let _ = writeln!(text, "| `{}` | {default} | {} |", cell(name(arg).trim()), cell(&meaning(arg)));
        }
    }
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if values.len() > 1 && !arg.is_require_equals_set() {
        let _ = write!(text, " ({})", values.join(", "));
    }
    text
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_and_flag_is_in_the_reference() {
        let text = super::markdown("bowline");
        for part in [
            "## bowline backup create\n",
            "| `--storage-location NAME` |",
            "| `-n, --namespace NAME` |",
            "is [`bowline backup get`](#bowline-backup-get)",
            "```sh\nbowline restore describe [NAME] [flags]\n```",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("__") && !text.contains("{program}"));
    }
}
