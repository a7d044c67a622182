//! Where places are, and how far from one another.

use super::{UNIT, Unit, point_of, reply_distance, reply_point};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::zset::ZSet;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "geodist",
        arity: -4,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Gives the distance between two places.",
        args: &[
            Arg::key("key", 0),
            Arg::string("member1"),
            Arg::string("member2"),
            UNIT.optional(),
        ],
        handler: geodist,
        ..Row::BASE
    },
    Row {
        name: "geohash",
        arity: -2,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "3.2.0",
        complexity: "O(1) for each place.",
        summary: "Gives the geohashes of places.",
        args: &[
            Arg::key("key", 0),
            Arg::string("member").optional().multiple(),
        ],
        handler: geohash,
        ..Row::BASE
    },
    Row {
        name: "geopos",
        arity: -2,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "3.2.0",
        complexity: "O(1) for each place.",
        summary: "Gives the longitudes and latitudes of places.",
        args: &[
            Arg::key("key", 0),
            Arg::string("member").optional().multiple(),
        ],
        handler: geopos,
        ..Row::BASE
    },
];

fn geodist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let unit = match args.get(4) {
        None => Unit::METRE,
        Some(_) if args.len() > 5 => return Err(CmdError::Syntax),
        Some(unit) => Unit::parse(unit)?,
    };
    let set = ctx.zset(&args[1], Access::Read)?;
    let places = set.and_then(|set| Some((point_of(set, &args[2])?, point_of(set, &args[3])?)));
    match places {
        Some((a, b)) => reply_distance(ctx.reply, a.distance_m(b), unit),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn geohash(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match set.and_then(|set| point_of(set, member)) {
            Some(place) => ctx.reply.bulk(place.geohash()),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn geopos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match set.and_then(|set| point_of(set, member)) {
            Some(place) => reply_point(ctx.reply, place),
            None => ctx.reply.null_array(),
        }
    }
    Ok(())
}
