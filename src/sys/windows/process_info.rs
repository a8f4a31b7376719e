//! What the kernel tells of one process whose handle is held, and the list of all processes.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;

use windows_sys::Wdk::System::Threading::{
    NtQueryInformationProcess, PROCESSINFOCLASS, ProcessBasicInformation,
    ProcessCommandLineInformation,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_LENGTH, ERROR_NO_MORE_FILES, FILETIME, INVALID_HANDLE_VALUE,
    UNICODE_STRING,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_BASIC_INFORMATION, QueryFullProcessImageNameW,
};

use super::command_line::arguments;

/// What came of opening a process.
pub(super) enum Opened {
    Process(OwnedHandle),
    /// It is there, and this user may not have these rights.
    Denied,
    NoSuchProcess,
}

/// Opens a process with these rights.
pub(super) fn open(pid: u32, rights: u32) -> Opened {
    // SAFETY: the call takes numbers and returns a handle that belongs to us, or null.
    let handle = unsafe { OpenProcess(rights, 0, pid) };
    if !handle.is_null() {
        // SAFETY: the handle was just opened, and nobody else has it.
        return Opened::Process(unsafe { OwnedHandle::from_raw_handle(handle) });
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(code) if code == ERROR_ACCESS_DENIED.cast_signed() => Opened::Denied,
        _ => Opened::NoSuchProcess,
    }
}

/// When it was created, in units of 100 ns since 1601, which is what tells it from a later process of its PID.
pub(super) fn birth(process: BorrowedHandle<'_>) -> Option<u64> {
    let zero = FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    };
    let (mut created, mut exited, mut kernel, mut user) = (zero, zero, zero, zero);
    // SAFETY: the handle is open, and the four places are ours for the length of the call.
    let done = unsafe {
        GetProcessTimes(
            process.as_raw_handle(),
            &raw mut created,
            &raw mut exited,
            &raw mut kernel,
            &raw mut user,
        )
    };
    (done != 0).then(|| u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// The PID of the process that started it, as it was noted at its birth: by now it may be another's.
pub(super) fn noted_parent(process: BorrowedHandle<'_>) -> Option<u32> {
    // SAFETY: the type is made of numbers and a pointer that is not followed; all of them may be zero.
    let mut basic: PROCESS_BASIC_INFORMATION = unsafe { std::mem::zeroed() };
    // SAFETY: the handle is open; the place is ours and as long as the length says.
    let status = unsafe {
        NtQueryInformationProcess(
            process.as_raw_handle(),
            ProcessBasicInformation,
            (&raw mut basic).cast(),
            u32::try_from(size_of::<PROCESS_BASIC_INFORMATION>()).unwrap_or(0),
            std::ptr::null_mut(),
        )
    };
    (status >= 0)
        .then(|| u32::try_from(basic.InheritedFromUniqueProcessId).ok())
        .flatten()
}

/// Its program's file.
pub(super) fn executable(process: BorrowedHandle<'_>) -> Option<PathBuf> {
    // A path has at most 32767 units.
    let mut buffer = vec![0u16; 32 * 1024];
    let mut length = u32::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: the handle is open; the buffer is ours and has the length that is told.
    let done = unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            0,
            buffer.as_mut_ptr(),
            &raw mut length,
        )
    };
    let path = buffer.get(..usize::try_from(length).ok()?)?;
    (done != 0 && !path.is_empty()).then(|| PathBuf::from(OsString::from_wide(path)))
}

/// Its command line, taken apart. Empty where the system (before Windows 8.1) or its rights don't tell.
pub(super) fn command(process: BorrowedHandle<'_>) -> Vec<OsString> {
    const CLASS: PROCESSINFOCLASS = ProcessCommandLineInformation;
    // A UNICODE_STRING and behind it the text, of at most 65534 bytes. `u64` for its alignment.
    let mut buffer = vec![0u64; 9 * 1024];
    let bytes = u32::try_from(buffer.len() * size_of::<u64>()).unwrap_or(0);
    // SAFETY: the handle is open; the buffer is ours and has the length that is told.
    let status = unsafe {
        NtQueryInformationProcess(
            process.as_raw_handle(),
            CLASS,
            buffer.as_mut_ptr().cast(),
            bytes,
            std::ptr::null_mut(),
        )
    };
    if status < 0 {
        return Vec::new();
    }
    // SAFETY: the buffer is longer than the type, aligned for it, and full of initialised numbers.
    let text: UNICODE_STRING = unsafe { std::ptr::read(buffer.as_ptr().cast()) };
    // Where the text is, is the kernel's word; it is only believed as far as it stays in the buffer.
    let start = (text.Buffer as usize).wrapping_sub(buffer.as_ptr() as usize) / 2;
    let units: Vec<u16> = buffer
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect::<Vec<u8>>()
        .chunks_exact(2)
        .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
        .collect();
    let end = start.saturating_add(usize::from(text.Length / 2));
    units.get(start..end).map(arguments).unwrap_or_default()
}

/// One line of the list of all processes.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub pid: u32,
    /// As it was noted at its birth.
    pub parent: u32,
    /// The file name of its program.
    pub name: String,
}

/// All processes at one moment.
pub(super) fn snapshot() -> io::Result<Vec<Entry>> {
    // SAFETY: the call takes numbers and returns a handle that belongs to us, or the invalid one.
    let raw = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if raw == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and nobody else has it.
    let list = unsafe { OwnedHandle::from_raw_handle(raw) };
    // SAFETY: the type is made of numbers, all of which may be zero.
    let mut entry: PROCESSENTRY32W = unsafe { std::mem::zeroed() };
    entry.dwSize = u32::try_from(size_of::<PROCESSENTRY32W>())
        .map_err(|_| io::Error::from_raw_os_error(ERROR_BAD_LENGTH.cast_signed()))?;
    let mut entries = Vec::new();
    // SAFETY: the handle is open, and the entry tells its size, as the call asks for.
    let mut more = unsafe { Process32FirstW(list.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        let name = entry.szExeFile.split(|&unit| unit == 0).next();
        entries.push(Entry {
            pid: entry.th32ProcessID,
            parent: entry.th32ParentProcessID,
            name: String::from_utf16_lossy(name.unwrap_or_default()),
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(list.as_raw_handle(), &raw mut entry) };
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed()) {
        Ok(entries)
    } else {
        Err(error)
    }
}
