//! The order of the command's files: each imports only from floors below its own, so that there is no circle.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file of `cli/src`, from the lowest floor to the highest. Those on one floor know nothing of each other.
const FLOORS: [&[&str]; 16] = [
    &[
        "duration",
        "exit",
        "fold",
        "inherited",
        "interrupt",
        "picker::key",
        "services",
        "style",
        "time",
        "user",
        "words",
        "write::json::escape",
        "write::json::object",
    ],
    &["help", "wrap"],
    &["args", "answer", "columns", "container", "output", "sudo"],
    &["question"],
    &[
        "generate::completion",
        "generate::man",
        "generate::offers",
        "next_step",
        "picker::row",
        "progress",
    ],
    &["generate"],
    &["picker::state", "ports"],
    &[
        "logger",
        "picker::draw",
        "request",
        "verbs::notes",
        "verbs::published",
        "write::errors",
        "write::json::parts",
    ],
    &[
        "picker::plain",
        "picker::screen",
        "verbs::free",
        "verbs::list",
        "write::consequences",
        "write::holders",
    ],
    &[
        "picker::look",
        "picker::terminal::unix",
        "picker::terminal::windows",
        "verbs",
        "write::json::why",
        "write::table",
        "write::why",
    ],
    &["picker::terminal", "write::json", "write::text"],
    &["write"],
    &["ask"],
    &["picker"],
    &["fuzzing"],
    &["main"],
];

/// The floor of each file, by its path as a module.
fn floors() -> BTreeMap<&'static str, usize> {
    let floors = FLOORS.iter().enumerate();
    floors
        .flat_map(|(floor, files)| files.iter().map(move |file| (*file, floor)))
        .collect()
}

/// What a file has before its unit tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines();
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every file in the folder, by its path as a module.
fn files(folder: &Path, prefix: &str, found: &mut BTreeMap<String, PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy();
        if path.is_dir() {
            files(&path, &format!("{prefix}{stem}::"), found);
        } else if stem == "mod" {
            found.insert(prefix.trim_end_matches("::").to_owned(), path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(format!("{prefix}{stem}"), path);
        }
    }
}

/// The file that a path such as `verbs::free::free` leads into. What no file is called is in the crate's root.
fn file_of(path: &str, floors: &BTreeMap<&'static str, usize>) -> String {
    let mut path = path;
    while !floors.contains_key(path) {
        match path.rsplit_once("::") {
            Some((parent, _)) => path = parent,
            None => return "main".into(),
        }
    }
    path.to_owned()
}

/// The files that this code names by `crate::`, where a brace may hold several.
fn imports(code: &str, floors: &BTreeMap<&'static str, usize>) -> Vec<String> {
    let is_end = |character: char| !character.is_alphanumeric() && !"_:".contains(character);
    let mut imports = Vec::new();
    for (start, found) in code.match_indices("crate::") {
        // `$crate::` and names that only end alike.
        let before = code.get(..start).and_then(|before| before.chars().last());
        if before.is_some_and(|before| before.is_alphanumeric() || "_$:".contains(before)) {
            continue;
        }
        let rest = code.get(start + found.len()..).unwrap_or_default();
        let path = rest.split(is_end).next().unwrap_or_default();
        match rest
            .get(path.len()..)
            .and_then(|rest| rest.strip_prefix('{'))
        {
            None => imports.push(file_of(path, floors)),
            Some(braces) => {
                let inside = braces.split([';', '}']).next().unwrap_or_default();
                let names = inside
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                imports.extend(names.map(|name| file_of(&format!("{path}{name}"), floors)));
            }
        }
    }
    imports
}

#[test]
fn every_file_imports_from_below_alone() {
    let floors = floors();
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, "", &mut found);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let listed: Vec<&str> = floors.keys().copied().collect();
    assert_eq!(names, listed, "each file has its place in FLOORS, once");
    for (file, path) in &found {
        let code = code(path);
        assert!(
            !code.contains("super::"),
            "{file}: write `crate::`, which this test reads"
        );
        for import in imports(&code, &floors) {
            // A folder's own file names what is in the folder, and that is below it.
            assert!(
                floors.get(&*import) < floors.get(&**file),
                "{file} imports {import}, which is not on a floor below"
            );
        }
    }
}

#[test]
fn imports_are_seen_however_they_are_written() {
    let floors = floors();
    let code = "use crate::args::Args;\nuse crate::{exit::Exit, words};\ncrate::verbs::free::free(); crate::run();
        use crate::write::{errors, json};\nuse crate::output::{self, Output};";
    assert_eq!(
        imports(code, &floors),
        [
            "args",
            "exit",
            "words",
            "verbs::free",
            "main",
            "write::errors",
            "write::json",
            "output",
            "output"
        ]
    );
}

/// Libraries count what a good font makes of a text, which is less than most terminals take.
#[test]
fn only_words_measures_a_text() {
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, "", &mut found);
    for (file, path) in found.iter().filter(|(file, _)| *file != "words") {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for other in ["unicode_width", "display_width"] {
            assert!(
                !text.contains(other),
                "{file}: `words::width` instead of {other}"
            );
        }
    }
    let words = code(&found["words"]);
    assert!(
        !words.contains("UnicodeWidthStr as"),
        "words: it counts characters that are joined as one"
    );
}
