//! The documents: the two languages say the same, every link leads somewhere, and what they name exists.

mod form;
mod links;
mod markdown;
mod promises;
mod twins;

use std::fs;
use std::path::{Path, PathBuf};

use markdown::Document;

/// The guide in its two languages.
const TWINS: [&str; 2] = ["readme/en.md", "readme/zh.md"];

/// Everything that there is in two languages.
const PAIRS: [[&str; 2]; 2] = [TWINS, ["docs/recipes.md", "docs/recipes.zh.md"]];

/// Every document that a reader of the repository meets; those of `docs/` are found.
fn all() -> Vec<String> {
    let mut names: Vec<String> = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "bench/README.md",
    ]
    .into_iter()
    .chain(TWINS)
    .map(str::to_owned)
    .collect();
    let folder = fs::read_dir(path("docs")).expect("docs/");
    let mut reference: Vec<String> = folder
        .map(|entry| entry.expect("an entry").file_name())
        .filter_map(|name| Some(format!("docs/{}", name.to_str()?)))
        .filter(|name| name.ends_with(".md"))
        .collect();
    assert!(reference.len() >= 5, "{reference:?}");
    reference.sort();
    names.append(&mut reference);
    names
}

/// The workspace's root, wherever the clone is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    root().join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read(name: &str) -> Document {
    Document::parse(&text(name))
}

fn twins() -> [Document; 2] {
    TWINS.map(read)
}

fn pairs() -> impl Iterator<Item = ([&'static str; 2], [Document; 2])> {
    PAIRS.into_iter().map(|names| (names, names.map(read)))
}
