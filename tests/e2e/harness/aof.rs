//! The append-only file of a server, as somebody finds it who looks into its folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Data, Server, wait_for, wait_until};

/// All that the server holds: what a client reads, and its own digest of it.
#[derive(PartialEq)]
pub struct Contents {
    pub data: Data,
    pub digest: String,
}

impl Contents {
    #[track_caller]
    pub fn of(server: &Server) -> Contents {
        let data = super::dump(server);
        let digest = server.ask("DEBUG DIGEST");
        Contents { data, digest }
    }

    /// What is left once everything that expires soon has expired: in the data of the tests, a
    /// key lives for less than a second or for longer than any test.
    #[track_caller]
    pub fn settled(server: &Server) -> Contents {
        let now_ms = || {
            let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
            since.as_millis() as i64
        };
        wait_for(
            "the keys that expire soon are gone",
            || {
                let before = Contents::of(server);
                let soon = now_ms() + 100_000;
                let mut times = before.data.values().map(|(_, expiry)| *expiry);
                let lasts = times.all(|expiry| expiry == -1 || expiry > soon);
                (lasts && Contents::of(server) == before).then_some(before)
            },
            || server.log_tail(),
        )
    }

    /// Fails with the first differences if a server holds something else.
    #[track_caller]
    pub fn assert_held_by(&self, server: &Server) {
        let theirs = Contents::of(server);
        if let Some(differences) = super::differences(&self.data, &theirs.data) {
            panic!("{differences}\n{}", server.log_tail());
        }
        assert_eq!(self.digest, theirs.digest, "{}", server.log_tail());
    }
}

/// The folder with the files.
pub fn aof_folder(server: &Server) -> PathBuf {
    server.data_path("appendonlydir")
}

/// The names in a folder, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

/// The files that the manifest names, in order: their names, and `b`, `i` or `h`.
#[track_caller]
pub fn manifest_of(server: &Server) -> Vec<(String, char)> {
    let path = aof_folder(server).join("appendonly.aof.manifest");
    let text = fs::read_to_string(&path).expect("a manifest");
    let entry = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let ["file", name, "seq", _, "type", kind] = words[..] else {
            panic!("no line of a manifest: {line}");
        };
        (name.to_owned(), kind.chars().next().expect("a letter"))
    };
    text.lines().map(entry).collect()
}

/// The last increment.
#[track_caller]
pub fn increment_of(server: &Server) -> PathBuf {
    let files = manifest_of(server);
    let last = files.iter().rfind(|(_, kind)| *kind == 'i');
    aof_folder(server).join(&last.expect("an increment").0)
}

/// The files in a folder by name, with what they hold.
pub fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = names_in(folder).into_iter();
    names
        .map(|name| {
            let content = fs::read(folder.join(&name)).expect("a file");
            (name, content)
        })
        .collect()
}

/// Puts copies of the files of one folder into another, which is made anew.
pub fn copy_files(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    for (name, content) in files_in(from) {
        fs::write(to.join(name), content).expect("a copy");
    }
}

/// The process that writes a snapshot or a base for the server, if there is one.
pub fn child_of(server: &Server) -> Option<libc::pid_t> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()));
    let children = children.unwrap_or_default();
    let first = children.split_whitespace().next()?;
    Some(first.parse().expect("a process id"))
}

/// Waits for such a process and kills it.
#[track_caller]
pub fn kill_child_of(server: &Server) {
    let pid = wait_for(
        "the server has a child",
        || child_of(server),
        || server.log_tail(),
    );
    // SAFETY: kill(2) touches no memory; the server has not awaited its child, or it still runs.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Waits until no rewrite runs or is scheduled.
#[track_caller]
pub fn wait_rewritten(server: &Server) {
    wait_for(
        "no rewrite runs",
        || {
            let info = server.ask("INFO persistence");
            let idle = |field| super::info_field(&info, field) == "0";
            (idle("aof_rewrite_in_progress") && idle("aof_rewrite_scheduled")).then_some(())
        },
        || server.log_tail(),
    );
}

/// A rewrite that succeeds.
#[track_caller]
pub fn rewrite(server: &Server) {
    let reply = server.ask("BGREWRITEAOF");
    assert!(reply.starts_with("Background append only file rewriting"));
    wait_rewritten(server);
    let status = server.info("aof_last_bgrewrite_status");
    assert_eq!(status, "ok", "{}", server.log_tail());
}

/// A rewrite whose child is killed: it leaves one increment more.
#[track_caller]
pub fn rewrite_in_vain(server: &Server) {
    let increments = || manifest_of(server).iter().filter(|f| f.1 == 'i').count();
    let before = increments();
    server.ask("CONFIG SET rdb-key-save-delay 1000000");
    server.ask("BGREWRITEAOF");
    kill_child_of(server);
    wait_until("the rewrite has failed", || {
        server.info("aof_rewrite_in_progress") == "0"
    });
    server.ask("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(server.info("aof_last_bgrewrite_status"), "err");
    assert_eq!(increments(), before + 1, "{}", server.log_tail());
}
