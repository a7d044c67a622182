//! A connection to a node, for who can wait for its replies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::resp::args::encode_command;
use crate::resp::reply::Value;
use crate::resp::reply_parser::ReplyParser;

const READ_BYTES: usize = 64 * 1024;

/// A connection whose calls end after a time limit.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    replies: ReplyParser,
    timeout: Duration,
}

impl Wire {
    /// Connects to a node, from an address of ours if one is given. No call on the connection takes
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Nobody is there, or does not answer in time.
    pub fn connect(to: SocketAddr, from: Option<IpAddr>, timeout: Duration) -> io::Result<Wire> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect_timeout(&to.into(), timeout)?;
        socket.set_tcp_nodelay(true)?;
        let stream = TcpStream::from(socket);
        stream.set_write_timeout(Some(timeout))?;
        Ok(Wire {
            stream,
            replies: ReplyParser::default(),
            timeout,
        })
    }

    /// Sends a command and waits for its reply, which may be an error.
    ///
    /// # Errors
    ///
    /// The connection has ended, the reply makes no sense or does not come in time.
    pub fn ask(&mut self, argv: &[&[u8]]) -> io::Result<Value> {
        let mut request = Vec::new();
        encode_command(argv, &mut request);
        self.send(&request)?;
        self.receive()
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// The connection has ended, or takes nothing.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    ///
    /// As [`Wire::ask`].
    pub fn receive(&mut self) -> io::Result<Value> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let next = self.replies.next_reply();
            if let Some(value) =
                next.map_err(|e| io::Error::new(ErrorKind::InvalidData, e.to_string()))?
            {
                return Ok(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut piece = [0; READ_BYTES];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.replies.feed(&piece[..count]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(e) => return Err(e),
            }
        }
    }
}
