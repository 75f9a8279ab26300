//! Command lines in the documents: the commands and flags that they name exist, by the generated reference.

use std::collections::BTreeMap;

use super::Problem;
use crate::tree::File;

/// Where all commands are, generated from the program.
pub(super) const REFERENCE: &str = "docs/reference/cli.md";
const PROGRAM: &str = "bowline";

/// Flags of a command, and whether they take a value.
type Flags = BTreeMap<String, bool>;

/// Every command of the program.
pub(super) struct Commands {
    global: Flags,
    /// By path, such as `backup create`.
    commands: BTreeMap<String, Flags>,
}

impl Commands {
    /// Reads the reference.
    pub(super) fn read(reference: &str) -> Self {
        let global = Flags::from([("--help".to_owned(), false), ("-h".to_owned(), false)]);
        let mut read = Self { global, commands: BTreeMap::new() };
        let mut aliases = Vec::new();
        let mut path: Option<String> = None;
        for line in reference.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                path = title.strip_prefix(PROGRAM).map(|path| path.trim().to_owned());
                read.commands.extend(path.clone().map(|path| (path, Flags::new())));
            } else if let Some(flag) = line.strip_prefix("| `-") {
                let flags = path.as_ref().and_then(|path| read.commands.get_mut(path));
                add_flag(flags.unwrap_or(&mut read.global), flag);
            } else if let Some((alias, command)) = alias(line) {
                aliases.push((alias, command));
            }
        }
        for (alias, command) in aliases {
            let flags = read.commands.get(&command).cloned().unwrap_or_default();
            read.commands.insert(alias, flags);
        }
        read
    }

    /// Lines of a document that name what is not there.
    pub(super) fn check(&self, file: &File) -> Vec<Problem> {
        if file.extension() != "md" || file.path == REFERENCE {
            return Vec::new();
        }
        let wrong =
            lines(&file.text).into_iter().filter_map(|(number, line)| Some((number, self.wrong(&line)?)));
        wrong.map(|(number, what)| Problem::error(format!("{}:{number}", file.path), what)).collect()
    }

    /// What a command line names that is not there.
    fn wrong(&self, line: &str) -> Option<String> {
        let mut path = String::new();
        let mut words = words(line).into_iter().skip(1);
        while let Some(word) = words.next() {
            if let Some(flag) = word.strip_prefix('-') {
                let name = flag.split('=').next().unwrap_or_default();
                let name = format!("-{name}");
                let own = self.commands.get(&path).and_then(|flags| flags.get(&name));
                let Some(takes_value) = own.or_else(|| self.global.get(&name)) else {
                    return Some(format!("`{PROGRAM} {path}` has no flag {name}"));
                };
                if *takes_value && !word.contains('=') {
                    words.next();
                }
                continue;
            }
            let deeper = format!("{path} {word}").trim().to_owned();
            if self.commands.contains_key(&deeper) {
                path = deeper;
            } else if self.has_commands_below(&path) {
                return Some(format!("there is no command `{PROGRAM} {deeper}`"));
            }
        }
        None
    }

    fn has_commands_below(&self, path: &str) -> bool {
        let below = if path.is_empty() { String::new() } else { format!("{path} ") };
        self.commands.keys().any(|command| command.starts_with(&below) && *command != path)
    }
}

/// `-o, --output FORM` of a table's first cell, as far as behind its first dash.
fn add_flag(flags: &mut Flags, cell: &str) {
    let text = format!("-{}", cell.split('`').next().unwrap_or_default());
    let takes_value = text.split(", ").last().is_some_and(|last| last.contains(' '));
    let names = text.split(", ").filter_map(|name| name.split(' ').next());
    flags.extend(names.map(|name| (name.to_owned(), takes_value)));
}

/// ``* `bowline get backups` is [`bowline backup get`]``: the same command with the verb first.
fn alias(line: &str) -> Option<(String, String)> {
    let (alias, command) = line.strip_prefix("* `")?.split_once("` is [`")?;
    let plain = |text: &str| Some(text.strip_prefix(PROGRAM)?.trim().to_owned());
    Some((plain(alias)?, plain(command.split('`').next()?)?))
}

/// Command lines of a document, with the numbers of their lines: those of blocks, and those between backticks.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((number, mut start)) = begun.take() {
            start.push_str(line.trim());
            begun = Some((number, start));
        } else if starts_a_command(line.trim_start()) {
            begun = Some((number, line.trim_start().to_owned()));
        } else {
            let quoted = line.split('`').skip(1).step_by(2).filter(|part| starts_a_command(part));
            found.extend(quoted.map(|part| (number, part.to_owned())));
        }
        if let Some((_, command)) = &mut begun
            && let Some(start) = command.strip_suffix('\\')
        {
            *command = start.to_owned();
            continue;
        }
        found.extend(begun.take());
    }
    found
}

fn starts_a_command(text: &str) -> bool {
    text.strip_prefix(PROGRAM).is_some_and(|rest| rest.starts_with([' ', '\n'])) && !is_prose(text)
}

/// A sentence that begins with the program's name is no command: its second word is none of a command line.
fn is_prose(text: &str) -> bool {
    let second = text.split_whitespace().nth(1).unwrap_or_default();
    !second.starts_with('-') && !second.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// The words of a shell line, up to what is not the program's any more.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '>' | ';' | '&' | '#' | '`') if word.is_empty() => break,
            (None, c) if c.is_whitespace() => words.extend(take(&mut word)),
            _ => word.push(c),
        }
    }
    words.extend(take(&mut word));
    words
}

fn take(word: &mut String) -> Option<String> {
    (!word.is_empty()).then(|| std::mem::take(word))
}

#[cfg(test)]
mod tests {
    use super::Commands;
    use crate::tree::File;

    const REFERENCE: &str = "## Flags of every command\n| `-n, --namespace NAME` |  | x |\n## bowline backup\n## bowline backup get\n\
        | `-o, --output FORM` | `table` | x |\n| `--watch` |  | x |\n## bowline get\n* `bowline get backups` is [`bowline backup get`](#x)\n";

    fn problems(text: &str) -> Vec<String> {
        let file = File { path: "docs/x.md".into(), text: text.into() };
        let problems = Commands::read(REFERENCE).check(&file);
        problems.into_iter().map(|problem| format!("{} {}", problem.place, problem.text)).collect()
    }

    #[test]
    fn what_exists_is_in_order() {
        let text = "bowline -n x backup get web -o json | jq .\n    bowline get backups --watch   # until Ctrl-C\n\
                    `bowline backup get --output=yaml` and `bowline backup`, `bowline --help`\nbowline backup get \\\n  --watch >x\n\
                    Bowline backs up. bowline is a knot.\n`bowline backup get 'a --b'`";
        assert_eq!(problems(text), Vec::<String>::new());
    }

    #[test]
    fn commands_and_flags_that_do_not_exist_are_found_in_their_line() {
        let text = "fine\nbowline backup gte web\n`bowline backup get --wacth`\nbowline backup get \\\n  --no\nbowline get restores";
        assert_eq!(
            problems(text),
            [
                "docs/x.md:2 there is no command `bowline backup gte`",
                "docs/x.md:3 `bowline backup get` has no flag --wacth",
                "docs/x.md:4 `bowline backup get` has no flag --no",
                "docs/x.md:6 there is no command `bowline get restores`",
            ]
        );
    }
}
