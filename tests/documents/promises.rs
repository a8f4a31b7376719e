//! What the documents say about the crate is so.

use std::fs;

use super::{ALL, TWINS, path, read};

/// A doctest that runs would end whatever server the reader has on that port.
#[test]
fn no_rust_block_is_ever_run() {
    let mut seen = 0;
    for name in ALL {
        for block in read(name).blocks {
            if block.language() == "rust" {
                seen += 1;
                assert_eq!(block.info, "rust,no_run", "{name}, line {}", block.line);
            }
        }
    }
    assert!(seen > 5);
}

/// Why each dependency is there stands in the chapter about them.
#[test]
fn every_dependency_is_explained() {
    for name in TWINS {
        let text = fs::read_to_string(path(name)).expect("a document");
        for manifest in ["Cargo.toml", "cli/Cargo.toml"] {
            for dependency in dependencies(manifest) {
                assert!(
                    text.contains(&format!("`{dependency}`")),
                    "{name} does not say why {manifest} names {dependency}"
                );
            }
        }
    }
}

/// The names in every `[…dependencies]` table, those for tests and benches included.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(path(manifest)).expect("a manifest");
    let mut names = Vec::new();
    let mut is_dependencies = false;
    for line in text.lines() {
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

/// The files and folders in the picture of the project are there.
#[test]
fn the_picture_of_the_project_shows_what_is_there() {
    for name in TWINS {
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
        assert!(seen > 20, "{name}");
    }
}

/// Everything that the library offers stands in the chapter about it.
#[test]
fn every_public_item_is_named() {
    let library = fs::read_to_string(path("src/lib.rs")).expect("the library");
    let mut names: Vec<String> = Vec::new();
    for part in library.split("\npub use ").skip(1) {
        let (path, _) = part.split_once(';').expect("an end");
        let (_, exported) = path.split_once("::").expect("a module");
        let exported = exported.trim_matches(['{', '}']);
        names.extend(exported.split(',').map(|name| name.trim().to_owned()));
    }
    names.retain(|name| !name.is_empty());
    let options = fs::read_to_string(path("src/options.rs")).expect("the options");
    let methods = options.split("    pub fn ").skip(1);
    let is_end = |character: char| !character.is_alphanumeric() && character != '_';
    names.extend(methods.filter_map(|rest| Some(rest.split(is_end).next()?.to_owned())));
    for known in ["KillOptions", "grace"] {
        assert!(names.iter().any(|name| name == known), "{names:?}");
    }
    for document in TWINS {
        let text = fs::read_to_string(path(document)).expect("a document");
        for name in &names {
            assert!(
                text.contains(&format!("`{name}`")) || text.contains(&format!("::{name}`")),
                "{document} does not name {name}"
            );
        }
    }
}

/// Nobody is promised a compiler that was not tried.
#[test]
fn the_oldest_compiler_is_that_of_the_manifest() {
    let manifest = fs::read_to_string(path("Cargo.toml")).expect("a manifest");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("a version")
        .trim_matches('"');
    for document in TWINS {
        let text = fs::read_to_string(path(document)).expect("a document");
        assert!(text.contains(&format!("Rust {version}")), "{document}");
    }
    let workflow = fs::read_to_string(path(".github/workflows/ci.yml")).expect("a workflow");
    assert!(
        workflow.contains(&format!("cargo +{version} ")),
        "{version}"
    );
}
