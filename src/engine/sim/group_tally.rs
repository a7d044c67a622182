//! What is counted in runs of groups.

/// How many writes were told, and what has become of them.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Told to be done.
    pub written: u64,
    /// Told to be at a majority.
    pub kept: u64,
    /// Lost.
    pub lost: u64,
    /// Lost of those that were at a majority.
    pub kept_lost: u64,
    /// Lost only because a former master was chosen.
    pub returned_lost: u64,
    /// Elections won.
    pub elections: u64,
    /// Those that an operator wanted.
    pub wanted: u64,
    /// Replicas promoted.
    pub promotions: u64,
    /// Those that a master has handed over to.
    pub handed_over: u64,
}

impl Tally {
    /// Adds what was counted in another run.
    pub fn add(&mut self, other: &Tally) {
        self.written += other.written;
        self.kept += other.kept;
        self.lost += other.lost;
        self.kept_lost += other.kept_lost;
        self.returned_lost += other.returned_lost;
        self.elections += other.elections;
        self.wanted += other.wanted;
        self.promotions += other.promotions;
        self.handed_over += other.handed_over;
    }
}
