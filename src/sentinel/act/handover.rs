//! A failover in which the master hands over (`FAILOVER`), so that no write is lost.

use log::Level;

use super::abort::abort;
use super::slaveof::send_slaveof;
use crate::resp::reply::Value;
use crate::sentinel::action::Answer;
use crate::sentinel::context::Cx;
use crate::sentinel::event::host_of;
use crate::sentinel::failover::{Attempt, Failover, Reason};
use crate::sentinel::ids::InstanceId;
use crate::sentinel::instance::Master;
use crate::sentinel::link::Ask;

/// Nobody waits for an answer.
const NOBODY: u64 = 0;

/// Asks the master to hand over to the replica that was chosen.
pub fn send(master: &mut Master, attempt: Attempt, id: InstanceId, cx: &mut Cx<'_>) -> bool {
    let link = master.base.link;
    if !cx.links.get(link).can_send() {
        abort(master, "-failover-abort-master-down", cx);
        return true;
    }
    let replica = master.replica(id).expect("it was just chosen");
    let address = &replica.base.address;
    let (host, port) = (host_of(address, cx.common), address.port.to_string());
    let timeout = (master.options.failover_timeout_ms / 2).max(1).to_string();
    cx.tell_replica(
        Level::Info,
        "+failover-state-send-failover",
        master,
        replica,
    );
    let args: [&[u8]; 6] = [
        b"FAILOVER",
        b"TO",
        host.as_bytes(),
        port.as_bytes(),
        b"TIMEOUT",
        timeout.as_bytes(),
    ];
    cx.ask_server(master, link, Ask::Failover(master.id), &args);
    cx.tell_replica(
        Level::Info,
        "+failover-state-wait-promotion",
        master,
        replica,
    );
    let attempt = Attempt {
        since_ms: cx.now_ms,
        ..attempt
    };
    master.failover = Failover::WaitPromotion(attempt, id);
    true
}

/// The master has agreed, or it has not.
pub fn on_failover_reply(master: &mut Master, value: &Value, cx: &mut Cx<'_>) {
    let Failover::WaitPromotion(attempt, id) = &mut master.failover else {
        return;
    };
    let Reason::Coordinated(client) = attempt.reason else {
        return;
    };
    let _ = id;
    attempt.reason = Reason::Coordinated(NOBODY);
    match value.error() {
        None => cx.answer(client, Answer::Ok),
        Some(error) => {
            let error = String::from_utf8_lossy(error).into_owned();
            let text = format!("ERR The master does not hand over: {error}");
            cx.answer(client, Answer::Error(text));
            abort(master, "-failover-abort-master-refused", cx);
        }
    }
    cx.touched.insert(master.id);
}

/// The replica is the master. It and its predecessor write down whom they follow, which a server
/// that hands over does not do by itself: started again, both would be replicas, of each other. The
/// predecessor also has its clients ask again.
pub fn settle(master: &Master, id: InstanceId, cx: &mut Cx<'_>) {
    let Some(replica) = master.replica(id) else {
        return;
    };
    let (to, link) = (replica.base.address.clone(), replica.base.link);
    if cx.links.get(link).can_send() {
        cx.ask_server(master, link, Ask::Discard, &[b"CONFIG", b"REWRITE"]);
    }
    if cx.links.get(master.base.link).can_send() {
        send_slaveof(master, master.base.link, Some(&to), cx);
    }
}

/// The master is not to hand over any more.
pub fn call_off(master: &Master, cx: &mut Cx<'_>) {
    cx.ask_server(
        master,
        master.base.link,
        Ask::Discard,
        &[b"FAILOVER", b"ABORT"],
    );
}
