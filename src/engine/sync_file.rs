//! Snapshot files that only served a full sync, and go when it is done (`rdb-del-sync-files`).
//!
//! Where nothing is to be persisted, the file that a master has written for its replicas, or that a
//! replica has got from its master, is data on disk that nobody asked for. A file that may hold
//! more than that is left alone: one that was there before, or where save points are set.

use super::Engine;
use super::runtime::Runtime;
use super::snapshot::snapshot_path;
use super::world::{Job, World};
use crate::base::disk::Disk;
use crate::commands::env::Env;

impl<W: World> Runtime<W> {
    /// A snapshot for replicas is being written to the file.
    pub fn note_file_for_replicas(&mut self, env: &Env) {
        self.snapshots.wrote_for_replicas |= env.config.rdb_del_sync_files;
    }

    /// The file that came from our master has been loaded, or cannot be.
    pub fn remove_file_from_master(&mut self, env: &Env) {
        if env.config.rdb_del_sync_files && persists_nothing(env) {
            log::info!(
                "Removing the RDB file obtained from the master. This replica has persistence \
                 disabled"
            );
            self.remove_snapshot(env);
        }
    }

    /// Removes the snapshot; its blocks, which may take long, are freed elsewhere.
    fn remove_snapshot(&mut self, env: &Env) {
        let path = snapshot_path(env);
        let Ok(file) = self.world.disk().open(&path) else {
            return;
        };
        if let Err(e) = self.world.disk().remove(&path) {
            log::warn!("Cannot remove {}: {e}", path.display());
        }
        self.world.submit(Job::Close(file));
    }
}

impl<W: World> Engine<W> {
    /// Removes the file that we wrote for replicas when none of them needs it any more.
    pub fn remove_file_for_replicas(&mut self) {
        let Engine { env, runtime, .. } = self;
        if !env.config.rdb_del_sync_files {
            // Should it be asked for later, what is there by then is not ours to remove.
            runtime.snapshots.wrote_for_replicas = false;
        }
        if runtime.snapshots.wrote_for_replicas
            && persists_nothing(env)
            && env.replication.source().all_online()
        {
            log::info!(
                "Removing the RDB file used to feed replicas in a persistence-less instance"
            );
            runtime.snapshots.wrote_for_replicas = false;
            runtime.remove_snapshot(env);
        }
    }
}

fn persists_nothing(env: &Env) -> bool {
    env.config.save.0.is_empty()
}
