//! Adding places.
//!
//! `GEOADD` turns places into scores and leaves the rest to `ZADD`, in whose form it also goes to
//! replicas.

use super::{LATITUDE, LONGITUDE, point};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::add::zadd;
use crate::resp::args::{Args, OwnedArgs};

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "geoadd",
    arity: -5,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::GEO,
    keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: CommandGroup::Geo,
    since: "3.2.0",
    complexity: "O(log(N)) for each place, N being the number of places.",
    summary: "Adds places with their longitudes and latitudes.",
    history: &[("6.2.0", "The options `CH`, `NX` and `XX`.")],
    args: &[
        Arg::key("key", 0),
        Arg::one_of("condition", &[Arg::pure("nx", "NX"), Arg::pure("xx", "XX")])
            .since("6.2.0")
            .optional(),
        Arg::pure("change", "CH").since("6.2.0").optional(),
        Arg::block("data", &[LONGITUDE, LATITUDE, Arg::string("member")]).multiple(),
    ],
    handler: geoadd,
    ..Row::BASE
}];

/// Words for a place: longitude, latitude and name.
const PLACE_WORDS: usize = 3;

fn geoadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options: [&[u8]; 3] = [b"NX", b"XX", b"CH"];
    let is_option = |word: &&[u8]| {
        options
            .iter()
            .any(|option| word.eq_ignore_ascii_case(option))
    };
    let first = 2 + args.iter_from(2).take_while(is_option).count();
    let has = |option: &[u8]| {
        let mut given = args.iter_from(2).take(first - 2);
        given.any(|word| word.eq_ignore_ascii_case(option))
    };
    if !(args.len() - first).is_multiple_of(PLACE_WORDS) || has(b"NX") && has(b"XX") {
        return Err(CmdError::Syntax);
    }
    let mut words: Vec<Vec<u8>> = vec![b"zadd".to_vec()];
    words.extend(args.iter_from(1).take(first - 1).map(<[u8]>::to_vec));
    for at in (first..args.len()).step_by(PLACE_WORDS) {
        let score = point(args, at)?.to_score();
        words.push(score.to_string().into_bytes());
        words.push(args[at + 2].to_vec());
    }
    zadd(ctx, &mut OwnedArgs::new(&words).args())?;
    if ctx.env.unit.has_changed() {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        ctx.propagate_instead(&words);
    }
    Ok(())
}
