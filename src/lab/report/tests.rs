//! Reports of records written by hand.
