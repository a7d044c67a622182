//! Lists of listpacks.

/// Placeholder until its structure lands.
#[derive(Clone)]
pub struct Quicklist(Vec<u8>);

impl Quicklist {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
