//! What kill_port promises on Linux, each situation on real processes.

mod addresses;
mod answer;
mod bind;
mod bystanders;
mod caller;
mod data;
mod editors;
mod ending;
mod explain;
mod failing;
mod fallback;
mod finding;
mod foreseen;
mod hidden;
mod hidepid;
mod in_use;
mod look_before_you_shoot;
mod many;
mod returning;
mod reuse;
mod rights;
mod second_look;
mod sharing;
mod sparing;
mod stop_signal;
mod supervisor_option;
mod supervisors;
mod targets;
mod tree;
mod unlisted;
mod waiting;
mod within;

/// The roles of these tests.
pub const ROLES: &[&[crate::fixture::RoleKind]] = &[
    bind::ROLES,
    bystanders::ROLES,
    caller::ROLES,
    data::ROLES,
    explain::ROLES,
    rights::ROLES,
    supervisor_option::ROLES,
    tree::ROLES,
    within::ROLES,
];
