//! What kill_port promises on Linux, each situation on real processes.

mod addresses;
mod answer;
pub mod caller;
mod ending;
mod fallback;
mod finding;
mod hidden;
mod look_before_you_shoot;
mod many;
mod reuse;
mod sharing;
mod sparing;
mod supervisors;
mod waiting;
