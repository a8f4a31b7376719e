//! As much of Markdown as the documents use: headings, fences, links, tables, images.

/// A document, taken apart.
#[derive(Debug, Default)]
pub struct Document {
    pub headings: Vec<Heading>,
    pub blocks: Vec<Block>,
    /// Every line that is in no fence.
    pub prose: Vec<String>,
    /// Where links and images lead, in the order in which they stand.
    pub links: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
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
    /// # Errors
    /// A fence that is not closed, or whose opening names no language.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut document = Self::default();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some("")) => document.blocks.extend(open.take()),
                (Some(block), _) => block.lines.push(line.to_owned()),
                (None, Some("")) => {
                    return Err(format!("line {}: a fence has no language", index + 1));
                }
                (None, Some(info)) => {
                    open = Some(Block {
                        info: info.to_owned(),
                        lines: Vec::new(),
                        line: index + 1,
                    });
                }
                (None, None) => document.take_prose(line),
            }
        }
        match open {
            Some(block) => Err(format!("line {}: a fence is never closed", block.line)),
            None => Ok(document),
        }
    }

    fn take_prose(&mut self, line: &str) {
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if let Some(text) = line.get(level..).and_then(|rest| rest.strip_prefix(' '))
            && level > 0
        {
            let text = text.trim().to_owned();
            self.headings.push(Heading { level, text });
        }
        self.links.extend(links(line));
        self.prose.push(line.to_owned());
    }

    /// The names that GitHub gives the headings: lower case, blanks to hyphens, punctuation gone.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in &self.headings {
            let anchor = anchor(&heading.text);
            let earlier = anchors
                .iter()
                .filter(|other| other.strip_prefix(&anchor).is_some_and(is_counter))
                .count();
            anchors.push(match earlier {
                0 => anchor,
                _ => format!("{anchor}-{earlier}"),
            });
        }
        anchors
    }

    /// The rows of every table, cell by cell.
    pub fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.prose.iter().filter_map(|line| {
            let cells = line.strip_prefix('|')?.strip_suffix('|')?;
            Some(cells.split('|').map(str::trim).collect())
        })
    }

    /// Every row that begins with a number in a table: the exit codes.
    pub fn exit_codes(&self) -> Vec<u8> {
        self.rows()
            .filter_map(|row| row.first()?.trim_matches('`').parse().ok())
            .collect()
    }
}

fn is_counter(rest: &str) -> bool {
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn anchor(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            _ if character.is_alphanumeric() => Some(character),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// The targets of `[text](target)` in a line, code spans left out.
fn links(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
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
    let text = "# One `two`\n\n[a](b.md) `[c](d)` ![e](f.svg)\n\n```rust,no_run\nlet a = 1; // one\n```\n## One two\n| 0 | yes |\n";
    let document = Document::parse(text).expect("a document");
    assert_eq!(document.anchors(), ["one-two", "one-two-1"]);
    assert_eq!(document.links, ["b.md", "f.svg"]);
    assert_eq!(document.blocks[0].language(), "rust");
    assert_eq!(document.blocks[0].skeleton(), ["let a = 1;"]);
    assert_eq!(document.exit_codes(), [0]);
}

#[test]
fn a_fence_without_a_language_or_an_end_is_an_error() {
    assert!(Document::parse("```\ncode\n```\n").is_err());
    assert!(Document::parse("```sh\ncode\n").is_err());
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
