//! Whether bytes are a listpack that can be kept.

use crate::data::listpack::ListpackRef;
use crate::persist::rdb::error::Flaw;

/// Checks bytes that shall be a listpack. Larger ones than anybody makes are refused, since adding
/// to them could go over what its header can say.
pub(super) fn judge_listpack(bytes: &[u8], flaw: Flaw) -> Result<ListpackRef<'_>, Flaw> {
    let view = ListpackRef::validate(bytes).map_err(|_| flaw)?;
    if view.fits(0) { Ok(view) } else { Err(flaw) }
}
