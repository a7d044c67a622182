//! What waits leaves in order, whatever it is made of and however little the socket takes.

use proptest::prelude::*;

use super::*;
use crate::engine::world::Connecting;

/// A socket that takes `room` more bytes, at most `at_once` with each call.
struct Narrow {
    taken: Vec<u8>,
    room: usize,
    at_once: usize,
}

impl Narrow {
    fn take<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<usize> {
        let mut left = self.room.min(self.at_once);
        if left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = self.taken.len();
        for piece in pieces {
            let count = left.min(piece.len());
            self.taken.extend_from_slice(&piece[..count]);
            left -= count;
        }
        let count = self.taken.len() - before;
        self.room -= count;
        Ok(count)
    }
}

impl Socket for Narrow {
    fn read_append(&mut self, _: &mut Vec<u8>, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take([bytes])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take(slices.iter().map(|slice| &slice[..]))
    }

    fn connecting(&mut self) -> Connecting {
        Connecting::Done
    }

    fn set_nodelay(&self, _: bool) {}

    fn set_keepalive(&self, _: u32) {}

    fn endpoints(&self) -> (String, String) {
        Default::default()
    }

    fn descriptor(&self) -> i32 {
        -1
    }
}

/// What may happen to an output.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Share(Vec<u8>),
    /// A reply, with something appended while its buffer is lent.
    Reply(Vec<u8>, Vec<u8>),
    Flush {
        room: usize,
        at_once: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![
        bytes().prop_map(Step::Append),
        bytes().prop_map(Step::Share),
        (bytes(), bytes()).prop_map(|(reply, meanwhile)| Step::Reply(reply, meanwhile)),
        (0..60usize, 1..30usize).prop_map(|(room, at_once)| Step::Flush { room, at_once }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn bytes_leave_in_the_order_in_which_they_came(steps in steps()) {
        let mut output = Output::default();
        let mut pool = BufferPool::default();
        let mut socket = Narrow { taken: Vec::new(), room: 0, at_once: 0 };
        let mut all = Vec::new();
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    output.append(&bytes);
                    all.extend(bytes);
                }
                Step::Share(bytes) => {
                    output.append_shared(bytes.clone().into());
                    all.extend(bytes);
                }
                Step::Reply(bytes, meanwhile) => {
                    let mut buf = output.take(&mut pool);
                    buf.extend_from_slice(&bytes);
                    output.append(&meanwhile);
                    output.put_back(buf);
                    all.extend(bytes.into_iter().chain(meanwhile));
                }
                Step::Flush { room, at_once } => {
                    (socket.room, socket.at_once) = (room, at_once);
                    let done = output.flush(&mut socket, &mut pool).unwrap();
                    prop_assert_eq!(done, output.pending() == 0);
                }
            }
            prop_assert_eq!(output.pending(), all.len() - socket.taken.len());
            prop_assert_eq!(&all[..socket.taken.len()], &socket.taken[..]);
        }
        (socket.room, socket.at_once) = (usize::MAX, 7);
        prop_assert!(output.flush(&mut socket, &mut pool).unwrap());
        prop_assert_eq!(all, socket.taken);
    }
}

#[test]
fn what_is_written_takes_no_room_though_the_client_is_always_behind() {
    let mut output = Output::default();
    let mut pool = BufferPool::default();
    let mut socket = Narrow {
        taken: Vec::new(),
        room: 0,
        at_once: usize::MAX,
    };
    output.append(&[0; 100_000]);
    for _ in 0..1000 {
        output.append(&[1; 50_000]);
        socket.room = 50_000;
        assert!(!output.flush(&mut socket, &mut pool).unwrap());
        socket.taken.clear();
        assert_eq!(output.pending(), 100_000);
    }
    assert!(output.memory() < 1_000_000, "{}", output.memory());
}

#[test]
fn what_is_shared_is_one_piece_of_memory() {
    let message = Bytes::from(vec![b'm'; 100_000]);
    let mut outputs = [const { None::<Output> }; 3].map(|_| Output::default());
    for output in &mut outputs {
        output.append(b"own");
        output.append_shared(message.clone());
        let at = output.before[1].as_ptr();
        assert_eq!(at, message.as_ptr(), "nothing was copied");
    }
    assert!(!message.is_unique());
    drop(outputs);
    assert!(message.is_unique(), "who is gone holds nothing");
}

#[test]
fn what_waits_can_be_asked_while_the_buffer_is_out() {
    let mut pool = BufferPool::default();
    let mut socket = Narrow {
        taken: Vec::new(),
        room: 3,
        at_once: 3,
    };
    let mut output = Output::default();
    output.append(b"abcdef");
    let is_out = output.flush(&mut socket, &mut pool);
    assert!(!is_out.expect("the socket works"));
    assert_eq!(output.pending(), 3);
    let buf = output.take(&mut pool);
    assert_eq!((output.pending(), output.memory()), (0, 0));
    output.put_back(buf);
    assert_eq!(output.pending(), 3);
}

#[test]
fn large_buffers_can_be_dropped_from_the_pool() {
    let mut pool = BufferPool::default();
    pool.give(Vec::with_capacity(1000));
    pool.give(Vec::with_capacity(reply_room::MAX + 1));
    pool.drop_large();
    assert_eq!(pool.free.len(), 1);
    assert_eq!(pool.take().capacity(), 1000);
}
