//! The least a server can do: read what is there and write it back. Its cost is the floor that the
//! kernel sets, and tells how much of a server's time per operation is its own.

use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Serves until it is killed.
pub fn serve(port: u16) {
    let mut poll = Poll::new().expect("epoll");
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let mut listener = TcpListener::bind(address).expect("a free port");
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)
        .expect("registered");
    let mut streams: Vec<Option<TcpStream>> = vec![None];
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None).expect("epoll");
        for event in &events {
            if event.token() == Token(0) {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(streams.len());
                    poll.registry()
                        .register(&mut stream, token, Interest::READABLE)
                        .expect("registered");
                    streams.push(Some(stream));
                }
                continue;
            }
            let slot = &mut streams[event.token().0];
            if slot
                .as_mut()
                .is_some_and(|stream| !echo(stream, &mut buffer))
            {
                *slot = None;
            }
        }
    }
}

/// False once the peer is gone. Batches are far smaller than a socket's buffer, so a write that
/// takes less than all of one is as good as an end.
fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    match stream.read(buffer) {
        Ok(0) => false,
        Ok(got) => stream
            .write(&buffer[..got])
            .is_ok_and(|written| written == got),
        Err(e) => e.kind() == ErrorKind::WouldBlock,
    }
}
