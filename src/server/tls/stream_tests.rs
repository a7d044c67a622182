//! Both ends of a connection in one place, with wires between them that cut and spoil.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::server::tls::Tls;
use crate::server::tls::testing::Certificates;

/// One direction of a connection: so many bytes at once go in and come out.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    room: usize,
    read_max: usize,
    closed: bool,
}

#[derive(Clone)]
struct End {
    from: Rc<RefCell<Wire>>,
    to: Rc<RefCell<Wire>>,
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.from.borrow_mut();
        let count = wire.bytes.len().min(buf.len()).min(wire.read_max);
        if count == 0 && !wire.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (slot, byte) in buf.iter_mut().zip(wire.bytes.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut wire = self.to.borrow_mut();
        let count = buf.len().min(wire.room - wire.bytes.len());
        wire.bytes.extend(&buf[..count]);
        match count {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client and a server, both ours.
struct Pair {
    client: TlsSocket<End>,
    server: TlsSocket<End>,
    to_server: Rc<RefCell<Wire>>,
    to_client: Rc<RefCell<Wire>>,
}

impl Pair {
    /// Wires that hold so many bytes and give so many at once.
    fn new(tls: &Tls, room: usize, read_max: usize) -> Pair {
        let wire = || {
            Rc::new(RefCell::new(Wire {
                room,
                read_max,
                ..Wire::default()
            }))
        };
        let (to_server, to_client) = (wire(), wire());
        let end = |from: &Rc<_>, to: &Rc<_>| End {
            from: Rc::clone(from),
            to: Rc::clone(to),
        };
        let at_client = end(&to_client, &to_server);
        let at_server = end(&to_server, &to_client);
        let address = "127.0.0.1".parse().unwrap();
        Pair {
            client: tls.client_side(at_client, address).unwrap(),
            server: tls.server_side(at_server).unwrap(),
            to_server,
            to_client,
        }
    }

    fn open(tls: &Tls, room: usize, read_max: usize) -> Pair {
        let mut pair = Pair::new(tls, room, read_max);
        assert_eq!(pair.shake_hands(), Ok(()));
        pair
    }

    /// Goes on until both are open, or one of them has failed.
    fn shake_hands(&mut self) -> Result<(), String> {
        for _ in 0..100_000 {
            let client = self.client.connecting(|_| Connecting::Done);
            let server = self.server.connecting(|_| Connecting::Done);
            match (client, server) {
                (Connecting::Done, Connecting::Done) => return Ok(()),
                (Connecting::Failed(e), _) => return Err(format!("client: {e}")),
                (_, Connecting::Failed(e)) => return Err(format!("server: {e}")),
                _ => {}
            }
        }
        panic!("a handshake never ends");
    }
}

fn tls() -> Tls {
    Certificates::new().tls()
}

/// Reads as the engine does: until a read brings less than was asked for, and again if there is
/// more of which no event tells.
fn drain(socket: &mut TlsSocket<End>, into: &mut Vec<u8>, bytes_max: usize) {
    loop {
        into.reserve(bytes_max);
        match socket.read_append(into, bytes_max) {
            Ok(0) => return,
            Ok(count) => {
                assert!(count <= bytes_max);
                if count < bytes_max && !socket.has_more() {
                    return;
                }
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock, "{e}");
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_arrives_however_the_wires_cut_it(
        pieces in prop::collection::vec(0_usize..40_000, 1..8),
        room in 1_usize..90_000,
        read_max in 1_usize..90_000,
        asked in 1_usize..40_000,
        vectored in any::<bool>(),
    ) {
        let (room, read_max) = (room.max(600), read_max.max(300));
        let mut pair = Pair::open(&tls(), room, read_max);
        let byte = |at: usize| (at * 7 % 251) as u8;
        let sent: Vec<u8> = (0..pieces.iter().sum()).map(byte).collect();
        let (mut at, mut got) = (0, Vec::new());
        let mut ends: Vec<usize> = Vec::new();
        for piece in pieces {
            ends.push(ends.last().copied().unwrap_or(0) + piece);
        }
        let mut turns = 0;
        while got.len() < sent.len() {
            turns += 1;
            prop_assert!(turns < 200_000);
            let end = ends.iter().copied().find(|end| *end > at).unwrap_or(at);
            let piece = &sent[at..end];
            let written = match vectored {
                true => {
                    let (one, two) = piece.split_at(piece.len() / 3);
                    pair.server.write_vectored(&[IoSlice::new(one), IoSlice::new(two)])
                }
                false => pair.server.write(piece),
            };
            match written {
                Ok(count) => at += count,
                Err(e) => prop_assert_eq!(e.kind(), ErrorKind::WouldBlock),
            }
            let _ = pair.server.flush().unwrap();
            drain(&mut pair.client, &mut got, asked);
        }
        prop_assert!(got == sent);
        // An idle connection owns nothing.
        prop_assert!(pair.server.flush().unwrap() && !pair.server.has_unsent());
        prop_assert_eq!(pair.client.incoming.capacity(), 0);
        prop_assert_eq!(pair.client.plaintext.capacity(), 0);
        prop_assert_eq!(pair.server.outgoing.capacity(), 0);
    }

    #[test]
    fn spoilt_bytes_end_a_connection_and_nothing_else(
        spoilt_at in 0_usize..6_000,
        with in 1_u8..=255,
        towards_client in any::<bool>(),
        read_max in 1_usize..4_000,
        cut in any::<bool>(),
    ) {
        let mut pair = Pair::new(&tls(), 100_000, read_max.max(50));
        let wire = match towards_client {
            true => Rc::clone(&pair.to_client),
            false => Rc::clone(&pair.to_server),
        };
        let mut passed = 0;
        let mut failed = [false; 2];
        for turn in 0..400 {
            {
                // The byte is spoilt, or all after it lost, before the other end sees it.
                let mut wire = wire.borrow_mut();
                let there = passed..passed + wire.bytes.len();
                if there.contains(&spoilt_at) {
                    let at = spoilt_at - passed;
                    match cut {
                        true => wire.bytes.truncate(at),
                        false => wire.bytes[at] ^= with,
                    }
                }
            }
            let before = wire.borrow().bytes.len();
            for (side, socket) in [&mut pair.client, &mut pair.server].into_iter().enumerate() {
                let was = failed[side];
                let mut into = Vec::with_capacity(1000);
                match socket.connecting(|_| Connecting::Done) {
                    Connecting::Failed(_) => failed[side] = true,
                    Connecting::Pending => {}
                    Connecting::Done => {
                        for result in [
                            socket.write(&[7; 500]),
                            socket.read_append(&mut into, 1000),
                        ] {
                            let is_error = |e: &io::Error| e.kind() != ErrorKind::WouldBlock;
                            failed[side] |= result.is_err_and(|e| is_error(&e));
                        }
                    }
                }
                // Who has failed stays so.
                prop_assert!(failed[side] || !was);
            }
            passed += before - wire.borrow().bytes.len().min(before);
            if turn > 100 && failed != [false; 2] {
                break;
            }
        }
        pair.client.say_goodbye();
        pair.server.say_goodbye();
    }

    #[test]
    fn noise_is_refused(
        noise in prop::collection::vec(any::<u8>(), 1..3_000),
        head in any::<bool>(),
    ) {
        let mut pair = Pair::new(&tls(), 100_000, 1_000);
        let mut noise = noise;
        if head {
            let head = [22, 3, 1, (noise.len() >> 8) as u8, noise.len() as u8, 1, 0, 1];
            noise.splice(0..0, head);
        }
        pair.to_server.borrow_mut().bytes.extend(&noise);
        pair.to_server.borrow_mut().closed = true;
        for _ in 0..20 {
            if let Connecting::Failed(_) = pair.server.connecting(|_| Connecting::Done) {
                return Ok(());
            }
        }
        prop_assert!(false, "noise was taken for a handshake");
    }
}

#[test]
fn somebody_who_does_not_speak_tls_is_told_nothing() {
    let mut pair = Pair::new(&tls(), 100_000, 1_000);
    pair.to_server
        .borrow_mut()
        .bytes
        .extend(b"*1\r\n$4\r\nPING\r\n");
    let Connecting::Failed(e) = pair.server.connecting(|_| Connecting::Done) else {
        panic!("a plain client was let in");
    };
    assert_eq!(e.to_string(), "the client does not speak TLS");
    assert!(pair.to_client.borrow().bytes.is_empty());
}

#[test]
fn a_message_of_the_handshake_without_end_is_not_waited_for() {
    let mut pair = Pair::new(&tls(), 1_000_000, 10_000);
    // Records of a ClientHello that says to have sixty thousand bytes.
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0, 0xf0, 0];
    record.resize(5 + 0x4000, 0);
    pair.to_server.borrow_mut().bytes.extend(&record);
    for _ in 0..3 {
        let more = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
        pair.to_server.borrow_mut().bytes.extend(&more);
    }
    for _ in 0..20 {
        if let Connecting::Failed(e) = pair.server.connecting(|_| Connecting::Done) {
            assert_eq!(e.to_string(), "a message of the handshake is too long");
            return;
        }
    }
    panic!("it is waited for");
}

#[test]
fn a_goodbye_is_the_end_for_the_other_side_and_comes_behind_what_was_said() {
    let mut pair = Pair::open(&tls(), 100_000, 100_000);
    assert_eq!(pair.server.write(b"last").unwrap(), 4);
    pair.server.say_goodbye();
    let mut got = Vec::with_capacity(100);
    assert_eq!(pair.client.read_append(&mut got, 100).unwrap(), 4);
    assert_eq!(got, b"last");
    assert!(pair.client.has_more());
    assert_eq!(pair.client.read_append(&mut got, 50).unwrap(), 0);
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_told_though_no_event_will() {
    let mut pair = Pair::new(&tls(), 100_000, 100_000);
    while !matches!(
        pair.client.connecting(|_| Connecting::Done),
        Connecting::Done
    ) {
        let _ = pair.server.connecting(|_| Connecting::Done);
    }
    // Stands right behind the client's last message, so one read brings both.
    assert_eq!(pair.client.write(b"PING").unwrap(), 4);
    let server = pair.server.connecting(|_| Connecting::Done);
    assert!(matches!(server, Connecting::Done));
    assert!(pair.to_server.borrow().bytes.is_empty());
    assert!(pair.server.has_more());
    let mut got = Vec::with_capacity(100);
    assert_eq!(pair.server.read_append(&mut got, 100).unwrap(), 4);
    assert!(!pair.server.has_more());
}

#[test]
fn a_full_socket_takes_one_turn_and_no_more() {
    let mut pair = Pair::open(&tls(), 5_000, 100_000);
    let taken = pair.server.write(&[1; 200_000]).unwrap();
    assert_eq!(taken, WRITE_BYTES_MAX);
    assert!(pair.server.has_unsent());
    let full = pair.server.write(&[1; 10]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    assert!(!pair.server.flush().unwrap());
    let mut got = Vec::new();
    while !pair.server.flush().unwrap() {
        drain(&mut pair.client, &mut got, 9_000);
    }
    drain(&mut pair.client, &mut got, 9_000);
    assert_eq!(got.len(), WRITE_BYTES_MAX);
}

#[test]
fn fewer_bytes_are_taken_only_if_the_socket_is_full() {
    let bytes = vec![5; 3 * WRITE_BYTES_MAX + 17];
    let slices = [
        IoSlice::new(&bytes[..9]),
        IoSlice::new(&bytes[9..100_000]),
        IoSlice::new(&[]),
        IoSlice::new(&bytes[100_000..]),
    ];
    let mut pair = Pair::open(&tls(), 1_000_000, 1_000_000);
    assert_eq!(pair.server.write(&bytes).unwrap(), bytes.len());
    assert_eq!(pair.server.write_vectored(&slices).unwrap(), bytes.len());
    assert!(!pair.server.has_unsent());
    let mut narrow = Pair::open(&tls(), 90_000, 90_000);
    for vectored in [false, true] {
        let taken = match vectored {
            true => narrow.server.write_vectored(&slices),
            false => narrow.server.write(&bytes),
        };
        assert!(taken.unwrap() < bytes.len());
        assert!(narrow.server.has_unsent());
        let mut got = Vec::new();
        while !narrow.server.flush().unwrap() {
            drain(&mut narrow.client, &mut got, 9_000);
        }
        drain(&mut narrow.client, &mut got, 9_000);
    }
}

#[test]
fn whoever_leaves_without_a_word_only_looked_whether_we_are_there() {
    let mut pair = Pair::new(&tls(), 1_000, 1_000);
    pair.to_server.borrow_mut().closed = true;
    let Connecting::Failed(e) = pair.server.connecting(|_| Connecting::Done) else {
        panic!("nobody was let in");
    };
    assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
}
