//! Shows each try on standard error: `RUST_LOG=info cargo run --example logging -- 3000`.

use kill_port::kill_port;
use log::info;

fn main() {
    env_logger::init();
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port = port.unwrap_or(3000);
    info!("cleaning up port {port}");
    kill_port(port);
    info!("done");
}
