//! Floor 5: the command table, dispatch, one file per family.
