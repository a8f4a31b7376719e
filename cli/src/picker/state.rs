//! What the list shows and what a key does to it. It knows no terminal.

use std::collections::HashSet;

use kill_port::Target;

use crate::picker::key::Key;
use crate::picker::row::{self, Row};

/// The rows, and what a person has made of them.
#[derive(Debug, Default)]
pub struct State {
    rows: Vec<Row>,
    /// The row under the cursor, which stays there until the cursor is moved, whatever becomes of it.
    under: Option<row::Key>,
    /// Its row has gone, and is shown for as long as the cursor is on it.
    gone: bool,
    marks: Vec<row::Key>,
    filter: String,
    /// The first row in the window, of those that match.
    top: usize,
    /// How many rows the window has.
    height: usize,
    help: bool,
    looked: bool,
    /// Why the last key did nothing.
    notice: Option<&'static str>,
}

/// The row under the cursor can't be chosen.
/// What is longer was pasted by mistake.
const LONGEST: usize = 200;

const GONE: &str = "it is gone; move to another row";
const HIDDEN: &str = "who has it can't be seen by this user";

/// What stands between two words of a filter: a space marks.
const AND: char = '+';

/// What a key asks of whoever has the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing but to be seen.
    None,
    /// To free these.
    Free(Vec<Target>),
    /// To leave.
    Leave,
    /// To leave as by Ctrl-C.
    Interrupt,
    /// To be stopped until it is wanted again.
    Suspend,
}

impl State {
    /// The rows that match the filter: every word of it, in any order.
    pub fn shown(&self) -> Vec<&Row> {
        let filter = self.filter.to_lowercase();
        let words: Vec<&str> = filter.split(AND).collect();
        let matches = |row: &&Row| words.iter().all(|word| row.text.contains(word));
        self.rows.iter().filter(matches).collect()
    }

    /// How many there are, whether they match or not.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Whether anybody has looked yet.
    pub fn has_looked(&self) -> bool {
        self.looked
    }

    /// Whether the keys are explained instead of the rows.
    pub fn shows_help(&self) -> bool {
        self.help
    }

    /// Why the last key did nothing, if that has to be said.
    pub fn notice(&self) -> Option<&'static str> {
        self.notice
    }

    /// How many ports are marked.
    pub fn marked(&self) -> usize {
        self.marked_targets().len()
    }

    /// Whether the row would be freed: what is marked is a port, and so it is marked for everybody who has it.
    pub fn is_marked(&self, row: &Row) -> bool {
        let mut marks = self.marks.iter();
        marks.any(|mark| mark.target() == row.key.target())
    }

    pub fn is_under_cursor(&self, row: &Row) -> bool {
        self.under.as_ref() == Some(&row.key)
    }

    /// Whether the row is shown though nobody is there any more.
    pub fn is_gone(&self, row: &Row) -> bool {
        self.gone && self.is_under_cursor(row)
    }

    /// The rows that fit a window of this height, with the cursor in it, and the place of the first among all that match.
    pub fn window(&mut self, height: usize) -> (usize, Vec<&Row>) {
        self.height = height;
        if let Some(place) = self.place() {
            self.top = self.top.min(place).max((place + 1).saturating_sub(height));
        }
        let matching = self.shown().len();
        self.top = self.top.min(matching.saturating_sub(height));
        let top = self.top;
        let window = self.shown().into_iter().skip(top).take(height);
        (top, window.collect())
    }

    /// Takes what was seen by a new look. The cursor stays on its row, and its row in its line.
    pub fn look(&mut self, mut rows: Vec<Row>) {
        let line = self.place().map(|place| place.saturating_sub(self.top));
        let there: HashSet<&row::Key> = rows.iter().map(|row| &row.key).collect();
        self.marks.retain(|mark| there.contains(mark));
        let mut under = self.under.iter();
        self.gone = under.any(|under| !there.contains(under));
        if self.gone {
            let own = self.rows.iter().find(|row| self.is_under_cursor(row));
            rows.extend(own.cloned());
        }
        // A stable order: whoever has gone stands where it stood.
        rows.sort_by_key(|row| row.key.order());
        self.rows = rows;
        if !self.looked {
            let shown = self.shown();
            let first = shown.iter().position(|row| row.key.is_seen());
            self.move_to(first.unwrap_or(0));
        }
        self.looked = true;
        if let (Some(place), Some(line)) = (self.place(), line) {
            self.top = place.saturating_sub(line);
        }
    }

    /// Does what a key asks for.
    pub fn press(&mut self, key: Key) -> Wish {
        self.notice = None;
        match key {
            Key::Ctrl('c') => return Wish::Interrupt,
            Key::Ctrl('z') => return Wish::Suspend,
            _ if std::mem::take(&mut self.help) => {}
            Key::Escape => return Wish::Leave,
            Key::Ctrl('d') if self.filter.is_empty() => return Wish::Leave,
            Key::Enter => return self.choose(),
            Key::Char('?') => self.help = true,
            Key::Char(' ') | Key::Tab => self.mark(),
            Key::Ctrl('a') => self.mark_all(),
            Key::Up | Key::Ctrl('p') => self.move_by(-1),
            Key::Down | Key::Ctrl('n') => self.move_by(1),
            Key::PageUp => self.move_by(-self.page()),
            Key::PageDown => self.move_by(self.page()),
            Key::Home => self.move_to(0),
            Key::End => self.move_to(usize::MAX),
            Key::Backspace => {
                self.filter.pop();
                self.filtered();
            }
            Key::Ctrl('u' | 'w') => {
                self.filter.clear();
                self.filtered();
            }
            Key::Char(character) if self.filter.len() < LONGEST => {
                self.filter.push(character);
                self.filtered();
            }
            Key::Char(_) | Key::Ctrl(_) => {}
        }
        Wish::None
    }

    fn place(&self) -> Option<usize> {
        let shown = self.shown();
        shown.iter().position(|row| self.is_under_cursor(row))
    }

    fn page(&self) -> isize {
        isize::try_from(self.height.max(1)).unwrap_or(isize::MAX)
    }

    /// Moves the cursor; from nowhere it goes to an end.
    fn move_by(&mut self, step: isize) {
        match self.place() {
            Some(place) => self.move_to(place.saturating_add_signed(step)),
            None if step < 0 => self.move_to(usize::MAX),
            None => self.move_to(0),
        }
    }

    /// Moves the cursor to a place among the rows that match, the last one at most. Whoever has gone is forgotten if it goes elsewhere.
    fn move_to(&mut self, place: usize) {
        let shown = self.shown();
        let place = place.min(shown.len().saturating_sub(1));
        let under = shown.get(place).map(|row| row.key.clone());
        if self.gone && under != self.under {
            self.gone = false;
            let gone = std::mem::take(&mut self.under);
            self.rows.retain(|row| Some(&row.key) != gone.as_ref());
        }
        self.under = under;
    }

    /// After another filter the cursor stays where it is, if that is still there.
    fn filtered(&mut self) {
        if self.place().is_none() {
            self.move_to(0);
        }
    }

    /// Marks the port under the cursor, or takes its mark away.
    fn mark(&mut self) {
        let shown = self.shown();
        let Some(row) = shown.into_iter().find(|row| self.is_under_cursor(row)) else {
            return;
        };
        let key = row.key.clone();
        if self.is_marked(row) {
            self.marks.retain(|mark| mark.target() != key.target());
        } else if self.can_be_chosen(row) {
            self.marks.push(key);
        } else {
            self.refuse();
        }
    }

    /// Says why the row under the cursor can't be chosen.
    fn refuse(&mut self) {
        self.notice = match &self.under {
            Some(_) if self.gone => Some(GONE),
            Some(_) => Some(HIDDEN),
            None => None,
        };
    }

    /// Marks everything that matches, or, if all of it is marked, nothing of it.
    fn mark_all(&mut self) {
        let shown = self.shown().into_iter();
        let rows: Vec<&Row> = shown.filter(|row| self.can_be_chosen(row)).collect();
        let keys: Vec<row::Key> = rows.iter().map(|row| row.key.clone()).collect();
        let targets: HashSet<Target> = keys.iter().map(row::Key::target).collect();
        let marked: HashSet<Target> = self.marks.iter().map(row::Key::target).collect();
        let are_marked = targets.is_subset(&marked);
        self.marks.retain(|mark| !targets.contains(&mark.target()));
        if !are_marked {
            self.marks.extend(keys);
        }
    }

    fn can_be_chosen(&self, row: &Row) -> bool {
        row.key.is_seen() && !self.is_gone(row)
    }

    /// Everything that is marked, and if nothing is, what is under the cursor.
    fn choose(&mut self) -> Wish {
        let marked = self.marked_targets();
        if !marked.is_empty() {
            return Wish::Free(marked);
        }
        let shown = self.shown();
        let under = shown.into_iter().find(|row| self.is_under_cursor(row));
        match under.filter(|row| self.can_be_chosen(row)) {
            Some(row) => Wish::Free(vec![row.key.target()]),
            None => {
                self.refuse();
                Wish::None
            }
        }
    }

    fn marked_targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = self.marks.iter().map(row::Key::target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picker::row::{Key as RowKey, Who};
    use kill_port::Protocol;
    use proptest::prelude::*;

    /// Whoever a row is, a container stands for it here: the state compares them alone.
    fn row(port: u16, who: &str) -> Row {
        let text = format!("{port}/tcp\n{who}");
        Row {
            port: port.to_string(),
            key: RowKey {
                port,
                protocol: Protocol::Tcp,
                who: Who::Container(who.into()),
            },
            process: who.into(),
            pid: String::new(),
            project: String::new(),
            age: String::new(),
            user: String::new(),
            is_own: true,
            about: String::new(),
            text,
        }
    }

    fn rows(rows: &[(u16, &str)]) -> Vec<Row> {
        rows.iter().map(|(port, who)| row(*port, who)).collect()
    }

    fn state(seen: &[(u16, &str)]) -> State {
        let mut state = State::default();
        state.look(rows(seen));
        state.window(10);
        state
    }

    fn type_in(state: &mut State, text: &str) {
        for character in text.chars() {
            assert_eq!(state.press(Key::Char(character)), Wish::None);
        }
    }

    fn under(state: &State) -> Option<(u16, String, bool)> {
        let shown = state.shown();
        let row = shown.into_iter().find(|row| state.is_under_cursor(row))?;
        Some((row.key.port, row.process.clone(), state.is_gone(row)))
    }

    fn free(ports: &[u16]) -> Wish {
        let targets = ports.iter().map(|port| Target::new(*port));
        Wish::Free(
            targets
                .map(|target| target.with_protocol(Protocol::Tcp))
                .collect(),
        )
    }

    #[test]
    fn every_word_of_the_filter_has_to_match_in_any_case() {
        let mut state = state(&[(80, "nginx"), (3000, "Node shop"), (3001, "node blog")]);
        state.rows[1].text = state.rows[1].text.to_lowercase();
        for (filter, ports) in [
            ("node", &[3000, 3001][..]),
            ("NODE+SHOP", &[3000]),
            ("shop+node", &[3000]),
            ("300", &[3000, 3001]),
            ("80+", &[80]),
            ("!", &[]),
        ] {
            state.press(Key::Ctrl('u'));
            type_in(&mut state, filter);
            let shown: Vec<u16> = state.shown().iter().map(|row| row.key.port).collect();
            assert_eq!(shown, ports, "{filter}");
        }
        assert_eq!(state.press(Key::Enter), Wish::None);
        state.press(Key::Backspace);
        assert_eq!(state.shown().len(), 3);
        assert_eq!(state.press(Key::Enter), free(&[80]));
    }

    #[test]
    fn the_cursor_goes_where_the_keys_say_and_no_further() {
        let seen: Vec<(u16, String)> = (1..=30).map(|port| (port, port.to_string())).collect();
        let seen: Vec<(u16, &str)> = seen.iter().map(|(port, who)| (*port, &**who)).collect();
        let mut state = state(&seen);
        for (key, port) in [
            (Key::Up, 1),
            (Key::Down, 2),
            (Key::Ctrl('n'), 3),
            (Key::Ctrl('p'), 2),
            (Key::PageDown, 12),
            (Key::PageUp, 2),
            (Key::End, 30),
            (Key::Down, 30),
            (Key::PageUp, 20),
            (Key::Home, 1),
            (Key::PageUp, 1),
        ] {
            state.press(key);
            assert_eq!(under(&state).map(|under| under.0), Some(port), "{key:?}");
        }
    }

    #[test]
    fn the_cursor_stays_on_its_process_and_in_its_line() {
        let mut state = state(&[(1, "a"), (2, "b"), (3, "c")]);
        state.press(Key::Down);
        state.look(rows(&[(0, "x"), (0, "y"), (1, "a"), (2, "b"), (3, "c")]));
        assert_eq!(under(&state), Some((2, "b".into(), false)));
        let (top, window) = state.window(3);
        assert_eq!((top, window[1].key.port), (2, 2));
        state.look(rows(&[(2, "b")]));
        assert_eq!(under(&state), Some((2, "b".into(), false)));
        assert_eq!(state.press(Key::Enter), free(&[2]));
    }

    #[test]
    fn who_has_gone_is_shown_until_the_cursor_moves_and_chosen_by_nobody() {
        let mut state = state(&[(1, "a"), (2, "b"), (3, "c")]);
        state.press(Key::Down);
        // Another one on the same port is not it.
        state.look(rows(&[(1, "a"), (2, "other"), (3, "c")]));
        assert_eq!(under(&state), Some((2, "b".into(), true)));
        assert_eq!(state.press(Key::Enter), Wish::None);
        assert_eq!(state.notice(), Some(GONE));
        state.press(Key::Char(' '));
        assert_eq!(state.marked(), 0);
        state.look(rows(&[(3, "c")]));
        assert_eq!(under(&state), Some((2, "b".into(), true)));
        state.press(Key::Down);
        assert_eq!(under(&state), Some((3, "c".into(), false)));
        assert_eq!(state.count(), 1);
    }

    #[test]
    fn who_comes_back_is_there_again() {
        let mut state = state(&[(1, "a")]);
        state.look(rows(&[]));
        assert_eq!(under(&state), Some((1, "a".into(), true)));
        state.look(rows(&[(1, "a")]));
        assert_eq!(under(&state), Some((1, "a".into(), false)));
        assert_eq!(state.count(), 1);
    }

    #[test]
    fn whoever_comes_to_an_empty_window_is_not_under_the_cursor() {
        let mut state = state(&[(1, "a")]);
        type_in(&mut state, "2");
        state.look(rows(&[(1, "a"), (2, "b")]));
        assert_eq!(under(&state), None);
        assert_eq!(state.press(Key::Enter), Wish::None);
        state.press(Key::Down);
        assert_eq!(state.press(Key::Enter), free(&[2]));
    }

    #[test]
    fn a_mark_is_a_port_and_goes_with_its_row() {
        let mut state = state(&[(1, "a"), (1, "b"), (2, "c"), (3, "d")]);
        state.press(Key::Tab);
        let marked: Vec<bool> = state
            .shown()
            .iter()
            .map(|row| state.is_marked(row))
            .collect();
        assert_eq!(marked, [true, true, false, false]);
        // The other holder of the port takes the same mark away.
        state.press(Key::Down);
        state.press(Key::Char(' '));
        assert_eq!(state.marked(), 0);
        state.press(Key::Char(' '));
        type_in(&mut state, "3");
        state.press(Key::Ctrl('a'));
        // What the filter hides keeps its mark.
        assert_eq!(state.press(Key::Enter), free(&[1, 3]));
        state.look(rows(&[(1, "a"), (2, "c"), (3, "d")]));
        assert_eq!(state.press(Key::Enter), free(&[3]));
        state.press(Key::Ctrl('a'));
        assert_eq!(state.marked(), 0);
    }

    #[test]
    fn help_ends_with_the_next_key_and_does_nothing_else() {
        let mut state = state(&[(1, "a")]);
        state.press(Key::Char('?'));
        assert!(state.shows_help());
        assert_eq!(state.press(Key::Escape), Wish::None);
        assert!(!state.shows_help());
        assert_eq!(state.press(Key::Escape), Wish::Leave);
        state.press(Key::Char('?'));
        assert_eq!(state.press(Key::Ctrl('c')), Wish::Interrupt);
    }

    fn any_key() -> impl Strategy<Value = Key> {
        prop_oneof![
            Just(Key::Up),
            Just(Key::Down),
            Just(Key::PageUp),
            Just(Key::PageDown),
            Just(Key::Home),
            Just(Key::End),
            Just(Key::Tab),
            Just(Key::Backspace),
            Just(Key::Ctrl('a')),
            Just(Key::Ctrl('u')),
            (0..4_u8).prop_map(|port| Key::Char(char::from(b'0' + port))),
        ]
    }

    #[derive(Debug, Clone)]
    enum Event {
        Press(Key),
        Look(Vec<(u16, u8)>),
        Window(usize),
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any_key().prop_map(Event::Press),
            prop::collection::btree_set((1..9_u16, 0..3_u8), 0..12)
                .prop_map(|rows| Event::Look(rows.into_iter().collect())),
            (1..6_usize).prop_map(Event::Window),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_is_chosen_who_was_not_pointed_at(
            events in prop::collection::vec(any_event(), 0..60),
        ) {
            let mut state = State::default();
            let mut there: Vec<(u16, String)> = Vec::new();
            for event in events {
                match event {
                    Event::Press(key) => {
                        prop_assert_eq!(state.press(key), Wish::None);
                    }
                    Event::Look(seen) => {
                        let before = under(&state);
                        let first = !state.has_looked();
                        there = seen.iter().map(|(port, who)| (*port, who.to_string())).collect();
                        state.look(there.iter().map(|(port, who)| row(*port, who)).collect());
                        let after = under(&state);
                        let who = |under: Option<(u16, String, bool)>| under.map(|(port, who, _)| (port, who));
                        if !first {
                            prop_assert_eq!(who(before), who(after), "a look moves no cursor");
                        }
                    }
                    Event::Window(height) => {
                        let place = state.place();
                        let (top, window) = state.window(height);
                        prop_assert!(window.len() <= height);
                        if let Some(place) = place {
                            prop_assert!((top..top + window.len()).contains(&place));
                        }
                    }
                }
                for row in state.shown() {
                    let is_there = there.contains(&(row.key.port, row.process.clone()));
                    prop_assert!(is_there || state.is_gone(row));
                }
                if let Wish::Free(targets) = state.choose() {
                    for target in targets {
                        let mut ports = there.iter().map(|(port, _)| *port);
                        prop_assert!(ports.any(|port| port == target.port()));
                    }
                }
            }
        }
    }
}
