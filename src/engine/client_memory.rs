//! Keeping what clients take together within `maxmemory-clients`.
//!
//! What a client takes is counted anew whenever it may have changed: at the end of its turn and
//! whenever the replies of a turn have grown by some pages, when something is written to it, and
//! now and then by periodic work. The sum is kept, so looking whether the limit holds costs a
//! comparison. Above the limit clients are closed, the largest first; to find those, clients stand
//! in classes by powers of two, and within a class none is preferred.
//!
//! Clients go before keys do: the limit is looked at before the next command might evict keys, and
//! an evicted client's buffers are freed at once, not with its connection at the end of the tick.
//!
//! Replicas and our master do not count: they are held to limits of their own. A client that is
//! not to be evicted (`CLIENT NO-EVICT`) counts, but stands in no class. Without a limit nothing
//! is counted here at all.

mod noted;
pub mod sum;

use self::sum::Share;
use super::clients::Clients;
use super::conn::Conn;
use super::world::Socket;
use crate::commands::env::Env;
use crate::commands::host::ClientSizes;
use crate::commands::session::Kind;
use crate::config::ClientsMemory;

/// A smaller limit would leave no room for a client that wants to correct it.
const LIMIT_BYTES_MIN: u64 = 128 * 1024;

/// Whether there may be a limit, so that it is worth counting.
fn is_counted(env: &Env) -> bool {
    !matches!(env.config.maxmemory_clients, ClientsMemory::Bytes(0))
}

/// How much clients may take together.
fn limit(env: &Env) -> Option<u64> {
    let bytes = match env.config.maxmemory_clients {
        ClientsMemory::Bytes(0) => return None,
        ClientsMemory::Bytes(bytes) => bytes,
        ClientsMemory::Percent(_) if env.config.maxmemory == 0 => return None,
        ClientsMemory::Percent(part) => {
            (u128::from(env.config.maxmemory) * u128::from(part) / 100) as u64
        }
    };
    Some(bytes.max(LIMIT_BYTES_MIN))
}

/// All memory that a client takes.
pub fn memory_of<S>(conn: &Conn<S>, env: &Env) -> usize {
    let known = |id: u64| env.watches.memory(id) + env.tracking.memory(id);
    conn.memory() + (conn.session.as_deref()).map_or(0, |s| known(s.id))
}

fn share_of<S>(conn: &Conn<S>, env: &Env) -> Share {
    let Some(session) = conn.session.as_deref() else {
        return conn.share;
    };
    if !matches!(session.kind, Kind::Normal | Kind::Monitor) || session.activity.is_over() {
        return Share::default();
    }
    let may_go = !session.client().no_evict;
    Share::new(memory_of(conn, env) as u64, may_go)
}

impl<S: Socket> Clients<S> {
    /// Counts anew what a client takes.
    #[inline]
    pub fn recount(&mut self, key: usize, env: &Env) {
        if is_counted(env) {
            self.count(key, env);
        }
    }

    fn count(&mut self, key: usize, env: &Env) {
        if let Some(conn) = self.get_mut(key) {
            let share = share_of(conn, env);
            let old = std::mem::replace(&mut conn.share, share);
            self.memory.replace(key, old, share);
        }
    }

    /// A client is over: it counts no more.
    pub fn discount(&mut self, key: usize) {
        if let Some(conn) = self.get_mut(key) {
            let old = std::mem::take(&mut conn.share);
            self.memory.replace(key, old, Share::default());
        }
    }

    /// Counting starts, ends or goes on.
    pub fn recount_all(&mut self, counted: bool, env: &Env) {
        for key in self.keys() {
            match counted {
                true => self.count(key, env),
                false => self.discount(key),
            }
        }
    }

    /// Those who may be evicted, by size; none if there is no limit.
    pub fn sizes(&self, env: &Env) -> Option<Vec<ClientSizes>> {
        is_counted(env).then(|| {
            let shares = self.keys().into_iter().filter_map(|key| self.get(key));
            sum::by_size(shares.map(|conn| conn.share))
        })
    }

    /// The limit, if clients take more than that.
    fn exceeded_limit(&self, env: &Env) -> Option<u64> {
        limit(env).filter(|&limit| self.memory.bytes() > limit)
    }

    /// Whether all clients together take too much.
    pub fn must_evict(&self, env: &Env) -> bool {
        self.exceeded_limit(env).is_some()
    }

    /// Closes the largest clients for as long as all together take too much.
    #[inline]
    pub fn evict(&mut self, env: &mut Env) {
        if is_counted(env)
            && let Some(limit) = self.exceeded_limit(env)
        {
            self.evict_down_to(limit, env);
        }
    }

    #[cold]
    fn evict_down_to(&mut self, limit: u64, env: &mut Env) {
        while self.memory.bytes() > limit {
            let Some(key) = self.memory.largest() else {
                log::warn!("Over client maxmemory after evicting all evictable clients");
                return;
            };
            log::info!("Evicting client: {}", self.describe(key, env));
            env.stats.evicted_clients += 1;
            self.drop_now(key);
        }
    }
}
