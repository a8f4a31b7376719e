//! English and Chinese stay in step.

use super::{Document, pairs, twins};

#[test]
fn both_languages_have_the_same_chapters() {
    for (names, [english, chinese]) in pairs() {
        let levels = |document: &Document| -> Vec<usize> {
            document
                .headings
                .iter()
                .map(|heading| heading.level)
                .collect()
        };
        for (one, other) in english.headings.iter().zip(&chinese.headings) {
            assert_eq!(
                one.level, other.level,
                "'{}' and '{}' are of different levels",
                one.text, other.text
            );
        }
        assert_eq!(levels(&english), levels(&chinese), "{names:?}");
        assert!(english.headings.len() > 5, "{names:?}");
    }
}

/// Those that the project's first description has; what is new is below them.
#[test]
fn the_guide_has_the_chapters_that_it_always_had() {
    let [english, _] = twins();
    let chapters = english.headings.iter().filter(|heading| heading.level == 2);
    let chapters: Vec<&str> = chapters.map(|heading| heading.text.as_str()).collect();
    let expected = [
        "Contents",
        "Introduction",
        "Usage",
        "Design",
        "Tech stack",
        "Project structure",
        "API",
        "History of process termination",
        "About",
    ];
    assert_eq!(chapters, expected);
}

#[test]
fn both_languages_show_the_same_code() {
    for ([first, second], [english, chinese]) in pairs() {
        for (one, other) in english.blocks.iter().zip(&chinese.blocks) {
            let place = format!("{first} line {} and {second} line {}", one.line, other.line);
            assert_eq!(one.info, other.info, "{place}");
            // Prose for a person, such as instructions to be copied.
            if one.language() != "markdown" {
                assert_eq!(one.skeleton(), other.skeleton(), "{place}");
            }
        }
        assert_eq!(english.blocks.len(), chinese.blocks.len(), "{first}");
        assert!(english.blocks.len() > 5, "{first}");
    }
}

#[test]
fn both_languages_have_tables_of_the_same_shape() {
    for (names, documents) in pairs() {
        let [english, chinese] =
            documents.map(|document| document.rows.iter().map(Vec::len).collect::<Vec<usize>>());
        assert_eq!(english, chinese, "{names:?}");
    }
}

#[test]
fn both_languages_link_to_the_same_places() {
    for (names, documents) in pairs() {
        let [english, chinese] = documents.map(|document| {
            document
                .links
                .into_iter()
                // Anchors and charts are named after the language.
                .filter(|link| !link.starts_with('#') && !link.ends_with(".svg"))
                .map(|link| in_any_language(&link))
                .collect::<Vec<String>>()
        });
        assert_eq!(english, chinese, "{names:?}");
    }
}

/// The document that a link leads to, whichever of its languages that is, without the heading, which is named after the language.
fn in_any_language(link: &str) -> String {
    let link = link.replace(".zh.md", ".md").replace("zh.md", "en.md");
    match link.split_once('#') {
        Some((file, _)) if file.ends_with("en.md") => file.to_owned(),
        _ => link,
    }
}

#[test]
fn both_languages_name_the_same_exit_codes() {
    let [english, chinese] = twins().map(|document| document.exit_codes());
    assert_eq!(english, [0, 1, 2, 3, 129, 130, 143]);
    assert_eq!(english, chinese);
}

/// A Chinese sentence has Chinese punctuation: `，` and not `,` between two Chinese characters.
#[test]
fn chinese_sentences_have_full_width_punctuation() {
    let prose = pairs().flat_map(|(_, [_, chinese])| chinese.prose);
    for text in prose {
        let characters: Vec<char> = text.chars().collect();
        for window in characters.windows(2) {
            let [before, mark] = window else { continue };
            assert!(
                !(is_chinese(*before) && matches!(mark, ',' | ';' | ':' | '!' | '?')),
                "half-width punctuation: {text}"
            );
        }
    }
}

fn is_chinese(character: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&character)
}
