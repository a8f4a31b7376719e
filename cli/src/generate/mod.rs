//! What is made from the definition of the command line: completion scripts and the manual page.

pub mod completion;
pub mod man;
pub mod offers;
