//! The rig under the end-to-end tests: servers, connections, links that can be broken, waiting.
//!
//! Each test owns the servers that it starts, each in a folder of its own on a port of its own, so
//! tests run side by side. The subject is our binary; `TANIST_TEST_SERVER=/path/to/redis-server`
//! puts another in its place, which is how the tests themselves are checked against the reference.

mod aof;
mod conn;
mod delay;
mod disk;
mod dump;
mod group;
mod lab;
mod load;
mod panics;
mod parallel;
mod proxy;
mod replication;
mod rng;
mod sentinel;
mod server;
mod tls;
mod value;
mod wait;
mod workload;

pub use aof::{
    Contents, aof_folder, child_of, copy_files, files_in, increment_of, kill_child_of, manifest_of,
    names_in, rewrite, rewrite_in_vain, wait_rewritten,
};
pub use conn::{Command, Conn, encode, show_command};
pub use delay::DelayLine;
use disk::failing_calls_library;
pub use disk::{MountedFile, ReadOnly, SmallDisk};
use dump::{Data, differences};
pub use dump::{assert_same_data, dump, dump_without_times, wait_same_data};
pub use group::{Group, Plan};
pub use lab::{Figures, Lab};
pub use load::Writer;
use panics::{last_panic, note_panics};
pub use parallel::run_side_by_side;
pub use proxy::Proxy;
pub use replication::{
    follow, info_field, offset_of, wait_equal_offsets, wait_link_down, wait_link_up,
};
pub use rng::Rng;
pub use sentinel::{Events, Fields, MASTER, Make, Sentinel, sentinel_path};
pub use server::{
    Options, Process, Server, ShutAtEnd, free_port, redis_cli, stock_path, subject_path,
};
pub use tls::{Certificates, TlsConn};
pub use value::Value;
pub use wait::{PATIENCE, wait_for, wait_until};
pub use workload::{populate, random_wait, random_write_of_any_type};
