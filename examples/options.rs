//! Gives servers two seconds, then SIGKILL, and says who was ended or what is in the way.

use std::time::Duration;

use kill_port::{KillOptions, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target: Target = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 8080.into(),
    };
    let freed = KillOptions::new()
        .grace(Duration::from_secs(2))
        .kill(target)?;
    if freed.was_free() {
        println!("port {target} was free already");
    }
    for report in &freed.ended {
        let process = &report.holder.process;
        println!("{} (PID {}): {:?}", process.name, process.pid, report.fate);
    }
    Ok(())
}
