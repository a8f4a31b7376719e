//! What the documents say about the project is so.

use std::fs;
use std::path::PathBuf;

use super::{TWINS, all, path, read, text};

/// Where the structure and the dependencies are explained.
const ARCHITECTURE: &str = "docs/architecture.md";

/// A doctest that runs would end whatever server the reader has on that port.
#[test]
fn no_rust_block_is_ever_run() {
    let mut seen = 0;
    for name in all() {
        for block in read(&name).blocks {
            if block.language() == "rust" {
                seen += 1;
                assert_eq!(block.info, "rust,no_run", "{name}, line {}", block.line);
            }
        }
    }
    assert!(seen > 5);
}

#[test]
fn every_dependency_is_explained_and_no_other() {
    let mut named: Vec<String> = ["Cargo.toml", "cli/Cargo.toml"]
        .into_iter()
        .flat_map(dependencies)
        .collect();
    named.sort();
    named.dedup();
    let document = read(ARCHITECTURE);
    let table = document
        .rows
        .iter()
        .skip_while(|row| row.first().is_none_or(|cell| cell != "crate"))
        .skip(1);
    let mut explained: Vec<String> = table
        .filter_map(|row| row.first())
        .flat_map(|cell| cell.split(", "))
        .map(str::to_owned)
        .collect();
    explained.sort();
    assert_eq!(explained, named, "{ARCHITECTURE}, and the manifests");
}

/// The names in every `[…dependencies]` table, those for tests and benches included.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_dependencies = false;
    for line in text(manifest).lines() {
        if line.starts_with('[') {
            is_dependencies = line.ends_with("dependencies]");
        } else if is_dependencies && let Some((name, _)) = line.split_once(" =") {
            names.push(name.trim().to_owned());
        }
    }
    assert!(!names.is_empty(), "{manifest}");
    names.retain(|name| !name.starts_with("kill_port"));
    names
}

/// The files and folders in the pictures of the project are there.
#[test]
fn the_pictures_of_the_project_show_what_is_there() {
    for name in TWINS.into_iter().chain([ARCHITECTURE]) {
        let document = read(name);
        let picture = document
            .blocks
            .iter()
            .find(|block| block.lines.iter().any(|line| line.contains("├──")))
            .unwrap_or_else(|| panic!("{name} has no picture of the project"));
        let mut folders: Vec<String> = Vec::new();
        let mut seen = 0;
        for line in &picture.lines {
            let Some((indent, entry)) = line.split_once("── ") else {
                continue;
            };
            let depth = indent.chars().count() / 4;
            let entry = entry.split_whitespace().next().unwrap_or_default();
            folders.truncate(depth);
            let full = format!("{}{entry}", folders.concat());
            assert!(path(&full).exists(), "{name} shows {full}");
            seen += 1;
            if entry.ends_with('/') {
                folders.push(entry.to_owned());
            }
        }
        assert!(seen >= 10, "{name}");
    }
}

/// Every function of the library and every method of its builder; the types are in its own documentation.
#[test]
fn every_public_function_is_named() {
    let mut names = exported_functions();
    let mut sources = Vec::new();
    gather(path("src"), &mut sources);
    for source in sources {
        let text = fs::read_to_string(source).expect("a source");
        names.extend(methods_of_the_builder(&text));
    }
    for known in ["survey", "explain", "grace", "kill", "plan"] {
        assert!(names.iter().any(|name| name == known), "{names:?}");
    }
    for document in TWINS {
        let text = text(document);
        for name in &names {
            assert!(
                text.contains(&format!("`{name}`")) || text.contains(&format!("::{name}`")),
                "{document} does not name {name}"
            );
        }
    }
}

/// What `src/lib.rs` exports in lower case.
fn exported_functions() -> Vec<String> {
    let library = text("src/lib.rs");
    let mut names: Vec<String> = Vec::new();
    for part in library.split("\npub use ").skip(1) {
        let (path, _) = part.split_once(';').expect("an end");
        let (_, exported) = path.rsplit_once("::").expect("a module");
        let exported = exported.trim_matches(['{', '}']);
        names.extend(exported.split(',').map(|name| name.trim().to_owned()));
    }
    names.retain(|name| name.starts_with(char::is_lowercase));
    names
}

/// The sources below a folder.
fn gather(folder: PathBuf, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

fn methods_of_the_builder(source: &str) -> Vec<String> {
    let is_end = |character: char| !character.is_alphanumeric() && character != '_';
    let mut names = Vec::new();
    for body in source.split("\nimpl KillOptions {").skip(1) {
        let body = body.split("\n}").next().unwrap_or_default();
        let methods = body.split("    pub fn ").skip(1);
        names.extend(methods.filter_map(|rest| Some(rest.split(is_end).next()?.to_owned())));
    }
    names
}

/// Nobody is promised a compiler that was not tried.
#[test]
fn the_oldest_compiler_is_that_of_the_manifest() {
    let manifest = text("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("a version")
        .trim_matches('"');
    for document in TWINS {
        assert!(
            text(document).contains(&format!("Rust {version}")),
            "{document}"
        );
    }
    assert!(
        text(".github/workflows/ci.yml").contains(&format!("cargo +{version} ")),
        "{version}"
    );
}
