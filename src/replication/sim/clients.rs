//! A simulated server's connections with its clients: replicas, and those who want to be.

use super::network::{ConnId, Item, Network};
use super::node::{Node, send_some};
use super::parse;
use crate::replication::*;
use std::collections::VecDeque;

/// A connection that somebody made to us.
#[derive(Default)]
pub(super) struct Client {
    input: Vec<u8>,
    /// Goes out before the file and the stream.
    pub output: VecDeque<u8>,
    pub file: Option<VecDeque<u8>>,
    pub is_replica: bool,
    pub closing: bool,
}

impl Node {
    pub(super) fn on_client_item(&mut self, net: &mut Network, conn: ConnId, item: Item) {
        let id = conn as ClientId;
        match item {
            Item::Accepted => {
                self.clients.insert(id, Client::default());
            }
            Item::Closed => {
                net.close(conn, self.id);
                self.drop_client(net, id);
            }
            Item::Bytes(bytes) => {
                let Some(client) = self.clients.get_mut(&id) else {
                    return;
                };
                client.input.extend_from_slice(&bytes);
                self.run_client(net, id);
            }
            Item::Connected | Item::Refused => {}
        }
    }

    fn drop_client(&mut self, net: &mut Network, id: ClientId) {
        if self.clients.remove(&id).is_some() {
            if let Some(save) = &mut self.save {
                save.left.remove(&id);
            }
            let mut out = Vec::new();
            self.repl.on_client_closed(id, self.env(), &mut out);
            self.carry_out(net, out, &[]);
        }
    }

    fn run_client(&mut self, net: &mut Network, id: ClientId) {
        while let Some(client) = self.clients.get_mut(&id) {
            let Some((args, length)) = parse::command(&client.input) else {
                return;
            };
            client.input.drain(..length);
            if client.closing {
                continue;
            }
            let mut out = Vec::new();
            let reply = self.command(id, &args, &mut out);
            if let Some(client) = self.clients.get_mut(&id) {
                client.output.extend(reply.bytes());
            }
            self.carry_out(net, out, &[]);
        }
    }

    fn command(&mut self, id: ClientId, args: &[Vec<u8>], out: &mut Vec<Action>) -> String {
        let env = self.env();
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        match slices.first() {
            None => String::new(),
            Some(&b"PING") => "+PONG\r\n".into(),
            Some(&b"REPLCONF") => match self.repl.on_replconf(id, &slices[1..], env, out) {
                ReplconfReply::Ok => "+OK\r\n".into(),
                ReplconfReply::Error(text) => format!("-{text}\r\n"),
                ReplconfReply::Silent | ReplconfReply::GetAck => String::new(),
            },
            Some(&b"PSYNC") => self.psync(id, slices[1], slices[2], out),
            Some(other) => panic!("unexpected command {}", String::from_utf8_lossy(other)),
        }
    }

    /// Serves `PSYNC`, and checks with the facts of `INFO` alone that it continues when it may.
    fn psync(&mut self, id: ClientId, asked: &[u8], at: &[u8], out: &mut Vec<Action>) -> String {
        let env = self.env();
        let info = self.repl.info(env.now);
        let before = self.repl.source().stats();
        let request = SyncRequest::Psync {
            id: asked,
            offset: at,
            option: None,
        };
        let client = SyncClient {
            id,
            ip: Some("10.0.0.1"),
            description: "sim",
            has_pending_output: false,
        };
        let reply = self.repl.on_sync(&client, request, env, out);
        if let SyncReply::Refused(text) = reply {
            return format!("-{text}\r\n");
        }
        let offset: i64 = String::from_utf8_lossy(at).parse().expect("a number");
        let ours = asked == info.id.as_bytes()
            || (asked == info.id2.as_bytes() && offset <= info.second_offset);
        let first = info.backlog_first_byte_offset as i64;
        let held = info.backlog_active && first <= offset && offset <= info.offset as i64 + 1;
        let continued = self.repl.source().stats().partial_ok > before.partial_ok;
        assert_eq!(continued, ours && held, "PSYNC {offset} with {info:?}");
        let client = self.clients.get_mut(&id).expect("it has just asked");
        client.is_replica = true;
        String::new()
    }

    pub(super) fn flush_clients(&mut self, net: &mut Network) {
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        for id in ids {
            let client = self.clients.get_mut(&id).expect("just listed");
            send_some(net, id as ConnId, self.id, &mut client.output);
            if !client.output.is_empty() {
                continue;
            }
            if client.closing {
                net.close(id as ConnId, self.id);
                self.drop_client(net, id);
                continue;
            }
            if let Some(file) = &mut client.file {
                send_some(net, id as ConnId, self.id, file);
                if file.is_empty() {
                    client.file = None;
                    let mut out = Vec::new();
                    self.repl.on_file_sent(id, self.env(), &mut out);
                    self.carry_out(net, out, &[]);
                }
            } else if client.is_replica {
                let chunk: Vec<u8> = self.repl.chunks(id).next().unwrap_or(&[]).to_vec();
                let sent = net.send(id as ConnId, self.id, &chunk);
                if sent > 0 {
                    self.repl.on_sent(id, sent);
                }
            }
        }
    }
}
