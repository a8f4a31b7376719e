//! A folder, by what it is and not by how it is written.

#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;

/// A folder of this machine. On Unix it is known by its device and number there: links, bind mounts and other mount namespaces lead to
/// the same one by other paths, and one that was removed and made again is another under the same path. It is held open, so that its number
/// is not given to another once it was removed.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// With every link resolved.
    path: PathBuf,
    identity: FolderIdentity,
    #[cfg(unix)]
    _held: Option<Arc<File>>,
}

#[cfg(unix)]
type FolderIdentity = (u64, u64);
#[cfg(not(unix))]
type FolderIdentity = PathBuf;

impl Folder {
    /// The folder that this path leads to now.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let real = path.canonicalize()?;
        if !real.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        #[cfg(unix)]
        let held = hold(&real).map(Arc::new);
        Ok(Self {
            identity: identity(&real)?,
            path: real,
            #[cfg(unix)]
            _held: held,
        })
    }

    /// Whether this path, in which no link is left, leads here or below. Nothing is looked up.
    #[cfg_attr(
        not(feature = "containers"),
        allow(dead_code, reason = "of containers no more is told than a path")
    )]
    pub(crate) fn is_named_by(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
    }

    /// Whether it is the one of this identity.
    #[cfg(target_os = "linux")]
    pub(super) fn is(&self, identity: FolderIdentity) -> bool {
        self.identity == identity
    }

    /// Whether this path leads here or below; `None` if that can't be told, as of one that was removed.
    #[cfg(not(target_os = "linux"))]
    #[cfg_attr(
        windows,
        allow(dead_code, reason = "Windows does not tell where a process works")
    )]
    pub(super) fn holds(&self, path: &Path) -> Option<bool> {
        for folder in path.ancestors() {
            if identity(folder).ok()? == self.identity {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// Without a right to read it, which only Linux needs none for, or without a descriptor left, it has to do as it is.
#[cfg(unix)]
fn hold(path: &Path) -> Option<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_PATH);
    options.open(path).ok()
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<FolderIdentity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<FolderIdentity> {
    path.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_own_path_and_those_below() {
        let here = std::env::temp_dir().canonicalize().unwrap();
        let folder = Folder::open(&here).unwrap();
        assert!(folder.is_named_by(&here) && folder.is_named_by(&here.join("below/it")));
        let mut longer = here.clone().into_os_string();
        longer.push("x");
        assert!(!folder.is_named_by(Path::new(&longer)));
        assert!(!folder.is_named_by(here.parent().unwrap()));
    }

    #[cfg(unix)]
    #[test]
    fn the_number_of_a_folder_that_was_removed_is_given_to_nobody_as_long_as_it_is_meant() {
        let place = std::env::temp_dir().join(format!("kill_port-folder-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let first = place.join("first");
        std::fs::create_dir(&first).unwrap();
        let folder = Folder::open(&first).unwrap();
        std::fs::remove_dir(&first).unwrap();
        for number in 0..100 {
            let other = place.join(number.to_string());
            std::fs::create_dir(&other).unwrap();
            assert_ne!(identity(&other).unwrap(), folder.identity);
        }
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn what_is_not_there_and_what_is_no_folder_is_an_error() {
        let file = std::env::current_exe().unwrap();
        assert!(Folder::open(&file).is_err());
        assert!(Folder::open(&file.join("x")).is_err());
    }
}
