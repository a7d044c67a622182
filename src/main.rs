//! The `redis-server` binary, which is also `redis-sentinel`, `redis-check-rdb`, `redis-check-aof`
//! and `redis-lab`: it looks at the name it is called by.

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use tanist::server::program;

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(OsStringExt::into_vec);
    let name = words.next().unwrap_or_default();
    let args: Vec<Vec<u8>> = words.collect();
    ExitCode::from(program::run(&name, &args))
}
