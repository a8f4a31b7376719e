//! By which name `sudo` finds this program: it looks into folders of the system alone, and not into those of the user, such as
//! `~/.cargo/bin`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::words::quoted;

/// Where `sudo` looks by default: the `secure_path` of the distributions.
const SECURE: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// What it is called where nothing is known.
const UNKNOWN: &str = "kill_port";

/// The program's name if `sudo` finds it by that, and else its whole path, as a shell takes it.
pub fn name() -> String {
    let Ok(own) = std::env::current_exe() else {
        return UNKNOWN.into();
    };
    match fs::canonicalize(&own) {
        Ok(own) => name_of(&own, &SECURE.map(PathBuf::from)),
        // Its file was removed or replaced: there is no better name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => UNKNOWN.into(),
        // It lies where this user may not go.
        Err(_) => quoted(&own.to_string_lossy()),
    }
}

fn name_of(own: &Path, folders: &[PathBuf]) -> String {
    let names = own.file_name().into_iter().chain([UNKNOWN.as_ref()]);
    for name in names {
        let is_own =
            |folder: &PathBuf| fs::canonicalize(folder.join(name)).is_ok_and(|found| found == own);
        if folders.iter().any(is_own) {
            return quoted(&name.to_string_lossy());
        }
    }
    quoted(&own.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_where_the_name_would_not_be_found() {
        let base = std::env::temp_dir().join(format!("kill_port sudo {}", std::process::id()));
        let (home, secure) = (base.join("home"), base.join("bin"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&secure).unwrap();
        fs::write(home.join("kill_port"), "").unwrap();
        fs::write(secure.join("kp"), "").unwrap();
        let name = |path: PathBuf| {
            let own = fs::canonicalize(path).unwrap();
            (name_of(&own, std::slice::from_ref(&secure)), own)
        };
        let (named, own) = name(home.join("kill_port"));
        assert_eq!(named, format!("'{}'", own.display()));
        assert_eq!(name(secure.join("kp")).0, "kp");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(home.join("kill_port"), secure.join("kill_port")).unwrap();
            assert_eq!(name(home.join("kill_port")).0, "kill_port");
        }
        fs::remove_dir_all(base).unwrap();
    }
}
