//! Settings as the data types want them.
//!
//! The data types know nothing of directives; what they ask for is handed to them command by
//! command, so that `CONFIG SET` works at once.

use super::env::Env;
use crate::data::hash::HashLimits;
use crate::data::list::ListLimits;
use crate::data::set::SetLimits;
use crate::data::stream::StreamLimits;
use crate::data::zset::ZSetLimits;
use crate::persist::rdb::build::BuildLimits;

impl Env {
    /// Up to where hashes are kept in one piece.
    #[inline]
    pub fn hash_limits(&self) -> HashLimits {
        HashLimits {
            max_listpack_entries: self.config.hash_max_listpack_entries,
            max_listpack_value: self.config.hash_max_listpack_value,
            hasher: self.keyspace.hasher().clone(),
        }
    }

    /// Up to where sets are kept in one piece.
    #[inline]
    pub fn set_limits(&self) -> SetLimits {
        SetLimits {
            max_intset_entries: self.config.set_max_intset_entries,
            max_listpack_entries: self.config.set_max_listpack_entries,
            max_listpack_value: self.config.set_max_listpack_value,
            hasher: self.keyspace.hasher().clone(),
        }
    }

    /// Up to where lists are kept in one piece, and how longer ones are cut.
    #[inline]
    pub fn list_limits(&self) -> ListLimits {
        ListLimits {
            max_listpack_size: self.config.list_max_listpack_size,
            compress_depth: self.config.list_compress_depth,
            plain_from_bytes: self.list_plain_from_bytes,
        }
    }

    /// Up to where sorted sets are kept in one piece.
    #[inline]
    pub fn zset_limits(&self) -> ZSetLimits {
        ZSetLimits {
            max_listpack_entries: self.config.zset_max_listpack_entries,
            max_listpack_value: self.config.zset_max_listpack_value,
            hasher: self.keyspace.hasher().clone(),
        }
    }

    /// How large the nodes of streams become.
    #[inline]
    pub fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            node_max_bytes: self.config.stream_node_max_bytes,
            node_max_entries: self.config.stream_node_max_entries,
        }
    }

    /// The limits for values that are loaded.
    pub fn loading_limits(&self) -> BuildLimits {
        BuildLimits {
            list: self.list_limits(),
            hash: self.hash_limits(),
            set: self.set_limits(),
            zset: self.zset_limits(),
        }
    }
}
