//! One end of a connection of the simulated network.

use std::collections::VecDeque;

use crate::engine::world::{Interest, Wake};

/// How the making of a connection stands, as its beginner sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    Pending,
    Done,
    Refused,
}

/// One end of a connection.
pub struct End {
    /// The number of its host.
    pub host: usize,
    /// What is under way, and when it arrives.
    pub coming: VecDeque<(u64, Vec<u8>)>,
    /// What has arrived and was not read.
    pub arrived: VecDeque<u8>,
    /// What came with the end of a handshake and was not read.
    pub untold: VecDeque<u8>,
    /// When the other end's goodbye arrives.
    pub eof_at: Option<u64>,
    pub eof: bool,
    pub reset: bool,
    pub closed: bool,
    pub opening: Opening,
    pub watched: Option<(Wake, Interest)>,
    /// Something to be told: readable, writable.
    pub edges: (bool, bool),
    /// A write found the other end's pipe full.
    pub was_full: bool,
}

impl End {
    pub fn new(host: usize, opening: Opening) -> End {
        End {
            host,
            coming: VecDeque::new(),
            arrived: VecDeque::new(),
            untold: VecDeque::new(),
            eof_at: None,
            eof: false,
            reset: false,
            closed: false,
            opening,
            watched: None,
            edges: (false, false),
            was_full: false,
        }
    }

    /// How far it is; the end that was accepted (1) opens with the first bytes.
    pub fn go_on_opening(&mut self, side: usize) -> Opening {
        if side == 1 && self.opening == Opening::Pending {
            if !self.arrived.is_empty() {
                self.opening = Opening::Done;
                self.untold.append(&mut self.arrived);
            } else if self.eof || self.reset {
                self.opening = Opening::Refused;
            }
        }
        self.opening
    }

    pub fn held_bytes(&self) -> usize {
        let coming: usize = self.coming.iter().map(|(_, bytes)| bytes.len()).sum();
        coming + self.arrived.len() + self.untold.len()
    }

    /// Whether there is something to be told of what is watched.
    pub fn has_news(&self) -> bool {
        self.watched.is_some_and(|(_, interest)| {
            self.edges.0 || self.edges.1 && interest == Interest::ReadWrite
        })
    }

    pub fn is_readable(&self) -> bool {
        !self.arrived.is_empty() || self.eof || self.reset
    }
}
