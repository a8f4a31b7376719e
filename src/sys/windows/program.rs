//! Where the system's own programs are.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;

use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

/// The path of one of them. By its name alone, a file of that name beside this program, as in a folder for downloads, would be run.
/// The environment names the folder as well, and may be somebody else's.
pub(in crate::sys) fn program(name: &str) -> Option<PathBuf> {
    // `MAX_PATH`.
    let mut folder = [0u16; 260];
    let room = u32::try_from(folder.len()).ok()?;
    // SAFETY: the place is ours and as long as is told.
    let length = unsafe { GetSystemDirectoryW(folder.as_mut_ptr(), room) };
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    Some(PathBuf::from(OsString::from_wide(folder.get(..length)?)).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_explanations_are_where_they_are_looked_for() {
        for name in ["sc.exe", "netsh.exe"] {
            let path = program(name).unwrap();
            assert!(path.is_absolute() && path.is_file(), "{path:?}");
        }
    }
}
