//! A question on the terminal, and the line that answers it.

use crate::output;

/// Asks, and reads a line. `None`: there is none, or the terminal does not come to rest.
///
/// What was typed before the question was to be seen is no answer to it: it is dropped, and the question comes only when no more of it does.
pub fn ask(question: &str) -> Option<String> {
    let terminal = terminal::Asking::new();
    if !terminal.comes_to_rest() {
        return None;
    }
    output::complain(question);
    let line = terminal.line();
    if line.is_none() {
        output::complain("\n");
    }
    line
}

#[cfg(unix)]
mod terminal {
    use std::io::{self, Stdin};
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };

    /// What is pasted comes in pieces, with shorter breaks between them.
    const REST: Duration = Duration::from_millis(150);

    /// Nobody waits longer for it.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// No answer is that long.
    const LONGEST: usize = 4096;

    /// The terminal while a question stands.
    pub struct Asking {
        stdin: Stdin,
        before: Option<Termios>,
    }

    impl Asking {
        pub fn new() -> Self {
            let stdin = io::stdin();
            let before = tcgetattr(&stdin).ok();
            Self { stdin, before }
        }

        fn set(&self, change: impl FnOnce(&mut Termios)) {
            if let Some(before) = &self.before {
                let mut settings = before.clone();
                change(&mut settings);
                let _ = tcsetattr(&self.stdin, OptionalActions::Now, &settings);
            }
        }

        /// Drops what comes until nothing does.
        ///
        /// It is read, and not flushed: with what a terminal has not looked at yet, Ctrl-C would be lost.
        pub fn comes_to_rest(&self) -> bool {
            self.set(|settings| {
                settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
                settings.local_modes |= LocalModes::ISIG;
                settings.special_codes[SpecialCodeIndex::VMIN] = 0;
                settings.special_codes[SpecialCodeIndex::VTIME] = 0;
            });
            let is_at_rest = self.drain();
            // Whole lines, whatever somebody has left it in.
            self.set(|settings| {
                settings.local_modes |= LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO;
                settings.input_modes |= InputModes::ICRNL;
            });
            is_at_rest
        }

        fn drain(&self) -> bool {
            let end = Instant::now() + PATIENCE;
            let rest = Timespec::try_from(REST).ok();
            while Instant::now() < end {
                let mut input = [PollFd::new(&self.stdin, PollFlags::IN)];
                match poll(&mut input, rest.as_ref()) {
                    Ok(0) => return true,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return false,
                }
                let [input] = input.map(|input| input.revents());
                // The terminal is gone: that can be read for ever.
                if input.intersects(PollFlags::HUP | PollFlags::ERR) {
                    return false;
                }
                if !input.is_empty()
                    && let Err(error) = rustix::io::read(&self.stdin, &mut [0; 1024])
                    && ![Errno::INTR, Errno::AGAIN].contains(&error)
                {
                    return false;
                }
            }
            false
        }

        /// Reads byte by byte, so that nothing of the next line is taken.
        pub fn line(&self) -> Option<String> {
            let mut line = Vec::new();
            let mut byte = [0];
            while line.len() < LONGEST {
                match rustix::io::read(&self.stdin, &mut byte) {
                    Ok(1..) if byte == *b"\n" => break,
                    Ok(1..) => line.extend(byte),
                    Err(Errno::INTR) => {}
                    // Node.js leaves terminals in a mode in which nothing waits.
                    Err(Errno::AGAIN) => {
                        let mut input = [PollFd::new(&self.stdin, PollFlags::IN)];
                        match poll(&mut input, None) {
                            Ok(_) | Err(Errno::INTR) => {}
                            Err(_) => return None,
                        }
                    }
                    Ok(0) | Err(_) => return None,
                }
            }
            String::from_utf8(line).ok()
        }
    }

    impl Drop for Asking {
        fn drop(&mut self) {
            if let Some(before) = &self.before {
                let _ = tcsetattr(&self.stdin, OptionalActions::Now, before);
            }
        }
    }
}

#[cfg(windows)]
mod terminal {
    use std::io;
    use std::time::Duration;

    use crossterm::event;

    pub struct Asking;

    impl Asking {
        pub fn new() -> Self {
            Self
        }

        pub fn comes_to_rest(&self) -> bool {
            while matches!(event::poll(Duration::ZERO), Ok(true)) && event::read().is_ok() {}
            true
        }

        pub fn line(&self) -> Option<String> {
            let mut line = String::new();
            match io::stdin().read_line(&mut line) {
                Ok(1..) => Some(line),
                Ok(0) | Err(_) => None,
            }
        }
    }
}
