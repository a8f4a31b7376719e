//! How containers are named for people.

use kill_port::containers::{Container, PublishedPort, StoppedContainer};
use kill_port::printable;

use crate::style::{BOLD, paint};
use crate::words::duration;

/// So many published ports are named; a range may have thousands.
const PORTS: usize = 4;

/// A container that was ended by its engine.
pub fn stopped(stopped: &StoppedContainer) -> String {
    let how = if stopped.killed { "killed" } else { "stopped" };
    line(
        "  ",
        &stopped.container,
        &format!("{how} after {}", duration(stopped.elapsed)),
    )
}

/// A container and what happens to it.
pub fn line(indent: &str, container: &Container, what: &str) -> String {
    let name = paint(BOLD, name(container));
    let image = printable(&container.image);
    let ports = ports(&container.ports);
    let compose = compose("  ", container);
    let policy = container.restart_policy.as_deref().map(printable);
    let policy = policy.map_or_else(String::new, |policy| format!("  restart policy {policy}"));
    format!("{indent}{name}  {what}  image {image}  publishes {ports}{compose}{policy}\n")
}

/// `web (0123456789ab), image nginx:1.27, compose service shop/front`
pub fn summary(container: &Container) -> String {
    format!(
        "{} ({}), image {}{}",
        printable(container.display_name()),
        container.short_id(),
        printable(&container.image),
        compose(", ", container)
    )
}

fn compose(separator: &str, container: &Container) -> String {
    match &container.compose {
        Some(compose) => format!("{separator}{}", printable(&compose.to_string())),
        None => String::new(),
    }
}

/// `container web (0123456789ab)`
pub fn name(container: &Container) -> String {
    let id = container.short_id();
    if container.name.is_empty() {
        return format!("container {id}");
    }
    format!("container {} ({id})", printable(&container.name))
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp and 3 more`
fn ports(ports: &[PublishedPort]) -> String {
    let named: Vec<String> = ports.iter().take(PORTS).map(ToString::to_string).collect();
    let named = named.join(", ");
    match ports.len().saturating_sub(PORTS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
