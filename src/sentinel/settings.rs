//! What is set from outside, apart from what the configuration says.

/// What the server around it is set to, as far as that matters to peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The port that it listens on.
    pub port: u16,
    /// `requirepass`: peers that share it are spoken to with it, unless they have one of their own.
    pub password: Vec<u8>,
    /// How many seconds local time is ahead of UTC.
    pub ahead_of_utc_s: i32,
}

/// On which occasions the process is to end, for tests of failovers that lose their leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimulatedFailure {
    /// After it was elected.
    pub after_election: bool,
    /// After the replica was promoted.
    pub after_promotion: bool,
}
