//! The append-only file: what is written to it is there again, whatever happens to the server.
//!
//! | file | tells |
//! |---|---|
//! | `interchange.rs` | files that stock Redis wrote or reads |
//! | `old_file.rs` | the one file that servers before 7.0 kept |

mod interchange;
mod old_file;
