//! Telling a server whom to follow.

use log::Level;

use crate::resp::reply::Value;
use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::event::host_of;
use crate::sentinel::ids::LinkId;
use crate::sentinel::instance::Master;
use crate::sentinel::link::Ask;

/// Tells a server whom to follow, or that it follows nobody, has it write that down, and has its
/// clients ask again where the master is. All of it happens or nothing, where the server can do
/// all of it.
pub fn send_slaveof(master: &Master, link: LinkId, to: Option<&Address>, cx: &mut Cx<'_>) {
    let (host, port) = match to {
        Some(address) => (host_of(address, cx.common), address.port.to_string()),
        None => ("NO".to_owned(), "ONE".to_owned()),
    };
    let orders: [&[&[u8]]; 4] = [
        &[b"SLAVEOF", host.as_bytes(), port.as_bytes()],
        &[b"CONFIG", b"REWRITE"],
        &[b"CLIENT", b"KILL", b"TYPE", b"normal"],
        &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"],
    ];
    let as_one = !cx.links.get(link).takes_one_by_one;
    if as_one {
        cx.ask_server(master, link, Ask::Discard, &[b"MULTI"]);
    }
    for order in orders {
        cx.ask_server(master, link, Ask::Discard, order);
    }
    if as_one {
        cx.ask_server(master, link, Ask::Orders(master.id), &[b"EXEC"]);
    }
}

/// A server has answered what it was told. One that lacks a command refuses all of it (operators
/// take `CONFIG` away, for one); then it is told again, one by one: its role comes first.
pub fn on_orders_reply(master: &Master, link: LinkId, value: &Value, cx: &mut Cx<'_>) {
    let is_refused = value.error().is_some_and(|e| e.starts_with(b"EXECABORT"));
    if !is_refused || cx.links.get(link).takes_one_by_one {
        return;
    }
    cx.links.get_mut(link).takes_one_by_one = true;
    let replica = master.replicas.iter().find(|r| r.base.link == link);
    let subject = match replica {
        Some(replica) => cx.of_replica(master, replica),
        None => cx.of_master(master),
    };
    let more = " #it lacks a command; its role may not be written down";
    cx.event(Level::Warn, "-reconf-refused", master, &subject, more);
    let is_chosen = replica.is_some_and(|r| Some(r.id) == master.failover.selected());
    let current = master.current_address();
    if is_chosen {
        send_slaveof(master, link, None, cx);
    } else if !cx.links.get(link).address.is_same(current) {
        send_slaveof(master, link, Some(current), cx);
    }
}
