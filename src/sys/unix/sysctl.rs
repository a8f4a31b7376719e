//! sysctl(3), with answers of any length, and reading numbers out of them.

use std::ffi::{OsString, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The value of a name in numbers.
pub(super) fn by_mib(mib: &[c_int]) -> io::Result<Vec<u8>> {
    let count = mib
        .len()
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    read(|buffer, length| {
        // SAFETY: the name is as long as its count says and is only read; the buffer is null, or as long as `length` says.
        unsafe {
            libc::sysctl(
                mib.as_ptr().cast_mut(),
                count,
                buffer,
                length,
                std::ptr::null_mut(),
                0,
            )
        }
    })
}

/// A port's number, by a name in words.
#[cfg(not(target_os = "openbsd"))]
pub(super) fn port(name: &std::ffi::CStr) -> Option<u16> {
    u16::try_from(u32_at(&by_name(name).ok()?, 0)?).ok()
}

/// The value of a name in words.
#[cfg(not(target_os = "openbsd"))]
pub(super) fn by_name(name: &std::ffi::CStr) -> io::Result<Vec<u8>> {
    read(|buffer, length| {
        // SAFETY: the name ends with a NUL; the buffer is null, or as long as `length` says.
        unsafe { libc::sysctlbyname(name.as_ptr(), buffer, length, std::ptr::null_mut(), 0) }
    })
}

/// The numbers of a name in words.
#[cfg(target_os = "netbsd")]
pub(super) fn mib_of(name: &std::ffi::CStr) -> io::Result<Vec<c_int>> {
    let mut mib: Vec<c_int> = vec![0; 24];
    let mut length = mib.len();
    // SAFETY: the name ends with a NUL, and there is room for as many numbers as `length` says.
    let done = unsafe { libc::sysctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &raw mut length) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    mib.truncate(length);
    Ok(mib)
}

/// Asks how much there is, and then for all of it. What is asked about may grow in between, but not for ever.
fn read(ask: impl Fn(*mut c_void, *mut usize) -> c_int) -> io::Result<Vec<u8>> {
    for _ in 0..16 {
        let mut length = 0;
        if ask(std::ptr::null_mut(), &raw mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut buffer = vec![0u8; length + length / 2 + 1024];
        length = buffer.len();
        if ask(buffer.as_mut_ptr().cast(), &raw mut length) == 0 {
            buffer.truncate(length);
            return Ok(buffer);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOMEM) {
            return Err(error);
        }
    }
    Err(io::Error::other("the answer never stopped growing"))
}

/// The records of an answer, which are of this type, made of numbers. A rest that is shorter is left out.
///
/// # Safety
/// Any bytes must make a value of the type: no references, no `bool`, no `enum`.
#[cfg(not(target_os = "macos"))]
pub(super) unsafe fn records<T>(bytes: &[u8]) -> Vec<T> {
    bytes
        .chunks_exact(size_of::<T>())
        // SAFETY: the chunk is as long as the type, and the caller promises the rest.
        .map(|chunk| unsafe { chunk.as_ptr().cast::<T>().read_unaligned() })
        .collect()
}

/// As many bytes as an array has, from this place on.
pub(super) fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// A number in the machine's order.
#[cfg(not(target_os = "openbsd"))]
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(u32::from_ne_bytes)
}

/// The bytes before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A text that the system wrote into an array of C characters.
#[cfg(not(target_os = "macos"))]
pub(super) fn text(characters: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = characters
        .iter()
        .map(|&character| u8::from_ne_bytes(character.to_ne_bytes()))
        .collect();
    String::from_utf8_lossy(until_nul(&bytes)).into_owned()
}

/// A path that ends with a NUL, if it is one.
pub(super) fn path(bytes: &[u8]) -> Option<PathBuf> {
    let path = until_nul(bytes);
    (!path.is_empty()).then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
}

/// Arguments, each ended by a NUL.
#[cfg(not(target_os = "openbsd"))]
pub(super) fn arguments(bytes: &[u8]) -> Vec<OsString> {
    let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else {
        return Vec::new();
    };
    bytes
        .get(..=last)
        .unwrap_or_default()
        .split(|&byte| byte == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect()
}

/// A PID and the like: negative where there is none.
pub(super) fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
