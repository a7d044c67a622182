//! Telling a server whom to follow.

use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::event::host_of;
use crate::sentinel::ids::LinkId;
use crate::sentinel::instance::Master;
use crate::sentinel::link::Ask;

/// Tells a server whom to follow, or that it follows nobody, has it write that down, and has its
/// clients ask again where the master is. All of it happens or nothing.
pub fn send_slaveof(master: &Master, link: LinkId, to: Option<&Address>, cx: &mut Cx<'_>) {
    let (host, port) = match to {
        Some(address) => (host_of(address, cx.common), address.port.to_string()),
        None => ("NO".to_owned(), "ONE".to_owned()),
    };
    let commands: [&[&[u8]]; 6] = [
        &[b"MULTI"],
        &[b"SLAVEOF", host.as_bytes(), port.as_bytes()],
        &[b"CONFIG", b"REWRITE"],
        &[b"CLIENT", b"KILL", b"TYPE", b"normal"],
        &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"],
        &[b"EXEC"],
    ];
    for command in commands {
        cx.ask_server(master, link, Ask::Discard, command);
    }
}
