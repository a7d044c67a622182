//! Why a rule is refused.

/// What is wrong with a rule. The texts are the reference's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleError {
    /// There is no such command or category.
    Unknown,
    /// It means nothing, or a pattern or name has characters that it must not have.
    Syntax,
    /// All keys are allowed already.
    AllKeys,
    /// All channels are allowed already.
    AllChannels,
    /// There is no such password to be removed.
    NoSuchPassword,
    /// What should be a hash is none.
    BadHash,
    /// The first argument of a subcommand cannot be told from others.
    ArgumentOfMember,
}

impl RuleError {
    /// What to say of it.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and \
                 does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid \
                 and does not have any effect. Try 'resetchannels' to start with an empty list of \
                 channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase \
                 hexadecimal characters"
            }
            RuleError::ArgumentOfMember => "Allowing first-arg of a subcommand is not supported",
        }
    }
}
