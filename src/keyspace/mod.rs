//! Floor 1: the hash table, entries, databases, expiry.
