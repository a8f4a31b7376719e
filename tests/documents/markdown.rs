//! A document, taken apart: headings, fenced blocks, links and tables.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

#[derive(Debug, Default)]
pub struct Document {
    pub headings: Vec<Heading>,
    pub blocks: Vec<Block>,
    /// What is neither code nor markup, piece by piece.
    pub prose: Vec<String>,
    /// Where links and images lead, in the order in which they stand.
    pub links: Vec<String>,
    /// The rows of every table, cell by cell, headers included.
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heading {
    pub level: usize,
    pub text: String,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// What follows the opening backticks: `rust,no_run`.
    pub info: String,
    pub lines: Vec<String>,
    /// The number of the line that opens it.
    pub line: usize,
}

impl Document {
    pub fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut open = Open::Nothing;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    document.headings.push(Heading {
                        level: level as usize,
                        text: String::new(),
                    });
                    open = Open::Heading;
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    let before = text.get(..range.start).unwrap_or_default();
                    document.blocks.push(Block {
                        info,
                        lines: Vec::new(),
                        line: before.matches('\n').count() + 1,
                    });
                    open = Open::Block;
                }
                Event::Start(Tag::TableHead | Tag::TableRow) => document.rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    document.rows.last_mut().expect("a row").push(String::new());
                    open = Open::Cell;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                Event::End(TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::TableCell) => {
                    open = Open::Nothing;
                }
                Event::Text(text) => {
                    if !matches!(open, Open::Block) {
                        document.prose.push(text.to_string());
                    }
                    document.take(open, &text);
                }
                Event::Code(text) => document.take(open, &text),
                _ => {}
            }
        }
        document
    }

    /// Adds a piece of text to what is open.
    fn take(&mut self, open: Open, text: &str) {
        match open {
            Open::Nothing => {}
            Open::Heading => self.headings.last_mut().expect("one").text.push_str(text),
            Open::Block => {
                let lines = text.lines().map(str::to_owned);
                self.blocks.last_mut().expect("one").lines.extend(lines);
            }
            Open::Cell => {
                let row = self.rows.last_mut().expect("one");
                row.last_mut().expect("one").push_str(text);
            }
        }
    }

    /// The names that GitHub gives the headings: lower case, blanks to hyphens, punctuation gone.
    pub fn anchors(&self) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let names = self.headings.iter().map(|heading| {
            let name = anchor(&heading.text);
            let earlier = seen.iter().filter(|other| **other == name).count();
            seen.push(name.clone());
            match earlier {
                0 => name,
                _ => format!("{name}-{earlier}"),
            }
        });
        names.collect()
    }

    /// Every row that begins with a number: the exit codes.
    pub fn exit_codes(&self) -> Vec<u8> {
        self.rows
            .iter()
            .filter_map(|row| row.first()?.parse().ok())
            .collect()
    }
}

/// Where text belongs.
#[derive(Debug, Clone, Copy)]
enum Open {
    Nothing,
    Heading,
    Block,
    Cell,
}

fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || [' ', '-', '_'].contains(character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

impl Block {
    /// The language without attributes: `rust`.
    pub fn language(&self) -> &str {
        self.info.split(',').next().unwrap_or_default()
    }

    /// What has to be the same in every language: all but the comments, and in a diagram all but the words.
    pub fn skeleton(&self) -> Vec<String> {
        let bare = |line: &String| match self.language() {
            "rust" => before(line, "//"),
            "mermaid" => without_labels(line),
            _ => before(line, "# "),
        };
        self.lines
            .iter()
            .map(bare)
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

/// What precedes a comment. A mark within a word, as in a URL, begins none.
fn before(line: &str, mark: &str) -> String {
    let begins_comment = |&(index, _): &(usize, &str)| {
        let preceding = line.get(..index).unwrap_or_default();
        preceding.is_empty() || preceding.ends_with(' ')
    };
    let end = line.match_indices(mark).find(begins_comment);
    let end = end.map_or(line.len(), |(index, _)| index);
    line.get(..end).unwrap_or_default().to_owned()
}

/// A diagram's line without what stands in brackets, braces, quotes and between bars.
fn without_labels(line: &str) -> String {
    let mut bare = String::new();
    let mut closing = None;
    for character in line.chars() {
        match closing {
            Some(end) if character == end => {
                closing = None;
                bare.push(character);
            }
            Some(_) => {}
            None => {
                closing = match character {
                    '[' => Some(']'),
                    '{' => Some('}'),
                    '(' => Some(')'),
                    '"' => Some('"'),
                    '|' => Some('|'),
                    _ => None,
                };
                bare.push(character);
            }
        }
    }
    bare
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# One `two`\n\n[a](b.md) `[c](d)` ![e](f.svg)\n\n```rust,no_run\nlet a = 1; // one\n```\n\n## One two\n\n| code |\n|---|\n| 0 |\n";
    let document = Document::parse(text);
    assert_eq!(document.anchors(), ["one-two", "one-two-1"]);
    assert_eq!(document.links, ["b.md", "f.svg"]);
    assert_eq!(document.blocks[0].language(), "rust");
    assert_eq!(document.blocks[0].line, 5);
    assert_eq!(document.blocks[0].skeleton(), ["let a = 1;"]);
    assert_eq!(document.rows, [["code"], ["0"]]);
    assert_eq!(document.exit_codes(), [0]);
}

#[test]
fn comments_and_labels_are_left_out_and_code_is_not() {
    let block = |info: &str, line: &str| Block {
        info: info.into(),
        lines: vec![line.into()],
        line: 1,
    };
    let same = |info: &str, one: &str, other: &str| {
        block(info, one).skeleton() == block(info, other).skeleton()
    };
    assert!(same("rust,no_run", "f(); // one", "f(); // two"));
    assert!(!same("rust,no_run", "f(1); // one", "f(2); // one"));
    assert!(!same("sh", "open http://a", "open http://b"));
    assert!(same("sh", "ls # one", "ls # two"));
    assert!(same(
        "mermaid",
        "A[one] -->|yes| B{two}",
        "A[一] -->|是| B{二}"
    ));
    assert!(!same("mermaid", "A[one] --> B{two}", "A[one] --> C{two}"));
}
