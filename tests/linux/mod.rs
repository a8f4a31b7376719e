//! What kill_port promises on Linux, each situation on real processes.

mod addresses;
mod answer;
mod caller;
mod ending;
mod explain;
mod fallback;
mod finding;
mod foreseen;
mod hidden;
mod hidepid;
mod look_before_you_shoot;
mod many;
mod reuse;
mod second_look;
mod sharing;
mod sparing;
mod supervisor_option;
mod supervisors;
mod tree;
mod waiting;

/// The roles of these tests.
pub const ROLES: &[&[crate::fixture::RoleKind]] = &[
    caller::ROLES,
    explain::ROLES,
    supervisor_option::ROLES,
    tree::ROLES,
];
