//! The helper thread: for what may block or drag.
//!
//! Freeing a large data set, and closing a large file that is already unlinked, take as long as
//! they take; the thread that serves clients hands them over and goes on. The queue is unbounded
//! because each job owns something that exists anyway: waiting for room would only keep it longer.
//! Jobs never log and never hold a lock that a forked child could need.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::startup;
use crate::commands::host::Garbage;
use crate::sys;
use crate::sys::memory::ShareMaker;

/// Something to be got rid of.
pub enum Job {
    /// Values.
    Free(Garbage),
    /// A file whose last reference this is.
    Close(File),
}

impl Job {
    /// How many objects it frees, for `INFO`.
    fn objects(&self) -> usize {
        match self {
            Job::Free(garbage) => garbage.objects(),
            Job::Close(_) => 0,
        }
    }
}

/// The sending side.
pub struct Helper {
    jobs: Sender<Job>,
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicU64>,
}

impl Helper {
    /// Starts the thread. It ends with the process.
    ///
    /// # Errors
    ///
    /// The system refuses another thread.
    pub fn start(memory: ShareMaker, cpus: Option<Vec<u8>>) -> std::io::Result<Helper> {
        let (jobs, queue) = channel();
        let pending = Arc::new(AtomicUsize::new(0));
        let freed = Arc::new(AtomicU64::new(0));
        let (p, f) = (Arc::clone(&pending), Arc::clone(&freed));
        std::thread::Builder::new()
            .name("helper".to_owned())
            .spawn(move || {
                startup::pin(cpus.as_deref(), "bio_cpulist");
                work(&queue, &p, &f, memory);
            })?;
        Ok(Helper {
            jobs,
            pending,
            freed,
        })
    }

    /// Hands a job over; should the thread be gone, the job is done here and now.
    pub fn submit(&self, job: Job) {
        self.pending.fetch_add(job.objects(), Ordering::Relaxed);
        let _ = self.jobs.send(job);
    }

    /// Objects waiting to be freed.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Objects freed since the start or the last reset.
    pub fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// Starts the count of freed objects anew.
    pub fn reset_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }
}

fn work(queue: &Receiver<Job>, pending: &AtomicUsize, freed: &AtomicU64, memory: ShareMaker) {
    let mut share = memory.start();
    // Without it, a crash in here is reported as far as the thread's own small stack allows.
    let _ = sys::crash::use_alternate_stack();
    while let Ok(job) = queue.recv() {
        let objects = job.objects();
        match job {
            Job::Free(garbage) => drop(garbage),
            Job::Close(file) => drop(file),
        }
        if let Some(share) = &mut share {
            share.publish();
        }
        pending.fetch_sub(objects, Ordering::Relaxed);
        freed.fetch_add(objects as u64, Ordering::Relaxed);
    }
}
