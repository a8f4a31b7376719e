//! A terminal for the command: what it shows, and keys.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::fixture::PATIENCE;

/// A command that runs on a terminal of its own.
pub struct Terminal {
    keyboard: File,
    child: Child,
    screen: Arc<Screen>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// All that the command has written to its terminal.
#[derive(Default)]
struct Screen {
    text: Mutex<(String, bool)>,
    news: Condvar,
}

impl Terminal {
    /// Starts the command with all three standard streams on a terminal of so many columns.
    pub fn start(mut command: Command, columns: u16) -> Self {
        let (master, slave) = open(columns);
        command
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave.try_clone().expect("a descriptor"))
            .stderr(slave);
        // SAFETY: both calls are allowed between fork and exec; they take numbers. Descriptor 0 is the terminal by then.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the command starts");
        // The command value keeps the terminal open for as long as it lives.
        drop(command);
        let screen = Arc::new(Screen::default());
        let keyboard = master.try_clone().expect("a descriptor");
        let reader = {
            let screen = Arc::clone(&screen);
            std::thread::spawn(move || screen.read(master))
        };
        Self {
            keyboard,
            child,
            screen,
            reader: Some(reader),
        }
    }

    /// Presses keys; Ctrl-C is `\x03`.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Waits until the terminal has shown this.
    pub fn wait_for(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self
            .screen
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !text.0.contains(what) {
            let left = deadline.saturating_duration_since(Instant::now());
            if text.1 || left.is_zero() {
                let shown = text.0.clone();
                drop(text);
                panic!("{what:?} was not shown: {shown:?}");
            }
            text = self
                .screen
                .news
                .wait_timeout(text, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the command's end: its exit code, and everything that was shown.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("the command ends").code();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader");
        }
        let text = self
            .screen
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (code, text.0.clone())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    fn read(&self, mut master: File) {
        let mut buffer = [0; 4096];
        // The read fails once nobody has the terminal open any more.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.0.push_str(&String::from_utf8_lossy(&buffer[..count]));
            self.news.notify_all();
        }
        self.text.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.news.notify_all();
    }
}

/// A new terminal: our side, and the command's. Neither is ever inherited by processes of other tests, which would keep it open.
fn open(columns: u16) -> (File, File) {
    // SAFETY: it takes flags. The descriptor is new and belongs to nobody else.
    let master = unsafe {
        let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(
            master >= 0,
            "posix_openpt: {}",
            std::io::Error::last_os_error()
        );
        File::from_raw_fd(master)
    };
    let mut name = [0_u8; 64];
    let size = libc::winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let fd = master.as_raw_fd();
    // SAFETY: name and size live through the calls, and the name's length is given.
    let made = unsafe {
        libc::grantpt(fd) == 0
            && libc::unlockpt(fd) == 0
            && libc::ptsname_r(fd, name.as_mut_ptr().cast(), name.len()) == 0
            && libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) == 0
    };
    assert!(made, "a terminal: {}", std::io::Error::last_os_error());
    let name = CStr::from_bytes_until_nul(&name).expect("a name ends with a zero");
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    let slave = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
        .expect("the other side of the terminal");
    keep_output(&slave);
    (master, slave)
}

/// On Ctrl-C a terminal drops what was written and not yet read, after it has sent the signal: a command that is quick enough loses
/// what it says about it. A test could not tell that from a command that says nothing.
fn keep_output(terminal: &File) {
    let fd = terminal.as_raw_fd();
    // SAFETY: the settings are filled in before they are read, and live through both calls.
    let kept = unsafe {
        let mut settings = std::mem::zeroed::<libc::termios>();
        libc::tcgetattr(fd, &raw mut settings) == 0 && {
            settings.c_lflag |= libc::NOFLSH;
            libc::tcsetattr(fd, libc::TCSANOW, &raw const settings) == 0
        }
    };
    assert!(kept, "settings: {}", std::io::Error::last_os_error());
}

/// What the lines of a terminal show in the end: a carriage return goes back to the start of the line.
pub fn shown(text: &str) -> Vec<String> {
    text.split('\n')
        .map(|line| {
            let mut cells: Vec<char> = Vec::new();
            let mut column = 0;
            for character in line.chars() {
                match character {
                    '\r' => column = 0,
                    _ => {
                        if column < cells.len() {
                            cells[column] = character;
                        } else {
                            cells.push(character);
                        }
                        column += 1;
                    }
                }
            }
            cells.into_iter().collect::<String>().trim_end().to_owned()
        })
        .collect()
}
