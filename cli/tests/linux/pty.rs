//! A terminal for the command: what it shows, and keys.

use std::os::unix::process::ExitStatusExt as _;

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::fixture::PATIENCE;

/// A command that runs on a terminal of its own.
pub struct Terminal {
    before: Vec<u32>,
    keyboard: File,
    child: Child,
    screen: Arc<Screen>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// All that the command has written to its terminal.
struct Screen {
    shown: Mutex<Shown>,
    news: Condvar,
}

struct Shown {
    text: String,
    /// What a terminal makes of it.
    screen: vt100::Parser,
    is_over: bool,
}

/// So many lines are kept that are above the screen.
const ABOVE: usize = 1000;

impl Terminal {
    /// Starts the command with all three standard streams on a terminal of so many columns.
    pub fn start(command: Command, columns: u16) -> Self {
        Self::of_size(command, 24, columns)
    }

    /// Starts the command on a terminal of this size.
    pub fn of_size(mut command: Command, rows: u16, columns: u16) -> Self {
        let (master, slave) = open(rows, columns);
        command
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave.try_clone().expect("a descriptor"))
            .stderr(slave);
        lead(&mut command);
        let before = settings(&master);
        let child = command.spawn().expect("the command starts");
        // The command value keeps the terminal open for as long as it lives.
        drop(command);
        let screen = Arc::new(Screen {
            shown: Mutex::new(Shown {
                text: String::new(),
                screen: vt100::Parser::new(rows, columns, ABOVE),
                is_over: false,
            }),
            news: Condvar::new(),
        });
        let keyboard = master.try_clone().expect("a descriptor");
        let reader = {
            let screen = Arc::clone(&screen);
            std::thread::spawn(move || screen.read(master))
        };
        Self {
            before,
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
        self.wait(what, |shown| shown.text.contains(what));
    }

    /// Waits until the screen is like this.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        self.wait(what, |shown| is_so(shown.screen.screen()));
    }

    /// Waits until the screen shows this.
    pub fn wait_to_see(&self, what: &str) {
        self.wait_until(what, |screen| screen.contents().contains(what));
    }

    /// What the screen shows.
    pub fn look(&self) -> String {
        self.screen.lock().screen.screen().contents()
    }

    /// Everything that was shown.
    pub fn look_at_all(&self) -> String {
        self.screen.lock().text.clone()
    }

    /// Makes the terminal larger or smaller, as a person who draws at its corner.
    pub fn resize(&self, rows: u16, columns: u16) {
        let mut shown = self.screen.lock();
        shown.screen.screen_mut().set_size(rows, columns);
        set_size(&self.keyboard, rows, columns);
    }

    /// The terminal's settings before the command was started.
    pub fn settings_before(&self) -> Vec<u32> {
        self.before.clone()
    }

    /// The terminal's settings.
    pub fn settings(&self) -> Vec<u32> {
        settings(&self.keyboard)
    }

    /// The command's PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Shown) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = self.screen.lock();
        while !is_so(&shown) {
            let left = deadline.saturating_duration_since(Instant::now());
            if shown.is_over || left.is_zero() {
                let text = shown.text.clone();
                let screen = shown.screen.screen().contents();
                drop(shown);
                panic!("{what:?} was not shown: {text:?}\n{screen}");
            }
            shown = self
                .screen
                .news
                .wait_timeout(shown, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the command's end: its exit code, and everything that was shown.
    pub fn end(self) -> (Option<i32>, String) {
        let end = self.end_with_screen();
        (end.code, end.text)
    }

    /// Waits for the command's end, and looks at the terminal once more.
    pub fn end_with_screen(mut self) -> End {
        let status = self.child.wait().expect("the command ends");
        let settings = self.settings();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader");
        }
        let mut shown = self.screen.lock();
        let screen = &mut shown.screen;
        let contents = screen.screen().contents();
        let is_tidy = !screen.screen().hide_cursor() && screen.screen().cursor_position().1 == 0;
        screen.screen_mut().set_scrollback(ABOVE);
        let above = screen.screen().scrollback();
        let above = match above {
            0 => String::new(),
            _ => screen.screen().contents(),
        };
        End {
            code: status.code(),
            signal: status.signal(),
            settings,
            is_tidy,
            screen: contents,
            above,
            text: shown.text.clone(),
        }
    }
}

/// What is left when the command has ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub settings: Vec<u32>,
    /// The cursor is there, and at the start of a line.
    pub is_tidy: bool,
    pub screen: String,
    /// The oldest lines that have left the screen.
    pub above: String,
    pub text: String,
}

/// Makes the command, whose standard input is a terminal, the leader of that.
pub fn lead(command: &mut Command) {
    // SAFETY: both calls are allowed between fork and exec; they take numbers. Descriptor 0 is the terminal by then.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mut master: File) {
        let mut buffer = [0; 4096];
        // The read fails once nobody has the terminal open any more.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            let mut shown = self.lock();
            let bytes = &buffer[..count];
            shown.text.push_str(&String::from_utf8_lossy(bytes));
            shown.screen.process(bytes);
            self.news.notify_all();
        }
        self.lock().is_over = true;
        self.news.notify_all();
    }
}

/// A new terminal: our side, and the command's. Neither is ever inherited by processes of other tests, which would keep it open.
pub fn open(rows: u16, columns: u16) -> (File, File) {
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
    let fd = master.as_raw_fd();
    // SAFETY: the name lives through the calls, and its length is given.
    let made = unsafe {
        libc::grantpt(fd) == 0
            && libc::unlockpt(fd) == 0
            && libc::ptsname_r(fd, name.as_mut_ptr().cast(), name.len()) == 0
    };
    assert!(made, "a terminal: {}", std::io::Error::last_os_error());
    set_size(&master, rows, columns);
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

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the size lives through the call.
    let set = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(set, 0, "size: {}", std::io::Error::last_os_error());
}

/// What a terminal does with what is typed and written.
fn settings(terminal: &File) -> Vec<u32> {
    // SAFETY: the settings are filled in before they are read, and live through the call.
    let settings = unsafe {
        let mut settings = std::mem::zeroed::<libc::termios>();
        let got = libc::tcgetattr(terminal.as_raw_fd(), &raw mut settings);
        assert_eq!(got, 0, "settings: {}", std::io::Error::last_os_error());
        settings
    };
    // An input speed that is said to be the output's, and none, are the same.
    let (input, output) = (
        settings.c_cflag & libc::CIBAUD,
        settings.c_cflag & libc::CBAUD,
    );
    let is_said = input == output << 16;
    let flags = [
        settings.c_iflag,
        settings.c_oflag,
        settings.c_cflag & if is_said { !libc::CIBAUD } else { !0 },
        settings.c_lflag,
    ];
    let characters = settings.c_cc.iter().map(|character| u32::from(*character));
    flags.into_iter().chain(characters).collect()
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
