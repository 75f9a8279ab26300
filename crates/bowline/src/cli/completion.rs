//! `completion`: scripts for shells. They ask this program, so that also names of live objects can be completed.

mod engine;
mod live;

use std::ffi::OsString;

use clap::ValueEnum;

use crate::config::{ClientFile, Environment};
use crate::output::screen::Screen;
use crate::session::Session;
use engine::{Candidate, Line};

/// First argument of the scripts' questions; then come the shell and the words of the line.
pub(crate) const QUESTION: &str = "__complete";

/// Print a completion script
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completion {
    /// Shell: bash, zsh or fish
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

const EXAMPLES: &str = "
# For this session of bash; put the line into ~/.bashrc for all
source <({program} completion bash)
{program} completion zsh > \"${fpath[1]}/_{program}\"
{program} completion fish > ~/.config/fish/completions/{program}.fish";

impl Completion {
    pub(crate) fn run(self, session: &Session) -> anyhow::Result<()> {
        let script = match self.shell {
            Shell::Bash => include_str!("completion/script.bash"),
            Shell::Zsh => include_str!("completion/script.zsh"),
            Shell::Fish => include_str!("completion/script.fish"),
        };
        Ok(session.screen.print(script.replace("PROGRAM", session.program()))?)
    }
}

/// Answers the question of a script: a line for each word that could come next. Whatever goes wrong is no word.
pub(crate) async fn answer(environment: Environment, question: &[OsString]) -> anyhow::Result<()> {
    let words: Vec<String> = question.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((shell, words)) = words.split_first() else { return Ok(()) };
    let Ok(shell) = Shell::from_str(shell, false) else { return Ok(()) };
    let words = if matches!(shell, Shell::Bash) { engine::rejoined(words) } else { words.to_vec() };
    let mut tree = super::tree(environment.program);
    tree.build();
    let line = Line::read(&tree, &words);
    let mut found = line.words();
    if let Some(names) = line.live() {
        let file = ClientFile::read(&environment).unwrap_or_default();
        let session = Session::silent(environment, line.globals(), &file);
        found.extend(live::names(&session, names).await.into_iter().map(Candidate::plain));
    }
    let screen = Screen::default();
    for candidate in found.iter().filter(|candidate| candidate.word.starts_with(line.typed())) {
        screen.line(match shell {
            Shell::Bash => candidate.word.clone(),
            Shell::Zsh => format!("{}{}:{}", line.kept(), candidate.word.replace(':', "\\:"), candidate.help),
            Shell::Fish => format!("{}{}\t{}", line.kept(), candidate.word, candidate.help),
        })?;
    }
    Ok(())
}
