//! The documents: the two languages say the same, every link leads somewhere, and what they name exists.

mod links;
mod markdown;
mod promises;
mod twins;

use std::fs;
use std::path::{Path, PathBuf};

use markdown::Document;

/// The two languages of the whole document.
const TWINS: [&str; 2] = ["readme/en.md", "readme/zh.md"];

/// Every document that a reader of the repository meets.
const ALL: [&str; 5] = [
    "README.md",
    "readme/en.md",
    "readme/zh.md",
    "CHANGELOG.md",
    "bench/README.md",
];

/// The workspace's root, wherever the clone is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    root().join(name)
}

fn read(name: &str) -> Document {
    let text = fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn twins() -> [Document; 2] {
    TWINS.map(read)
}
