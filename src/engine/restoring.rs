//! Where in its replication history a server goes on that has loaded its data.

use super::runtime::Runtime;
use super::world::World;
use crate::commands::env::Env;
use crate::persist::rdb::fill::AuxFields;
use crate::replication::{Lineage, ReplId, Retrace, SavedIdentity};

impl<W: World> Runtime<W> {
    /// Goes on in the replication history at the place where the append-only file has ended.
    pub(super) fn restore_retraced(&mut self, env: &mut Env, retrace: Retrace) {
        match retrace.finish() {
            Ok(Some(found)) => {
                let (id, offset) = (found.place.id, found.place.offset);
                log::info!(
                    "The append only file ends at {id}:{offset} of the replication stream, and \
                     holds the last {} bytes of it.",
                    found.log.history_bytes()
                );
                self.drive(env, |r, e, out| r.restore_retraced(found, e, out));
            }
            Ok(None) => {}
            Err(why) => log::warn!(
                "The append only file was changed ({why}), so its place in the replication stream \
                 is not believed: replicas will need a full sync."
            ),
        }
    }

    /// Goes on in the replication history that the snapshot of the start belongs to.
    pub(super) fn restore_identity(&mut self, env: &mut Env, facts: &AuxFields) {
        let Some(place) = facts.replication() else {
            return;
        };
        let id = ReplId::parse(&place.id);
        let (Some(id), Ok(offset)) = (id, u64::try_from(place.offset)) else {
            return;
        };
        let saved = SavedIdentity {
            id,
            offset,
            stream_db: u32::try_from(place.stream_db).unwrap_or(0),
            sum: place.sum,
            ancestors: place.lineage.map_or(Vec::new(), |lineage| {
                Lineage::ancestors_in_file(lineage.as_bytes(), id)
            }),
        };
        self.drive(env, |r, e, out| r.restore(saved, e, out));
    }
}
