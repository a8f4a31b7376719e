//! Linux.

mod netlink;
mod ports;
mod proc_net;
mod row;
mod sock_diag;
mod sockets;
