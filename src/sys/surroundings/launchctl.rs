//! What `launchctl list` prints: a job a line, with its PID, its last exit status and its label.

/// The label of the job that is this process.
///
/// ```text
/// PID    Status    Label
/// 712    0    com.example.web
/// -    78    com.example.broken
/// ```
pub(super) fn label(listed: &str, pid: u32) -> Option<String> {
    listed.lines().find_map(|line| {
        let mut columns = line.splitn(3, '\t');
        let number: u32 = columns.next()?.trim().parse().ok()?;
        let label = columns.nth(1)?.trim();
        (number == pid && !label.is_empty()).then(|| label.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LISTED: &str = "PID\tStatus\tLabel\n712\t0\tcom.example.web\n-\t78\tcom.example.broken\n800\t-9\thomebrew.mxcl.nginx\n";

    #[test]
    fn the_job_of_a_process_is_found_by_its_pid() {
        assert_eq!(label(LISTED, 712).as_deref(), Some("com.example.web"));
        assert_eq!(label(LISTED, 800).as_deref(), Some("homebrew.mxcl.nginx"));
        assert_eq!(label(LISTED, 78), None);
        assert_eq!(label("", 1), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(text in any::<String>(), pid in any::<u32>()) {
            let _ = label(&text, pid);
        }
    }
}
