//! What the library asks of the operating system.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the survey that uses it is yet to come")]
mod linux;
