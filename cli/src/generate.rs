//! Completion scripts and the manual page, made from the definition of the command line.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;

/// A shell's completion script.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kill_port", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page.
pub fn man() -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
