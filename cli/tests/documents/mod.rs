//! What the documents say about the command is what the command says itself.

use std::fs;
use std::path::Path;
use std::process::Command;

const DOCUMENTS: [&str; 2] = ["readme/en.md", "readme/zh.md"];

/// What `--json` prints.
const REFERENCE: &str = "docs/json.md";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn help() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kill_port"))
        .arg("--help")
        .output()
        .expect("the command starts");
    String::from_utf8(output.stdout).expect("text")
}

/// The names at the beginning of each option's lines: `-s`, `--signal`.
fn options(help: &str) -> Vec<String> {
    let is_end = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        // A list of possible values begins with a hyphen and a blank.
        .filter(|line| !line.starts_with("- "))
        .flat_map(|line| line.split("  ").next().unwrap_or_default().split(", "))
        .filter_map(|option| option.split(is_end).next().map(str::to_owned))
        .collect()
}

#[test]
fn every_option_stands_in_both_documents() {
    let options = options(&help());
    for known in ["-s", "--signal", "--no-escalate", "-V", "--version"] {
        assert!(options.iter().any(|option| option == known), "{options:?}");
    }
    for name in DOCUMENTS {
        let text = read(name);
        for option in &options {
            let is_named = text
                .match_indices(&format!("`{option}"))
                .any(|(index, found)| {
                    let rest = text.get(index + found.len()..).unwrap_or_default();
                    rest.starts_with(['`', ' '])
                });
            assert!(is_named, "{name} does not name {option}");
        }
    }
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = help();
    let (_, codes) = help.split_once("Exit codes:\n").expect("exit codes");
    let of_help: Vec<u8> = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    assert!(of_help.starts_with(&[0, 1, 2]), "{of_help:?}");
    for name in DOCUMENTS {
        let of_document: Vec<u8> = read(name)
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse().ok())
            .collect();
        assert_eq!(of_document, of_help, "{name}");
    }
}

/// The words by which a program tells one answer from another.
#[test]
fn every_word_of_the_schema_is_in_the_reference() {
    let schema: serde_json::Value = serde_json::from_str(&read("cli/schema.json")).expect("JSON");
    let mut words = Vec::new();
    gather(&schema, &mut words);
    assert!(words.len() > 50, "{words:?}");
    let text = read(REFERENCE);
    for word in &words {
        assert!(
            text.contains(&format!("`{word}`")),
            "{REFERENCE} does not name {word}"
        );
    }
}

/// Every word of this project's own; those in capitals (signals, states of TCP) and protocols are everybody's.
fn gather(value: &serde_json::Value, words: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                if name != "enum" {
                    gather(field, words);
                    continue;
                }
                let own = |word: &&str| {
                    !word.starts_with(char::is_uppercase) && !matches!(*word, "tcp" | "udp")
                };
                let options = field.as_array().into_iter().flatten();
                let options = options.filter_map(serde_json::Value::as_str).filter(own);
                words.extend(options.map(str::to_owned));
            }
        }
        _ => {}
    }
}
