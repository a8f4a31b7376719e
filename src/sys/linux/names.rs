//! User names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};

/// The name of a user ID, from `/etc/passwd` and, for users that are not in it, from what nsswitch.conf(5) names.
///
/// The file comes first because the C library loads modules for the others, which takes longer than all the rest of a
/// run; most users are in the file. An answer is good for a second: a thousand servers of one user are one question.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    static ANSWERS: Mutex<Option<Answers>> = Mutex::new(None);
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if answers
        .as_ref()
        .is_none_or(|answers| answers.since.elapsed() >= FRESH)
    {
        *answers = None;
    }
    let answers = answers.get_or_insert_with(|| Answers {
        since: Instant::now(),
        names: HashMap::new(),
    });
    answers
        .names
        .entry(uid)
        .or_insert_with(|| look_up(uid))
        .clone()
}

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

struct Answers {
    since: Instant,
    names: HashMap<u32, Option<String>>,
}

fn look_up(uid: u32) -> Option<String> {
    let listed = std::fs::read("/etc/passwd")
        .ok()
        .and_then(|file| name_in(&file, uid));
    listed.or_else(|| {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
        Some(user.name)
    })
}

/// The first entry of a passwd(5) file with this user ID.
fn name_in(file: &[u8], uid: u32) -> Option<String> {
    file.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id: u32 = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        (id == uid).then(|| String::from_utf8_lossy(name).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let file = b"root:x:0:0:root:/root:/bin/bash\n\nbroken\n#c:x:y\ndev:x:1000:1000::/home/dev:/bin/sh\n";
        assert_eq!(name_in(file, 0).as_deref(), Some("root"));
        assert_eq!(name_in(file, 1000).as_deref(), Some("dev"));
        assert_eq!(name_in(file, 7), None);
    }

    #[test]
    fn a_user_that_nobody_knows_has_no_name() {
        assert_eq!(user_name(3_999_999_999), None);
        assert_eq!(user_name(0).as_deref(), Some("root"));
    }
}
