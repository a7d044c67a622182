//! One side of a session: what rustls asks for, done for either side in the same way.

use std::io::{self, ErrorKind};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// Bytes of plaintext in one record at most (RFC 8446, 5.1).
pub const RECORD_BYTES_MAX: usize = 16 * 1024;
/// What encryption adds to a record, at most: header, content type, nonce, tag.
pub const OVERHEAD_BYTES_MAX: usize = 64;

/// The two sides of a session.
pub enum Session {
    /// Ours is the server's.
    Server(Box<UnbufferedServerConnection>),
    /// Ours is the client's.
    Client(Box<UnbufferedClientConnection>),
}

/// What a session wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// To be asked again.
    Again,
    /// More bytes of the peer.
    Wait,
    /// The peer has said that it sends no more.
    PeerClosed,
}

/// Where decrypted bytes go.
pub struct Plain<'a> {
    /// Where they go first.
    pub into: &'a mut Vec<u8>,
    /// `into` must not be longer than this.
    pub end: usize,
    /// What has no room there.
    pub rest: &'a mut Vec<u8>,
}

impl Plain<'_> {
    fn push(&mut self, payload: &[u8]) {
        let room = match self.rest.is_empty() {
            true => (self.end - self.into.len()).min(payload.len()),
            false => 0,
        };
        self.into.extend_from_slice(&payload[..room]);
        self.rest.extend_from_slice(&payload[room..]);
    }
}

impl Session {
    /// Whether keys are still being agreed on.
    pub fn is_handshaking(&self) -> bool {
        match self {
            Session::Server(session) => session.is_handshaking(),
            Session::Client(session) => session.is_handshaking(),
        }
    }

    /// Has the session go on by one step: how many bytes are done with, and what it wants next.
    pub fn step(
        &mut self,
        records: &mut [u8],
        plain: &mut Plain<'_>,
        outgoing: &mut Vec<u8>,
    ) -> (usize, Result<Step, rustls::Error>) {
        match self {
            Session::Server(session) => take(session.process_tls_records(records), plain, outgoing),
            Session::Client(session) => take(session.process_tls_records(records), plain, outgoing),
        }
    }

    /// After a failure: what the peer is to be told of it. That stands ready; anything else must
    /// not be asked of the session any more.
    pub fn last_words(&mut self, plain: &mut Plain<'_>, outgoing: &mut Vec<u8>) {
        while self.has_words() {
            if self.step(&mut [], plain, outgoing).1.is_err() {
                return;
            }
        }
    }

    /// Whether it has something to say by itself, before anything else can be sent.
    pub fn has_words(&self) -> bool {
        match self {
            Session::Server(session) => session.wants_write(),
            Session::Client(session) => session.wants_write(),
        }
    }

    /// Encrypts at most a record's worth of bytes; how long that is. `held`: what the session has
    /// seen and is not done with.
    pub fn encrypt(&mut self, held: &mut [u8], bytes: &[u8], out: &mut [u8]) -> io::Result<usize> {
        match self {
            Session::Server(session) => encrypt(session.process_tls_records(held), bytes, out),
            Session::Client(session) => encrypt(session.process_tls_records(held), bytes, out),
        }
    }

    /// Says that nothing more comes; how long that is. `held`: as above.
    pub fn close_notify(&mut self, held: &mut [u8], out: &mut [u8]) -> Option<usize> {
        match self {
            Session::Server(session) => close_notify(session.process_tls_records(held), out),
            Session::Client(session) => close_notify(session.process_tls_records(held), out),
        }
    }
}

/// Does what a session asks for.
fn take<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Plain<'_>,
    outgoing: &mut Vec<u8>,
) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(e) => Err(e),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut result = Ok(Step::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plain.push(record.payload);
                    }
                    Err(e) => {
                        result = Err(e);
                        break;
                    }
                }
            }
            result
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let start = outgoing.len();
            let mut room = RECORD_BYTES_MAX + OVERHEAD_BYTES_MAX;
            loop {
                outgoing.resize(start + room, 0);
                match data.encode(&mut outgoing[start..]) {
                    Ok(count) => {
                        outgoing.truncate(start + count);
                        break Ok(Step::Again);
                    }
                    Err(EncodeError::InsufficientSize(e)) => room = e.required_size,
                    Err(EncodeError::AlreadyEncoded) => {
                        outgoing.truncate(start);
                        break Ok(Step::Again);
                    }
                }
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It stands in `outgoing`, which is sent in order.
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::PeerClosed),
        // Data before the handshake is done are not accepted, so they never come.
        Ok(_) => Ok(Step::Wait),
    };
    (discard, step)
}

fn encrypt<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    bytes: &[u8],
    out: &mut [u8],
) -> io::Result<usize> {
    match status.state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            traffic.encrypt(bytes, out).map_err(|e| match e {
                EncryptError::InsufficientSize(_) => failure("a record is longer than it may be"),
                EncryptError::EncryptExhausted => failure("the keys are used up"),
            })
        }
        Ok(_) => Err(failure("nothing can be written in this state")),
        Err(e) => Err(failure(e)),
    }
}

fn close_notify<Data>(status: UnbufferedStatus<'_, '_, Data>, out: &mut [u8]) -> Option<usize> {
    match status.state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.queue_close_notify(out).ok(),
        _ => None,
    }
}

/// An error of a session.
pub fn failure(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
