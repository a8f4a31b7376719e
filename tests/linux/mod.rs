//! What kill_port promises on Linux, each situation on real processes.

mod addresses;
mod answer;
// mod both_ways;
mod caller;
mod ending;
mod explain;
mod fallback;
mod finding;
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

/// Plays a role of these tests.
pub fn play(role: &str, params: &crate::fixture::Params) -> bool {
    caller::play(role, params)
        || explain::play(role, params)
        || supervisor_option::play(role, params)
        || tree::play(role, params)
}
