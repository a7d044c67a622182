//! What adding a member means: the conditions of ZADD, decided from the score that is there.

/// Which members are to be left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unless {
    /// None.
    #[default]
    Never,
    /// Those that are in the set (NX).
    Present,
    /// Those that are not (XX).
    Absent,
}

/// Which way the score of a member that is there may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Only {
    /// Any.
    #[default]
    Either,
    /// Up (GT).
    Up,
    /// Down (LT).
    Down,
}

/// How to add a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Add {
    /// Which members are left alone.
    pub unless: Unless,
    /// Which way scores may go.
    pub only: Only,
    /// Whether the score is added to the one that is there.
    pub increment: bool,
}

/// What came of adding a member.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Added {
    /// The member is new, with this score.
    New(f64),
    /// The member has another score now.
    Updated(f64),
    /// The member had this score already.
    Same(f64),
    /// A condition did not hold.
    Refused,
    /// The sum would be no number; nothing was done.
    NotANumber,
}

impl Add {
    /// What adding comes to for a member with the score `old`, if it is there.
    #[inline]
    pub fn decide(self, score: f64, old: Option<f64>) -> Added {
        let Some(old) = old else {
            return match self.unless {
                Unless::Absent => Added::Refused,
                _ if score.is_nan() => Added::NotANumber,
                _ => Added::New(score),
            };
        };
        if self.unless == Unless::Present {
            return Added::Refused;
        }
        let score = if self.increment { score + old } else { score };
        if score.is_nan() {
            return Added::NotANumber;
        }
        match self.only {
            Only::Up if score <= old => Added::Refused,
            Only::Down if score >= old => Added::Refused,
            _ if score == old => Added::Same(score),
            _ => Added::Updated(score),
        }
    }
}

impl Added {
    /// The score that the member gets, if that is news.
    #[inline]
    pub fn change(self) -> Option<f64> {
        match self {
            Added::New(score) | Added::Updated(score) => Some(score),
            Added::Same(_) | Added::Refused | Added::NotANumber => None,
        }
    }
}
