//! `schism completions`: a shell's completion script.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Args)]
#[command(after_help = "Examples:
  schism completions bash > /etc/bash_completion.d/schism
  schism completions fish > ~/.config/fish/completions/schism.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run<C: CommandFactory>(self) -> u8 {
        clap_complete::generate(self.shell, &mut C::command(), "schism", &mut std::io::stdout());
        0
    }
}
