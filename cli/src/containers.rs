//! What a person reads of a container: one line.

use kill_port::containers::{Container, PublishedPort, StoppedContainer};
use kill_port::printable;

use crate::style::{BOLD, duration, paint};

/// So many published ports are named; a range may have thousands.
const PORTS: usize = 4;

/// A container that was ended by its engine.
pub fn stopped(stopped: &StoppedContainer) -> String {
    let how = if stopped.killed { "killed" } else { "stopped" };
    line(
        &stopped.container,
        &format!("{how} after {}", duration(stopped.elapsed)),
    )
}

/// A container of which something is told, such as that it would be stopped.
pub fn line(container: &Container, what: &str) -> String {
    let mut rest = format!("  {what}  image {}", printable(&container.image));
    rest.push_str("  publishes ");
    rest.push_str(&ports(&container.ports));
    if let Some(compose) = &container.compose {
        rest.push_str("  ");
        rest.push_str(&printable(&compose.to_string()));
    }
    if let Some(policy) = &container.restart_policy {
        rest.push_str("  restart policy ");
        rest.push_str(&printable(policy));
    }
    format!("  {}{rest}\n", paint(BOLD, who(container)))
}

/// `web (0123456789ab), image nginx:1.27, compose service shop/front`
pub fn summary(container: &Container) -> String {
    let mut text = format!(
        "{} ({}), image {}",
        printable(container.display_name()),
        container.short_id(),
        printable(&container.image)
    );
    if let Some(compose) = &container.compose {
        text.push_str(", ");
        text.push_str(&printable(&compose.to_string()));
    }
    text
}

/// `container web (0123456789ab)`
pub fn who(container: &Container) -> String {
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
