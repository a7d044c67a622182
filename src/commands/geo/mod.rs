//! Places on earth: the commands of the reference's `geo` group.
//!
//! A set of places is a sorted set whose scores are places ([`crate::base::geo`]): [`add`] puts
//! them in, [`show`] tells where they are, [`search`] and the older [`radius`] find those that are
//! near. What more than one of them needs is here.

pub mod add;
mod found;
pub mod radius;
pub mod search;
pub mod show;
#[cfg(test)]
mod tests;

use super::error::CmdError;
use super::row::{Arg, ArgKind};
use super::zset::double;
use crate::base::geo::Point;
use crate::data::zset::ZSetRef;
use crate::resp::args::Args;
use crate::resp::writer::{Protocol, Reply};

const LONGITUDE: Arg = Arg::new("longitude", ArgKind::Double);
const LATITUDE: Arg = Arg::new("latitude", ArgKind::Double);

/// The unit that distances are given and shown in.
const UNIT: Arg = Arg::one_of(
    "unit",
    &[
        Arg::pure("m", "M"),
        Arg::pure("km", "KM"),
        Arg::pure("ft", "FT"),
        Arg::pure("mi", "MI"),
    ],
);

/// What is shown beside a place's name.
const WITH_COORD: Arg = Arg::pure("withcoord", "WITHCOORD").optional();
const WITH_DIST: Arg = Arg::pure("withdist", "WITHDIST").optional();
const WITH_HASH: Arg = Arg::pure("withhash", "WITHHASH").optional();

/// How many places are wanted, and whether any will do.
const COUNT: Arg = Arg::block("count-block", &[HOW_MANY, ANY]).optional();
const HOW_MANY: Arg = Arg::integer("count").token("COUNT");
const ANY: Arg = Arg::pure("any", "ANY").optional();

/// Digits behind the point of coordinates.
const COORDINATE_DIGITS: usize = 17;

/// Digits behind the point of distances, as a number and as that power of ten.
const DISTANCE_DIGITS: usize = 4;
const DISTANCE_SCALE: f64 = 10_000.0;

/// A unit of length.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Unit {
    metres: f64,
}

impl Unit {
    const METRE: Unit = Unit { metres: 1.0 };

    fn parse(word: &[u8]) -> Result<Unit, CmdError> {
        let metres = match word.to_ascii_lowercase().as_slice() {
            b"m" => 1.0,
            b"km" => 1000.0,
            b"ft" => 0.3048,
            b"mi" => 1609.34,
            _ => {
                return Err(CmdError::Fixed(
                    "ERR unsupported unit provided. please use M, KM, FT, MI",
                ));
            }
        };
        Ok(Unit { metres })
    }
}

/// The longitude and latitude at `at` and behind.
fn point(args: &Args<'_>, at: usize) -> Result<Point, CmdError> {
    let (longitude, latitude) = (double(&args[at])?, double(&args[at + 1])?);
    Point::new(longitude, latitude).ok_or_else(|| {
        CmdError::err(format!(
            "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        ))
    })
}

/// A number, with a refusal of its own for what is none.
fn double_or(word: &[u8], refusal: &'static str) -> Result<f64, CmdError> {
    double(word).map_err(|_| CmdError::Fixed(refusal))
}

/// Replies with a distance: a string with four digits behind the point in any protocol.
fn reply_distance(reply: &mut Reply, metres: f64, unit: Unit) {
    let scaled = (metres / unit.metres * DISTANCE_SCALE).round_ties_even();
    let rounded = scaled / DISTANCE_SCALE;
    reply.bulk(format!("{rounded:.DISTANCE_DIGITS$}"));
}

/// Replies with a place.
fn reply_point(reply: &mut Reply, place: Point) {
    reply.array(2);
    for coordinate in [place.longitude, place.latitude] {
        let text = format!("{coordinate:.COORDINATE_DIGITS$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.protocol {
            Protocol::Resp2 => reply.bulk(text),
            Protocol::Resp3 => reply.double_text(text.as_bytes()),
        }
    }
}

/// Where a member is.
fn point_of(set: ZSetRef<'_>, member: &[u8]) -> Option<Point> {
    set.score(member).map(Point::from_score)
}
