//! The commands that searched in circles before `GEOSEARCH` did.

use super::search::{Center, Form, Request, answer, circle};
use super::{
    ANY, COUNT, HOW_MANY, LATITUDE, LONGITUDE, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, point,
};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::row::{
    Acl, Arg, ArgKind, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row,
};
use crate::resp::args::Args;

/// The option `COUNT` in commands that had it before there was `ANY`.
const COUNT_THEN_ANY: Arg = Arg {
    args: &[HOW_MANY, ANY.since("6.2.0")],
    ..COUNT
};

const RADIUS: Arg = Arg::new("radius", ArgKind::Double);

/// Where the result is stored, as a set of places or of distances.
const STORE: Arg = Arg::one_of(
    "store",
    &[
        Arg::key("storekey", 1).token("STORE").display("key"),
        Arg::key("storedistkey", 2)
            .token("STOREDIST")
            .display("key"),
    ],
)
.optional();

const COMPLEXITY: &str = "O(N+log(M)), N being the number of places around the circle and M that \
    of places in the set.";

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "georadius",
        arity: -6,
        flags: Flags::WRITE
            .union(Flags::DENYOOM)
            .union(Flags::MOVABLE_KEYS),
        acl: Acl::GEO,
        keys: &[
            KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS)),
            KeySpec::behind(KeyFlags::OW.union(KeyFlags::UPDATE), "STORE", 6),
            KeySpec::behind(KeyFlags::OW.union(KeyFlags::UPDATE), "STOREDIST", 6),
        ],
        group: CommandGroup::Geo,
        since: "3.2.0",
        complexity: COMPLEXITY,
        summary: "Finds the places within a distance of a point, and may store them.",
        history: &[
            ("6.2.0", "The option `ANY`."),
            ("7.0.0", "Units may be in upper case."),
        ],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        }),
        args: &[
            Arg::key("key", 0),
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_THEN_ANY,
            Arg::ORDER,
            STORE,
        ],
        handler: georadius,
        ..Row::BASE
    },
    Row {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "3.2.10",
        complexity: COMPLEXITY,
        summary: "Finds the places within a distance of a point.",
        history: &[("6.2.0", "The option `ANY`.")],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` argument",
        }),
        args: &[
            Arg::key("key", 0),
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_THEN_ANY,
            Arg::ORDER,
        ],
        handler: georadius_ro,
        ..Row::BASE
    },
    Row {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags::WRITE
            .union(Flags::DENYOOM)
            .union(Flags::MOVABLE_KEYS),
        acl: Acl::GEO,
        keys: &[
            KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS)),
            KeySpec::behind(KeyFlags::OW.union(KeyFlags::UPDATE), "STORE", 5),
            KeySpec::behind(KeyFlags::OW.union(KeyFlags::UPDATE), "STOREDIST", 5),
        ],
        group: CommandGroup::Geo,
        since: "3.2.0",
        complexity: COMPLEXITY,
        summary: "Finds the places within a distance of another, and may store them.",
        history: &[("7.0.0", "Units may be in upper case.")],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and \
                `FROMMEMBER` arguments",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::string("member"),
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT,
            Arg::ORDER,
            STORE,
        ],
        handler: georadiusbymember,
        ..Row::BASE
    },
    Row {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "3.2.10",
        complexity: COMPLEXITY,
        summary: "Finds the places within a distance of another.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::string("member"),
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT,
            Arg::ORDER,
        ],
        handler: georadiusbymember_ro,
        ..Row::BASE
    },
];

fn georadius(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    around_place(ctx, args, Form::Radius)
}

fn georadius_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    around_place(ctx, args, Form::RadiusReadOnly)
}

fn around_place(ctx: &mut Ctx<'_>, args: &Args<'_>, form: Form) -> CmdResult {
    answer(ctx, args, 1, |args, set| {
        let center = Center::Place(point(args, 2)?);
        let mut request = Request::new(form, center, Some(circle(args, 4)?));
        request.read_options(args, 6, set)?;
        Ok(request)
    })
}

fn georadiusbymember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    around_member(ctx, args, Form::Radius)
}

fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    around_member(ctx, args, Form::RadiusReadOnly)
}

fn around_member(ctx: &mut Ctx<'_>, args: &Args<'_>, form: Form) -> CmdResult {
    answer(ctx, args, 1, |args, set| {
        let center = Center::of_member(set, &args[2])?;
        // Where there is no set, nobody asks how far.
        let shape = set.map(|_| circle(args, 3)).transpose()?;
        let mut request = Request::new(form, center, shape);
        request.read_options(args, 5, set)?;
        Ok(request)
    })
}
