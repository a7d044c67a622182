//! Other threads, for what may block or drag: one for each kind of work, so that no kind waits for
//! another. A free of ten gigabytes must not delay the closing of a file, nor either of them a
//! name to be resolved.
//!
//! The queues are unbounded because each job owns something that exists anyway: waiting for room
//! would only keep it longer. What is to be answered goes back through one channel, and the waker
//! of the poll says so. Workers never log and never hold a lock that a forked child could need.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use mio::Waker;

use super::process;
use crate::base::replace::Replacement;
use crate::commands::garbage::Garbage;
use crate::engine::world::{Event, Job, WorkFigures};
use crate::sys;
use crate::sys::disk::OsDisk;
use crate::sys::memory::{ShareMaker, ThreadShare};

/// A name to be looked up.
struct Lookup {
    request: u64,
    host: String,
    port: u16,
}

/// Something to be brought to disk.
enum Sync {
    File {
        request: u64,
        file: std::fs::File,
    },
    Text {
        request: u64,
        path: PathBuf,
        text: Bytes,
    },
}

impl Sync {
    fn run(self) -> Event {
        match self {
            Sync::File { request, file } => Event::Synced {
                request,
                result: file.sync_data(),
            },
            Sync::Text {
                request,
                path,
                text,
            } => Event::Replaced {
                request,
                result: Replacement::new(&path, text).run(&mut OsDisk),
            },
        }
    }
}

/// The sending side of all workers.
pub struct Workers {
    frees: Sender<Garbage>,
    closes: Sender<std::fs::File>,
    syncs: Sender<Sync>,
    lookups: Sender<Lookup>,
    /// What they have to tell.
    pub events: Receiver<Event>,
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicU64>,
}

impl Workers {
    /// Starts the threads. They end with the process.
    ///
    /// # Errors
    ///
    /// The system refuses another thread.
    pub fn start(memory: &ShareMaker, cpus: Option<&[u8]>, waker: Waker) -> io::Result<Workers> {
        let pending = Arc::new(AtomicUsize::new(0));
        let freed = Arc::new(AtomicU64::new(0));
        let (told, events) = channel();
        let (p, f) = (Arc::clone(&pending), Arc::clone(&freed));
        let frees = spawn("bio_free", memory, cpus, move |garbage: Garbage| {
            let objects = garbage.objects();
            drop(garbage);
            p.fetch_sub(objects, Ordering::Relaxed);
            f.fetch_add(objects as u64, Ordering::Relaxed);
        })?;
        let closes = spawn("bio_close", memory, cpus, drop::<std::fs::File>)?;
        let waker = Arc::new(waker);
        let (tells, wakes) = (told.clone(), Arc::clone(&waker));
        let syncs = spawn("bio_aof", memory, cpus, move |sync: Sync| {
            let _ = tells.send(sync.run());
            let _ = wakes.wake();
        })?;
        let lookups = spawn("bio_resolve", memory, cpus, move |lookup: Lookup| {
            let answer = Event::Resolved {
                request: lookup.request,
                answer: resolve(&lookup.host, lookup.port),
            };
            // Should nobody listen any more, the process is about to end.
            let _ = told.send(answer);
            let _ = waker.wake();
        })?;
        Ok(Workers {
            frees,
            closes,
            syncs,
            lookups,
            events,
            pending,
            freed,
        })
    }

    /// Hands a job over; should its thread be gone, it is done here and now.
    pub fn submit(&self, job: Job<std::fs::File>) {
        match job {
            Job::Free(garbage) => {
                self.pending.fetch_add(garbage.objects(), Ordering::Relaxed);
                let _ = self.frees.send(garbage);
            }
            Job::Close(file) => {
                let _ = self.closes.send(file);
            }
            Job::Sync { request, file } => {
                let _ = self.syncs.send(Sync::File { request, file });
            }
            Job::Replace {
                request,
                path,
                text,
            } => {
                let sync = Sync::Text {
                    request,
                    path,
                    text,
                };
                let _ = self.syncs.send(sync);
            }
        }
    }

    /// Has a name looked up.
    pub fn look_up(&self, request: u64, host: &str, port: u16) {
        let host = host.to_owned();
        let _ = self.lookups.send(Lookup {
            request,
            host,
            port,
        });
    }

    /// What becomes of the values to be freed.
    pub fn figures(&self) -> WorkFigures {
        WorkFigures {
            pending: self.pending.load(Ordering::Relaxed),
            freed: self.freed.load(Ordering::Relaxed),
        }
    }

    /// Starts the count of freed objects anew.
    pub fn reset(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }
}

/// Every address of a name; at least one.
///
/// # Errors
///
/// The resolver's, or that there is none.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    if found.is_empty() {
        return Err(ErrorKind::AddrNotAvailable.into());
    }
    Ok(found)
}

/// Starts a thread that does one kind of work.
fn spawn<J: Send + 'static>(
    name: &str,
    memory: &ShareMaker,
    cpus: Option<&[u8]>,
    mut work: impl FnMut(J) + Send + 'static,
) -> io::Result<Sender<J>> {
    let (jobs, queue) = channel();
    let (memory, cpus) = (memory.clone(), cpus.map(<[u8]>::to_vec));
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            process::pin(cpus.as_deref(), "bio_cpulist");
            let mut share: Option<ThreadShare> = memory.start();
            // Without it, a crash in here is reported as far as the thread's own small stack
            // allows.
            let _ = sys::crash::use_alternate_stack();
            while let Ok(job) = queue.recv() {
                work(job);
                if let Some(share) = &mut share {
                    share.publish();
                }
            }
        })?;
    Ok(jobs)
}
