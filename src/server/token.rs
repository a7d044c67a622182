//! By which token the poll knows what it watches.

use mio::Token;

use crate::engine::world::Wake;

/// A signal was sent to us.
pub const SIGNALS: Token = Token(0);
/// The child reports.
pub const CHILD_REPORT: Token = Token(1);
/// The child sends the snapshot that it makes.
pub const CHILD_DATA: Token = Token(2);
/// A thread has done something.
pub const WORKERS: Token = Token(3);
/// Tokens from here on are clients, listeners, outgoing and arriving connections and readers of
/// metrics in turn.
const FIRST_SHARED: usize = 4;
const SHARED_KINDS: usize = 5;

/// The token of what the engine is told of.
pub fn token_of(wake: Wake) -> Token {
    let shared = |kind: usize, key: usize| Token(FIRST_SHARED + key * SHARED_KINDS + kind);
    match wake {
        Wake::ChildData => CHILD_DATA,
        Wake::Client(key) => shared(0, key),
        Wake::Listener(key) => shared(1, key),
        Wake::Outgoing(key) => shared(2, key),
        Wake::Arriving(key) => shared(3, key),
        Wake::Metrics(key) => shared(4, key),
    }
}

/// Whom a token stands for, unless it is one of our own.
pub fn wake_of(token: Token) -> Option<Wake> {
    let Some(shared) = token.0.checked_sub(FIRST_SHARED) else {
        return (token == CHILD_DATA).then_some(Wake::ChildData);
    };
    let key = shared / SHARED_KINDS;
    Some(match shared % SHARED_KINDS {
        0 => Wake::Client(key),
        1 => Wake::Listener(key),
        2 => Wake::Outgoing(key),
        3 => Wake::Arriving(key),
        _ => Wake::Metrics(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_whom_it_stands_for() {
        for key in [0, 1, 2, 9_999] {
            for wake in [
                Wake::Client(key),
                Wake::Listener(key),
                Wake::Outgoing(key),
                Wake::Arriving(key),
                Wake::Metrics(key),
            ] {
                assert_eq!(wake_of(token_of(wake)), Some(wake));
            }
        }
        assert_eq!(wake_of(token_of(Wake::ChildData)), Some(Wake::ChildData));
        assert_eq!([SIGNALS, CHILD_REPORT, WORKERS].map(wake_of), [None; 3]);
    }
}
