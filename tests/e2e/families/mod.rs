//! A family of commands at a time, against stock Redis: long random sequences, valid and invalid,
//! small and large, across every threshold at which an encoding changes.
//!
//! Each family has templates (`families.rs`) whose placeholders are drawn from pools (`pools.rs`);
//! `run.rs` sends them to both servers in batches and compares what comes back: replies byte for
//! byte, and every so often type, encoding and `DUMP` of every key, in the end all data.
//!
//! What cannot be equal is written down in `verdict.rs`, each with its reason: the order in which
//! hash tables are walked, and what 7.2 does differently from the 7.0 that Debian ships. With
//! `TANIST_STOCK_SERVER` naming a 7.2 server, only the first kind is allowed.
//!
//! `TANIST_TEST_COMMANDS` sets the length of a sequence, and `TANIST_TEST_SEED` chooses it:
//! `random`, or the seed that a run printed.

mod pools;
mod run;
mod table;
mod verdict;

use run::compare_family;
use table::*;

macro_rules! families {
    ($($test:ident: $family:ident,)*) => {$(
        #[test]
        fn $test() {
            compare_family(&$family);
        }
    )*};
}

families! {
    lists_behave_as_stock_lists_do: LIST,
    hashes_behave_as_stock_hashes_do: HASH,
    sets_behave_as_stock_sets_do: SET,
    sorted_sets_behave_as_stock_sorted_sets_do: ZSET,
    streams_behave_as_stock_streams_do: STREAM,
    bitmaps_behave_as_stock_bitmaps_do: BITMAP,
    hyperloglogs_behave_as_stock_hyperloglogs_do: HYPERLOGLOG,
    geo_sets_behave_as_stock_geo_sets_do: GEO,
    keys_of_all_types_behave_as_stock_keys_do: GENERIC,
    transactions_behave_as_stock_transactions_do: TRANSACTION,
}
