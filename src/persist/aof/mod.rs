//! The append-only file: what was written, command by command, so that it can be done again.
//!
//! It is a folder (`appenddirname`) with a few files, all named after `appendfilename`:
//!
//! ```text
//! appendonlydir/
//!   appendonly.aof.manifest          which files count, and in which order
//!   appendonly.aof.2.base.rdb        everything as it was at the last rewrite: a snapshot …
//!   appendonly.aof.2.base.aof        … or commands that make it (aof-use-rdb-preamble no)
//!   appendonly.aof.5.incr.aof        what was written since, as commands; perhaps in several
//!   appendonly.aof.6.incr.aof        files, when a rewrite runs or one has failed
//! ```
//!
//! A rewrite makes a new base from memory while commands go to a new increment; then one change of
//! the manifest puts the new base in place of the old one and of the increments before. Those are
//! *history* from then on, still named in the manifest until they are removed, so that a server
//! that is killed in between knows what is rubbish.
//!
//! A file of commands is what clients send, and comments that a loader passes over:
//!
//! ```text
//! #TS:1700000000\r\n                 when what follows was written, in seconds
//! *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n
//! *3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n
//! ```
//!
//! Before there were folders there was one such file, perhaps with a snapshot as its beginning. It
//! can still be loaded: it becomes the base of a new folder.
//!
//! In reading order: [`manifest`] is the list of files and how it may change, all without I/O;
//! [`folder`] reads and replaces it on a disk; [`records`] reads commands from slices of a file,
//! and [`stream_marks`] the comments that tell their place in the replication stream;
//! [`commands`] writes a base that is not to be a snapshot; [`check`] is the tool that looks for
//! what is broken.

pub mod check;
pub mod commands;
pub mod folder;
pub mod manifest;
pub mod records;
pub mod stream_marks;
