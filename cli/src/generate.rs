//! Completion scripts and the manual page, made from the definition of the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Exit;
use crate::output;

/// Prints a shell's completion script.
pub fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kill_port", &mut script);
    output::document(&String::from_utf8_lossy(&script))
}

/// Prints the manual page.
pub fn man() -> Exit {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Args::command()).render(&mut page) {
        Ok(()) => output::document(&String::from_utf8_lossy(&page)),
        Err(error) => {
            output::error_line(&format!("manual page: {error}"));
            Exit::Failed
        }
    }
}
