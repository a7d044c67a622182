//! Faults that tests plant in the machine, to see that they would be found. Outside of tests there
//! are none.

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Epochs are not written down, so votes are forgotten.
    ForgetsEpochs,
    /// Replicas are chosen by what they happened to say last.
    TrustsOldOffsets,
    /// As many votes as the quorum elect, whether or not they are a majority.
    SkipsMajority,
}

/// The fault that was planted, if one was.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Planted {
    #[cfg(test)]
    bug: Option<Bug>,
}

impl Planted {
    /// With this fault, or none.
    #[cfg(test)]
    pub fn of(bug: Option<Bug>) -> Planted {
        Planted { bug }
    }

    /// Whether it is this one.
    #[cfg(test)]
    pub fn is(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether it is this one.
    #[cfg(not(test))]
    pub fn is(self, _: Bug) -> bool {
        false
    }
}
