//! What comes from a terminal, keys above all.

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character, a space among them.
    Char(char),
    /// A letter with Ctrl, in lower case.
    Ctrl(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Tab,
    Backspace,
    Escape,
}

/// What there is to see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Keys, or nothing but the time, another size or a call.
    Keys(Vec<Key>),
    /// A signal that asks for the end.
    #[cfg(unix)]
    Signal(u8),
    /// Somebody else had the terminal meanwhile.
    #[cfg(unix)]
    Back,
    /// There is no terminal any more.
    Gone,
}

/// Makes keys of bytes that come in pieces: a key may be several bytes, and a slow line may bring them one by one.
#[cfg(any(unix, test))]
#[derive(Debug, Default)]
pub struct Keys {
    /// The beginning of a key.
    begun: Vec<u8>,
}

#[cfg(any(unix, test))]
const ESC: u8 = 0x1b;

#[cfg(any(unix, test))]
const CTRL_C: u8 = 3;

/// No key has a sequence that long.
#[cfg(any(unix, test))]
const LONGEST: usize = 32;

#[cfg(any(unix, test))]
impl Keys {
    /// The keys that are complete with these bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for byte in bytes {
            // Whatever has begun: who wants to leave can.
            if *byte == CTRL_C {
                self.begun.clear();
            }
            self.begun.push(*byte);
            match part(&self.begun) {
                Part::Begun if self.begun.len() < LONGEST => {}
                Part::Key(key) => {
                    keys.push(key);
                    self.begun.clear();
                }
                // What is no key at all begins none, and two Escapes are one and the beginning of something.
                Part::Escape => {
                    keys.push(Key::Escape);
                    self.begun = vec![ESC];
                }
                Part::Begun | Part::Nothing => self.begun.clear(),
            }
        }
        keys
    }

    /// Whether a key has begun. If nothing follows soon, it was [`Keys::end`]ed.
    pub fn is_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// What was begun is all there is: Escape alone, or half of something.
    pub fn end(&mut self) -> Option<Key> {
        let is_escape = self.begun == [ESC];
        self.begun.clear();
        is_escape.then_some(Key::Escape)
    }
}

/// What some bytes are.
#[cfg(any(unix, test))]
enum Part {
    Key(Key),
    /// Escape, and the beginning of another key.
    Escape,
    Begun,
    Nothing,
}

#[cfg(any(unix, test))]
fn part(bytes: &[u8]) -> Part {
    match bytes {
        [ESC] | [ESC, b'[' | b'O'] => Part::Begun,
        [ESC, ESC] => Part::Escape,
        [ESC, b'[', parameters @ .., end] => sequence(parameters, *end),
        [ESC, b'O', end] => sequence(&[], *end),
        // Alt and a letter.
        [ESC, ..] => Part::Nothing,
        [b'\r' | b'\n'] => Part::Key(Key::Enter),
        [b'\t'] => Part::Key(Key::Tab),
        [0x7f | 0x08] => Part::Key(Key::Backspace),
        [letter @ 1..=26] => Part::Key(Key::Ctrl(char::from(letter + b'a' - 1))),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => match text.chars().next() {
                Some(character) if !character.is_control() => Part::Key(Key::Char(character)),
                _ => Part::Nothing,
            },
            Err(error) if error.error_len().is_none() => Part::Begun,
            Err(_) => Part::Nothing,
        },
    }
}

/// `ESC [ 5 ~` and its like. A second parameter tells of Shift and Ctrl, which make no difference here.
#[cfg(any(unix, test))]
fn sequence(parameters: &[u8], end: u8) -> Part {
    if !(0x40..=0x7e).contains(&end) {
        return Part::Begun;
    }
    let first = parameters.split(|byte| *byte == b';').next();
    Part::Key(match (end, first) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'H', _) | (b'~', Some(b"1" | b"7")) => Key::Home,
        (b'F', _) | (b'~', Some(b"4" | b"8")) => Key::End,
        (b'~', Some(b"5")) => Key::PageUp,
        (b'~', Some(b"6")) => Key::PageDown,
        _ => return Part::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: [(&[u8], &[Key]); 17] = [
        (b"a b", &[Key::Char('a'), Key::Char(' '), Key::Char('b')]),
        ("é漢".as_bytes(), &[Key::Char('é'), Key::Char('漢')]),
        (b"\r", &[Key::Enter]),
        (b"\t\x7f\x08", &[Key::Tab, Key::Backspace, Key::Backspace]),
        (b"\x03\x1a", &[Key::Ctrl('c'), Key::Ctrl('z')]),
        (b"\x1b[A\x1b[B", &[Key::Up, Key::Down]),
        (b"\x1bOA\x1bOB", &[Key::Up, Key::Down]),
        (b"\x1b[5~\x1b[6~", &[Key::PageUp, Key::PageDown]),
        (b"\x1b[H\x1b[1~\x1bOH", &[Key::Home; 3]),
        (b"\x1b[F\x1b[4~\x1b[8~", &[Key::End; 3]),
        (b"\x1b[1;5A", &[Key::Up]),
        (b"\x1b[3~x", &[Key::Char('x')]),
        (b"\x1bfx", &[Key::Char('x')]),
        (b"\x1b\x1b", &[Key::Escape]),
        (b"\x1b\x1b[A", &[Key::Escape, Key::Up]),
        (b"\xff\xc3(x", &[Key::Char('x')]),
        (b"\0\x1c", &[]),
    ];

    #[test]
    fn bytes_are_keys_however_they_come() {
        for (bytes, expected) in TABLE {
            assert_eq!(Keys::default().feed(bytes), expected, "{bytes:?}");
            let mut keys = Keys::default();
            let one_by_one: Vec<Key> = bytes.iter().flat_map(|byte| keys.feed(&[*byte])).collect();
            assert_eq!(one_by_one, expected, "{bytes:?}");
        }
    }

    #[test]
    fn escape_alone_is_a_key_once_nothing_follows() {
        let mut keys = Keys::default();
        assert_eq!(keys.feed(b"\x1b"), []);
        assert!(keys.is_begun());
        assert_eq!(keys.end(), Some(Key::Escape));
        assert!(!keys.is_begun());
        assert_eq!(keys.feed(b"\x1b["), []);
        assert_eq!(keys.end(), None);
        assert_eq!(keys.feed(b"x"), [Key::Char('x')]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_kept_for_ever(bytes in any::<Vec<u8>>()) {
            let mut keys = Keys::default();
            keys.feed(&bytes);
            prop_assert!(keys.begun.len() < LONGEST);
            keys.end();
            prop_assert_eq!(keys.feed(b"x"), [Key::Char('x')]);
        }
    }
}
