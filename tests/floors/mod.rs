//! The order of the library's rooms: each imports only from floors below its own, so that there is no circle. Inside a room anything goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the lowest floor to the highest: files of `src`, or folders there with everything in them. Those on one floor know
/// nothing of each other.
const FLOORS: &[&[&str]] = &[
    // Plain data.
    &[
        "include",
        "interface",
        "printable",
        "protocol",
        "signal",
        "users",
    ],
    &["process", "target"],
    &[
        "editor",
        "forwarder",
        "names",
        "next_step",
        "socket",
        "stop_signal",
    ],
    &["connection", "container", "short_command", "supervisor"],
    &["report"],
    &["error", "event"],
    &["plan"],
    &["options"],
    // Those who do something.
    &["sys"],
    &["containers"],
    &["discovery"],
    &["filtration"],
    &["verification"],
    &["escalation"],
    &["explain"],
    &["advice"],
    &["verbs"],
    // What fuzzers and tests are to find, never in a program.
    &["fuzzing"],
    &["lib"],
];

/// The highest floor of plain data.
const DATA: &str = "options";

/// The floor of each room.
fn floors() -> BTreeMap<&'static str, usize> {
    let floors = FLOORS.iter().enumerate();
    floors
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor)))
        .collect()
}

/// Every file below the folder, as a module: by the parts of its path.
fn files(folder: &Path, parents: &[String], found: &mut Vec<(Vec<String>, PathBuf)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy();
        let mut module = parents.to_vec();
        if stem != "mod" {
            module.push(stem.into_owned());
        }
        if path.is_dir() {
            files(&path, &module, found);
        } else {
            found.push((module, path));
        }
    }
}

/// The code of a file without its comments: that of the program, and that of its unit tests.
fn code(text: &str) -> (String, String) {
    let lines = text.lines();
    let code: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let mut lines = code.iter();
    // A module of tests that is in a file of its own hides nothing of what follows.
    let is_inline = |at: usize| {
        ["#[cfg(test)]", "#[cfg(all(test,"]
            .iter()
            .any(|only| code[at].trim().starts_with(only))
            && code[at + 1..]
                .iter()
                .find(|line| !line.trim_start().starts_with("#["))
                .is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    let end = (0..code.len()).find(|&at| is_inline(at));
    let program: Vec<&str> = lines
        .by_ref()
        .take(end.unwrap_or(code.len()))
        .copied()
        .collect();
    let tests: Vec<&str> = lines.copied().collect();
    (program.join("\n"), tests.join("\n"))
}

/// The rooms that this code names by `crate::`, where a brace may hold several. What is no room's name is in the crate's root.
fn imports<'a>(code: &'a str, floors: &BTreeMap<&'static str, usize>) -> Vec<&'a str> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let room = |text: &'a str| {
        let name = text.split(|character| !is_part(character)).next();
        name.filter(|name| floors.contains_key(name))
            .unwrap_or("lib")
    };
    let mut imports = Vec::new();
    for (start, found) in code.match_indices("crate::") {
        // `$crate::`, and names that only end alike.
        if code[..start].ends_with(|before| is_part(before) || before == '$') {
            continue;
        }
        let rest = &code[start + found.len()..];
        match rest.strip_prefix('{') {
            None => imports.push(room(rest)),
            Some(braces) => imports.extend(first_names(braces).into_iter().map(room)),
        }
    }
    imports
}

/// What stands first in each part of a brace, up to its end: `a::{b, c}, d}` has `a::{b, c}` and `d`.
fn first_names(braces: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut names = Vec::new();
    let mut start = 0;
    for (at, character) in braces.char_indices() {
        let is_end = character == '}' && depth == 0;
        if is_end || (character == ',' && depth == 0) {
            names.push(braces[start..at].trim());
            start = at + 1;
        }
        match character {
            '{' => depth += 1,
            '}' if is_end => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// How many modules up the longest `super::super::…` of this code leads.
fn levels_up(code: &str) -> usize {
    let chains =
        code.split(|character: char| !(character.is_alphanumeric() || "_:".contains(character)));
    chains
        .map(|chain| chain.split("::").filter(|part| *part == "super").count())
        .max()
        .unwrap_or(0)
}

/// What is wrong with the imports of this code, which is in that module.
fn wrong(module: &[String], text: &str, floors: &BTreeMap<&'static str, usize>) -> Vec<String> {
    let room = module.first().map_or("lib", String::as_str);
    let floor = |room: &str| floors.get(room).copied().unwrap_or(usize::MAX);
    let (program, tests) = code(text);
    let is_below = |import: &str| floor(import) < floor(room) || import == room;
    // The tests of plain data may use all of it.
    let is_data = |room: &str| floor(room) <= floor(DATA);
    let is_below_tests = |import: &str| is_below(import) || (is_data(room) && is_data(import));
    let in_program = imports(&program, floors).into_iter();
    let in_tests = imports(&tests, floors).into_iter();
    let upward = in_program
        .filter(|import| !is_below(import))
        .chain(in_tests.filter(|import| !is_below_tests(import)));
    let mut wrong: Vec<String> = upward
        .map(|import| format!("{module:?} imports {import}, which is not on a floor below"))
        .collect();
    if module != ["lib"] && levels_up(&program) >= module.len() {
        wrong.push(format!(
            "{module:?} leaves its room by `super::`: write `crate::`, which this test reads"
        ));
    }
    wrong
}

#[test]
fn every_room_imports_from_below_alone() {
    let floors = floors();
    let listed: usize = FLOORS.iter().map(|rooms| rooms.len()).sum();
    assert_eq!(floors.len(), listed, "each room has one place in FLOORS");
    let mut found = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, &[], &mut found);
    let mut rooms: Vec<&str> = found
        .iter()
        .filter_map(|(module, _)| module.first().map(String::as_str))
        .collect();
    rooms.sort_unstable();
    rooms.dedup();
    let listed: Vec<&str> = floors.keys().copied().collect();
    assert_eq!(rooms, listed, "each room has its place in FLOORS");
    let mut all_wrong = Vec::new();
    for (module, path) in &found {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        all_wrong.extend(wrong(module, &text, &floors));
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

#[test]
fn imports_are_seen_however_they_are_written() {
    let code = "use crate::sys::{self, Handle};\npub use crate::{error::{Error, Obstacle}, target::Target, kill_port};
        fn f() -> crate::Error { crate::report::Fate::Exited; $crate::verbs::explain(); mycrate::advice }";
    assert_eq!(
        imports(code, &floors()),
        ["sys", "error", "target", "lib", "lib", "report"]
    );
}

#[test]
fn an_import_from_above_is_found() {
    let floors = floors();
    let found = |module: &[&str], text: &str| {
        let module: Vec<String> = module.iter().map(ToString::to_string).collect();
        wrong(&module, text, &floors).len()
    };
    assert_eq!(
        found(&["discovery", "people"], "use crate::sys::Handle;"),
        0
    );
    assert_eq!(found(&["discovery", "people"], "use crate::escalation;"), 1);
    assert_eq!(found(&["discovery", "people"], "use super::ends::Ends;"), 0);
    assert_eq!(
        found(&["discovery", "people"], "use super::super::verbs;"),
        1
    );
    assert_eq!(found(&["discovery"], "use super::verbs;"), 1);
    assert_eq!(found(&["discovery"], "// `crate::verbs`"), 0);
    assert_eq!(found(&["sys", "linux"], "fn f() -> crate::Process {}"), 1);
    // Plain data has an order of its own, which its tests need not keep.
    assert_eq!(found(&["report"], "use crate::error::Error;"), 1);
    let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::error::Error;\n}";
    assert_eq!(found(&["report"], tests), 0);
    assert_eq!(found(&["report"], &tests.replace("error::Error", "sys")), 1);
    let elsewhere = "#[cfg(test)]\nmod tests;\nuse crate::error::Error;";
    assert_eq!(found(&["report"], elsewhere), 1);
}
