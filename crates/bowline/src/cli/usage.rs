//! Command lines that can't be understood: what is wrong, and the nearest right word.

use std::ffi::OsString;
use std::io;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;
use crate::output::screen::Screen;

/// Prints the help that was asked for, or says what is wrong.
pub(crate) fn answer(error: &clap::Error, program: &'static str, line: &[OsString]) -> anyhow::Result<()> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let print: io::Result<()> = Screen::default().print(error.to_string());
            Ok(print?)
        }
        // `backup help`, as programs of this kind understand it.
        ErrorKind::InvalidSubcommand if context(error, ContextKind::InvalidSubcommand) == "help" => {
            let mut help = command(program, line, "help").1;
            Ok(Screen::default().print(help.render_help().to_string())?)
        }
        _ => Err(failure(error, program, line)),
    }
}

/// A command line error as every other one, with hints.
pub(crate) fn failure(error: &clap::Error, program: &'static str, line: &[OsString]) -> anyhow::Error {
    let unknown = context(error, ContextKind::InvalidSubcommand);
    let path = command(program, line, &unknown).0;
    let text = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, &path),
        ErrorKind::InvalidSubcommand => format!("unknown command {unknown:?} for {path:?}"),
        _ => first_paragraph(error),
    };
    // The nearest one is the last.
    let suggestion =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
            .into_iter()
            .flat_map(|kind| strings(error, kind))
            .next_back();
    let failure = Failure::new(text).maybe_hint(suggestion.map(|name| format!("did you mean {name}?")));
    failure.hint(format!("`{path} --help` shows what is possible")).into()
}

fn unknown_argument(error: &clap::Error, path: &str) -> String {
    let argument = context(error, ContextKind::InvalidArg);
    if argument.starts_with('-') {
        format!("unknown flag: {argument}")
    } else {
        format!("unknown command or too many arguments for {path:?}: {argument:?}")
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    strings(error, kind).into_iter().next().unwrap_or_default()
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// The message of an error without its label, its tips and the usage below.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let lines = paragraph.strip_prefix("error: ").unwrap_or(paragraph).lines();
    without_shapes(&lines.map(str::trim).collect::<Vec<_>>().join(" "))
}

/// Without the shapes of values: `--adopt[=<ADOPT>]` is `--adopt`.
fn without_shapes(text: &str) -> String {
    let mut plain = text.to_owned();
    while let Some(start) = plain.find("[=<")
        && let Some(length) = plain[start..].find(">]")
    {
        plain.replace_range(start..start + length + ">]".len(), "");
    }
    plain
}

/// The command that the line names, as far as it exists and up to the word that is none, with its words.
fn command(program: &'static str, line: &[OsString], unknown: &str) -> (String, Command) {
    let mut command = super::tree(program);
    let mut path = program.to_owned();
    let words = line.iter().skip(1).filter_map(|word| word.to_str());
    for word in words.take_while(|word| unknown.is_empty() || *word != unknown) {
        let Some(next) = command.find_subcommand(word).cloned() else { continue };
        path.push(' ');
        path.push_str(next.get_name());
        command = next;
    }
    (path, command)
}
