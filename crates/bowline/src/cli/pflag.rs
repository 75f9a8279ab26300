//! The habits of Go's flags, which scripts rely on, given to every flag of the tree.
//!
//! A switch may be given a value (`--wait=false`); an optional one is absent, bare, or has a value; lists are
//! separated by commas and may be repeated; of a repeated single value the last one counts. A file may have an empty name, as scripts
//! give it; that means none.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use bowline_api::Duration;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, Command};

/// Optional switches that have no meaning without a value.
const NEVER_BARE: [&str; 2] = ["colorized", "skip_immediately"];

/// Applies the habits to a command and all below it.
pub(crate) fn apply(command: Command) -> Command {
    command.mut_args(habit).mut_subcommands(apply)
}

fn habit(arg: Arg) -> Arg {
    if arg.get_long().is_none() {
        return arg;
    }
    let kind = arg.get_value_parser().type_id();
    match arg.get_action() {
        ArgAction::SetTrue => {
            switch(arg.action(ArgAction::Set)).default_value("false").hide_default_value(true)
        }
        ArgAction::Set if kind == TypeId::of::<bool>() && NEVER_BARE.contains(&arg.get_id().as_str()) => {
            arg.value_parser(parse_bool)
        }
        ArgAction::Set if kind == TypeId::of::<bool>() => switch(arg),
        ArgAction::Set if kind == TypeId::of::<PathBuf>() => {
            arg.value_parser(OsStringValueParser::new().map(PathBuf::from))
        }
        // `--ttl -5h` is told as what it is, not as an unknown flag.
        ArgAction::Set if kind == TypeId::of::<Duration>() => arg.allow_hyphen_values(true),
        ArgAction::Set if kind == TypeId::of::<i32>() => arg.allow_negative_numbers(true),
        ArgAction::Append if kind == TypeId::of::<String>() => arg.value_delimiter(','),
        _ => arg,
    }
}

fn switch(arg: Arg) -> Arg {
    arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_parser(parse_bool)
}

/// The line without switches that say nothing, as scripts write them from variables: an optional one with an empty value, which for
/// Velero is absent, and one that is switched off and is off anyway (`--all=false`), which must not count as given.
pub(crate) fn without_idle_switches(tree: &Command, line: Vec<OsString>) -> Vec<OsString> {
    let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let command = named(tree, &line[..end]);
    let mut kept: Vec<OsString> = Vec::with_capacity(line.len());
    for (at, word) in line.into_iter().enumerate() {
        let switch =
            word.to_str().filter(|_| at < end).and_then(|word| word.strip_prefix("--")?.split_once('='));
        match switch {
            Some((name, "")) if has_switch(command, name, Idle::Absent) => {}
            Some((name, value)) if parse_bool(value) == Ok(false) && has_switch(command, name, Idle::Off) => {
                // Of several the last one counts.
                let is_same = |word: &OsString| {
                    let earlier = word.to_str().and_then(|word| word.strip_prefix("--"));
                    earlier.is_some_and(|earlier| earlier.split('=').next() == Some(name))
                };
                kept.retain(|word| !is_same(word));
            }
            _ => kept.push(word),
        }
    }
    kept
}

/// What a switch is that is not given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Idle {
    Absent,
    Off,
}

/// Whether the command has a switch of this name that is so.
fn has_switch(command: &Command, name: &str, idle: Idle) -> bool {
    let is_idle = |arg: &Arg| match idle {
        Idle::Off => arg.get_default_values() == ["false"],
        Idle::Absent => arg.get_default_values().is_empty(),
    };
    command.get_arguments().any(|arg| {
        arg.get_long() == Some(name)
            && arg.get_value_parser().type_id() == TypeId::of::<bool>()
            && is_idle(arg)
    })
}

/// The command that a line names.
fn named<'a>(tree: &'a Command, line: &[OsString]) -> &'a Command {
    let mut command = tree;
    let mut words = line.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            let flags = command.get_arguments().chain(tree.get_arguments());
            if flags.into_iter().any(|arg| is_flag(arg, word) && takes_value(arg)) {
                words.next();
            }
        } else if let Some(next) = command.find_subcommand(word) {
            command = next;
        }
    }
    command
}

fn is_flag(arg: &Arg, word: &str) -> bool {
    let short = || arg.get_short().map(|short| format!("-{short}"));
    word.strip_prefix("--")
        .map_or_else(|| short().as_deref() == Some(word), |long| arg.get_long() == Some(long))
}

/// Whether the next word is its value.
pub(super) fn takes_value(arg: &Arg) -> bool {
    !arg.is_require_equals_set() && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Truth as Go's `strconv.ParseBool` reads it.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}
