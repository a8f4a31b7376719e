//! What is logged is the library's, whichever file of it says so: a reader of logs should not see how the house is divided.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file below the folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_log_line_has_the_librarys_name() {
    let mut sources = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut sources,
    );
    let mut seen = 0;
    for path in sources {
        let text = fs::read_to_string(&path).expect("text");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code.flat_map(str::split_whitespace).collect();
        let code = code.join(" ");
        for level in ["error", "warn", "info", "debug", "trace"] {
            for (start, call) in code.match_indices(&format!("{level}!(")) {
                if code
                    .get(..start)
                    .is_some_and(|before| before.ends_with('_'))
                {
                    continue;
                }
                let rest = code.get(start + call.len()..).unwrap_or_default();
                let has_name = rest.trim_start().starts_with("target: \"kill_port\",");
                assert!(has_name, "{path:?}: {}", rest.get(..60).unwrap_or(rest));
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}
