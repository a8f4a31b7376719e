//! Frees port 8080, or the port given as the first argument.

use kill_port::kill_port;

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    kill_port(port.unwrap_or(8080));
}
