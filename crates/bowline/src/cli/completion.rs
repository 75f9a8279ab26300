//! `completion`: scripts that complete commands and flags in a shell.

use clap::ValueEnum;
use clap_complete::Shell;

use crate::session::Session;

/// Print a completion script
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completion {
    /// Shell: bash, zsh or fish
    #[arg(value_name = "SHELL", value_enum)]
    shell: Supported,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Supported {
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
        let shell = match self.shell {
            Supported::Bash => Shell::Bash,
            Supported::Zsh => Shell::Zsh,
            Supported::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut super::tree(session.program()), session.program(), &mut script);
        Ok(session.screen.print(script)?)
    }
}
