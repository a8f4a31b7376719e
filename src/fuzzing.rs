//! What has to hold for hostile input, as functions that panic where it does not: for cargo-fuzz (`fuzz/`), and for the test below, which
//! feeds them everything that was ever found. None of it is in a program.

#[cfg(feature = "containers")]
pub use crate::containers::fuzzing::{engine, http};
#[cfg(target_os = "linux")]
pub use crate::sys::fuzzing::{
    cgroup, command, fdinfo, netlink, proc_net, sockstat, stat, status, systemctl,
};

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::printable::printable as safe_to_print;
use crate::target::Target;

/// A text as [`Target`]. Printed it is the same target, and what is an address with a port in the standard library is that address here.
pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = text.parse::<Target>();
    match &parsed {
        Ok(target) => {
            assert_ne!(target.port(), 0);
            assert_eq!(target.to_string().parse(), parsed);
            let digits = target.port().to_string();
            assert!(text.contains(&digits), "another port");
        }
        Err(error) => is_safe(&error.to_string()),
    }
    if let Ok(address) = text.parse::<SocketAddr>()
        && address.port() != 0
        && let Ok(target) = parsed
    {
        assert_eq!(target, Target::from(address));
    }
}

/// Any text as it is printed: it is on one line, and nothing in it deceives. What deceives nobody stays as it is.
pub fn printable(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let safe = safe_to_print(&text);
    is_safe(&safe);
    assert!(safe.len() <= 8 * text.len());
    assert!(safe == text || matches!(safe, Cow::Owned(_)));
}

fn is_safe(text: &str) {
    assert!(!text.contains(|character: char| character.is_control()));
    assert_eq!(safe_to_print(text), text);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    type Check = fn(&[u8]);

    const ALL: &[(&str, Check)] = &[
        ("printable", super::printable),
        ("target", super::target),
        #[cfg(feature = "containers")]
        ("engine", super::engine),
        #[cfg(feature = "containers")]
        ("http", super::http),
        #[cfg(target_os = "linux")]
        ("cgroup", super::cgroup),
        #[cfg(target_os = "linux")]
        ("command", super::command),
        #[cfg(target_os = "linux")]
        ("fdinfo", super::fdinfo),
        #[cfg(target_os = "linux")]
        ("netlink", super::netlink),
        #[cfg(target_os = "linux")]
        ("proc_net", super::proc_net),
        #[cfg(target_os = "linux")]
        ("sockstat", super::sockstat),
        #[cfg(target_os = "linux")]
        ("stat", super::stat),
        #[cfg(target_os = "linux")]
        ("status", super::status),
        #[cfg(target_os = "linux")]
        ("systemctl", super::systemctl),
    ];

    #[test]
    fn what_fuzzing_has_found_is_understood_or_refused() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        if !corpus.exists() {
            eprintln!("SKIPPED: what was found is in the repository, not in the package");
            return;
        }
        for (name, check) in ALL {
            let mut found = 0;
            for entry in fs::read_dir(corpus.join(name)).expect(name) {
                let path = entry.expect(name).path();
                eprintln!("{}", path.display());
                check(&fs::read(path).expect(name));
                found += 1;
            }
            assert!(found > 0, "{name}");
        }
    }
}
