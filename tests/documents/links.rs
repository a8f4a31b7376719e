//! Every relative link leads to a file of the repository, and every anchor to a heading.

use super::{all, path, read};

#[test]
fn every_relative_link_leads_somewhere() {
    let mut seen = 0;
    for name in all() {
        let document = read(&name);
        let folder = path(&name).parent().expect("a folder").to_owned();
        for link in &document.links {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if !file.is_empty() {
                assert!(folder.join(file).exists(), "{name} links to {link}");
            }
            if anchor.is_empty() {
                continue;
            }
            let target = match file {
                "" => name.clone(),
                _ => name
                    .rsplit_once('/')
                    .map_or(file.to_owned(), |(folder, _)| format!("{folder}/{file}")),
            };
            assert!(
                read(&target).anchors().iter().any(|one| one == anchor),
                "{name} links to {link}, and {target} has no such heading"
            );
        }
    }
    assert!(seen > 20);
}

#[test]
fn every_chapter_stands_in_the_contents() {
    for name in super::TWINS {
        let document = read(name);
        let chapters = document.headings.iter().zip(document.anchors());
        // The first one is the contents' own.
        for (heading, anchor) in chapters.filter(|(heading, _)| heading.level == 2).skip(1) {
            assert!(
                document.links.contains(&format!("#{anchor}")),
                "{name}: '{}' is missing from the contents",
                heading.text
            );
        }
    }
}
