//! Why a server does not start.

/// See the module's head.
pub(super) enum Failure {
    /// The configuration is wrong, which is told on standard error.
    Config(String),
    /// Anything else, which is told in the log.
    Other(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::Other(text)
    }
}
