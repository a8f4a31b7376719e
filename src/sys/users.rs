//! Users and groups, from `/etc/passwd` and from what else the system is told to ask (nsswitch.conf(5)), which may be a server somewhere.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::Uid;
#[cfg(feature = "containers")]
use nix::unistd::{Gid, Group};

use super::User;
use super::aside::Task;

/// How long the system may take for an answer.
const LIMIT: Duration = Duration::from_millis(500);
/// How long an answer is good for: a thousand servers of one user are one question.
const FRESH: Duration = Duration::from_secs(1);
/// How long nobody is asked again who has not answered.
const DEAF: Duration = Duration::from_secs(60);

/// What is known, and until when that is good.
type Answers = HashMap<u32, (Option<Instant>, Option<User>)>;

/// These users, as far as they are known. Waits half a second at most.
///
/// The file comes first: it answers at once, and most users are in it.
pub(crate) fn users(wanted: Vec<u32>) -> HashMap<u32, User> {
    let file = std::fs::read("/etc/passwd").unwrap_or_default();
    users_by(wanted, &file, |uid| {
        let user = nix::unistd::User::from_uid(Uid::from_raw(uid)).ok()??;
        Some(User {
            name: user.name,
            home: user.dir,
        })
    })
}

fn users_by(
    mut wanted: Vec<u32>,
    file: &[u8],
    ask: impl Fn(u32) -> Option<User> + Send + 'static,
) -> HashMap<u32, User> {
    static ANSWERS: Mutex<Option<Answers>> = Mutex::new(None);
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = HashMap::new();
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    let answers = answers.get_or_insert_default();
    let now = Instant::now();
    answers.retain(|_, (until, _)| until.is_some_and(|until| now < until));
    wanted.retain(|&uid| {
        let user = match answers.get(&uid) {
            Some((_, user)) => user.clone(),
            None => match listed(file, uid) {
                Some(user) => Some(user),
                None => return true,
            },
        };
        found.extend(user.map(|user| (uid, user)));
        false
    });
    if wanted.is_empty() {
        return found;
    }
    let told: Arc<Mutex<HashMap<u32, Option<User>>>> = Arc::default();
    let (asked, into) = (wanted.clone(), Arc::clone(&told));
    let task = Task::start(LIMIT, move |_| {
        for uid in asked {
            let user = ask(uid);
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            into.insert(uid, user);
        }
    });
    task.finish();
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    for uid in wanted {
        let (good_for, user) = match told.remove(&uid) {
            Some(user) => (FRESH, user),
            None => {
                log::info!(target: "kill_port", "the system does not tell in time who the user {uid} is");
                (DEAF, None)
            }
        };
        found.extend(user.clone().map(|user| (uid, user)));
        answers.insert(uid, (Instant::now().checked_add(good_for), user));
    }
    found
}

/// The name of a group, if the system tells it in time.
#[cfg(feature = "containers")]
pub(crate) fn group_name(gid: u32) -> Option<String> {
    let task = Task::start(LIMIT, move |_| {
        let group = Group::from_gid(Gid::from_raw(gid)).ok()??;
        Some(group.name)
    });
    task.finish()?
}

/// The first entry of a passwd(5) file with this user ID.
fn listed(file: &[u8], uid: u32) -> Option<User> {
    file.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id: u32 = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        let home = fields.nth(2).unwrap_or_default();
        (id == uid).then(|| User {
            name: String::from_utf8_lossy(name).into_owned(),
            home: PathBuf::from(String::from_utf8_lossy(home).into_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let file = b"root:x:0:0:root:/root:/bin/bash\n\nbroken\n#c:x:y\ndev:x:1000:1000::/home/dev:/bin/sh\nx:y:5\n";
        let name = |uid| listed(file, uid).map(|user| user.name);
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(1000).as_deref(), Some("dev"));
        assert_eq!(listed(file, 1000).unwrap().home, PathBuf::from("/home/dev"));
        assert_eq!(name(5).as_deref(), Some("x"));
        assert_eq!(name(7), None);
    }

    #[test]
    fn a_user_that_nobody_knows_has_no_name() {
        let users = users(vec![3_999_999_999, 0, 0]);
        assert_eq!(users.len(), 1);
        assert_eq!(users[&0].name, "root");
    }

    #[test]
    fn a_database_that_does_not_answer_is_waited_for_once_and_costs_its_own_users_only() {
        // Users that no other test asks about.
        const KNOWN: u32 = 3_999_999_001;
        const QUICK: u32 = 3_999_999_002;
        const STUCK: u32 = 3_999_999_003;
        let asked: Arc<Mutex<Vec<u32>>> = Arc::default();
        let ask = || {
            let asked = Arc::clone(&asked);
            move |uid| {
                asked.lock().unwrap().push(uid);
                if uid == STUCK {
                    // Longer than any test: it is left behind.
                    std::thread::park();
                }
                Some(User {
                    name: format!("u{uid}"),
                    home: PathBuf::new(),
                })
            }
        };
        let file = format!("known:x:{KNOWN}:1::/:/bin/sh\n");
        for _ in 0..2 {
            let found = users_by(vec![STUCK, KNOWN, QUICK], file.as_bytes(), ask());
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[&KNOWN].name, "known");
            assert_eq!(found[&QUICK].name, format!("u{QUICK}"));
        }
        let stuck = asked
            .lock()
            .unwrap()
            .iter()
            .filter(|&&uid| uid == STUCK)
            .count();
        assert_eq!(stuck, 1);
    }
}
