//! Why can't the port be bound? `cargo run --example explain 8080`

use kill_port::Target;

fn main() {
    for argument in std::env::args().skip(1) {
        match argument.parse::<Target>() {
            Ok(target) => explain(target),
            Err(error) => eprintln!("{argument}: {error}"),
        }
    }
}

fn explain(target: Target) {
    let explanation = match kill_port::explain(target) {
        Ok(explanation) => explanation,
        Err(error) => return eprintln!("{error}"),
    };
    for (holder, provenance) in explanation
        .survey
        .holders()
        .iter()
        .zip(&explanation.provenance)
    {
        let name = kill_port::printable(&holder.process.name);
        println!("{target} is held by {name} (PID {})", holder.process.pid);
        for origin in &provenance.origins {
            println!("  from {origin}");
        }
        if let Some(by) = &provenance.brought_back_by {
            println!("  comes back by {by}");
        }
        if let Some(command) = &provenance.stop_command {
            println!("  `{command}` stops it for good");
        }
    }
    for cause in &explanation.causes {
        println!("{target}: {cause}");
        if let Some(advice) = cause.advice() {
            println!("  {advice}");
        }
    }
    for probe in &explanation.bind {
        let how = if probe.reuse_address {
            "with SO_REUSEADDR"
        } else {
            "without"
        };
        let answer = match &probe.result {
            Ok(()) => "can be bound".to_owned(),
            Err(error) => error.to_string(),
        };
        println!("{} {} {how}: {answer}", probe.protocol, probe.address);
    }
}
