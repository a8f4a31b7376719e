//! What the caller may do.

use rustix::thread::{CapabilitySet, capabilities};

use super::super::Missing;

/// What a caller lacks who was refused a look at a process.
pub(crate) fn missing() -> Missing {
    if !rustix::process::geteuid().is_root() {
        return Missing::Rights;
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if !is_of_all_users(&map) {
        return Missing::OuterNamespace;
    }
    if has_no_right_to_trace() {
        Missing::Capability
    } else {
        Missing::Nothing
    }
}

/// The same question as to whether it is [`Missing::Capability`].
pub(super) fn lacks_capability() -> bool {
    rustix::process::geteuid().is_root()
        && has_no_right_to_trace()
        && missing() == Missing::Capability
}

fn has_no_right_to_trace() -> bool {
    capabilities(None).is_ok_and(|own| !own.effective.contains(CapabilitySet::SYS_PTRACE))
}

/// Whether this is the map of the first user namespace, or of one that is as large.
pub(super) fn is_of_all_users(map: &str) -> bool {
    let mut numbers = map.split_ascii_whitespace();
    map.is_empty() || (numbers.next(), numbers.nth(1)) == (Some("0"), Some("4294967295"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_a_user_namespace_is_not_that_of_all_users() {
        assert!(is_of_all_users("         0          0 4294967295\n"));
        assert!(is_of_all_users(""), "a kernel without user namespaces");
        assert!(!is_of_all_users("         0       1000          1\n"));
        assert!(!is_of_all_users("0 100000 65536\n"));
        assert!(!is_of_all_users("0 1000 1\n1 100000 65536\n"));
    }
}
