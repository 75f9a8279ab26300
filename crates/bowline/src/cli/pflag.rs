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

/// The line without optional switches that have an empty value: for Velero they are absent, as scripts write them whose variable
/// is not set.
pub(crate) fn without_empty_switches(tree: &Command, line: Vec<OsString>) -> Vec<OsString> {
    let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let is_empty = |word: &OsString| {
        let name = word.to_str().and_then(|word| word.strip_prefix("--")?.strip_suffix('='));
        name.is_some_and(|name| has_optional_switch(tree, name))
    };
    line.into_iter()
        .enumerate()
        .filter(|(at, word)| *at >= end || !is_empty(word))
        .map(|(_, word)| word)
        .collect()
}

fn has_optional_switch(command: &Command, name: &str) -> bool {
    let optional = |arg: &Arg| {
        arg.get_long() == Some(name)
            && arg.get_value_parser().type_id() == TypeId::of::<bool>()
            && arg.get_default_values().is_empty()
    };
    command.get_arguments().any(optional)
        || command.get_subcommands().any(|command| has_optional_switch(command, name))
}

/// Truth as Go's `strconv.ParseBool` reads it.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}
