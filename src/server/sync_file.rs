//! Snapshot files that only served a full sync, and go when it is done (`rdb-del-sync-files`).
//!
//! Where nothing is to be persisted, the file that a master has written for its replicas, or that a
//! replica has got from its master, is data on disk that nobody asked for. A file that may hold
//! more than that is left alone: one that was there before, or where save points are set.

use std::fs::{self, File};

use super::Server;
use super::helper::Job;
use super::hub::Hub;
use super::snapshot::snapshot_path;
use crate::commands::context::Env;

impl Hub {
    /// A snapshot for replicas is being written to the file.
    pub fn note_file_for_replicas(&mut self, env: &Env) {
        self.children.wrote_for_replicas |= env.config.rdb_del_sync_files;
    }

    /// The file that came from our master has been loaded, or cannot be.
    pub fn remove_file_from_master(&self, env: &Env) {
        if env.config.rdb_del_sync_files && persists_nothing(env) {
            log::info!(
                "Removing the RDB file obtained from the master. This replica has persistence \
                 disabled"
            );
            self.remove_snapshot(env);
        }
    }

    /// Removes the snapshot; its blocks, which may take long, are freed elsewhere.
    fn remove_snapshot(&self, env: &Env) {
        let path = snapshot_path(env);
        let Ok(file) = File::open(&path) else { return };
        if let Err(e) = fs::remove_file(&path) {
            log::warn!("Cannot remove {}: {e}", path.display());
        }
        self.helper.submit(Job::Close(file));
    }
}

impl Server {
    /// Removes the file that we wrote for replicas when none of them needs it any more.
    pub(super) fn remove_file_for_replicas(&mut self) {
        let Server { env, hub, .. } = self;
        if !env.config.rdb_del_sync_files {
            // Should it be asked for later, what is there by then is not ours to remove.
            hub.children.wrote_for_replicas = false;
        }
        if hub.children.wrote_for_replicas
            && persists_nothing(env)
            && env.replication.source().all_online()
        {
            log::info!(
                "Removing the RDB file used to feed replicas in a persistence-less instance"
            );
            hub.children.wrote_for_replicas = false;
            hub.remove_snapshot(env);
        }
    }
}

fn persists_nothing(env: &Env) -> bool {
    env.config.save.0.is_empty()
}
