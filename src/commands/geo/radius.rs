//! The commands that searched in circles before `GEOSEARCH` did.

use super::point;
use super::search::{Center, Form, Request, answer, circle};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::row::{Acl, Arg, ArgKind, Deprecation, Flags, Group, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "georadius",
        arity: -6,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        acl: Acl::GEO,
        keys: &[
            KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS)),
            KeySpec::behind(KeyFlags::OW.and(KeyFlags::UPDATE), "STORE", 6),
            KeySpec::behind(KeyFlags::OW.and(KeyFlags::UPDATE), "STOREDIST", 6),
        ],
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(N+log(M)), N being the number of places around the circle and M that of \
            places in the set.",
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
            Arg::new("longitude", ArgKind::Double),
            Arg::new("latitude", ArgKind::Double),
            Arg::new("radius", ArgKind::Double),
            Arg::one_of(
                "unit",
                &[
                    Arg::pure("m", "M"),
                    Arg::pure("km", "KM"),
                    Arg::pure("ft", "FT"),
                    Arg::pure("mi", "MI"),
                ],
            ),
            Arg::pure("withcoord", "WITHCOORD").optional(),
            Arg::pure("withdist", "WITHDIST").optional(),
            Arg::pure("withhash", "WITHHASH").optional(),
            Arg::block(
                "count-block",
                &[
                    Arg::integer("count").token("COUNT"),
                    Arg::pure("any", "ANY").since("6.2.0").optional(),
                ],
            )
            .optional(),
            Arg::one_of(
                "order",
                &[Arg::pure("asc", "ASC"), Arg::pure("desc", "DESC")],
            )
            .optional(),
            Arg::one_of(
                "store",
                &[
                    Arg::key("storekey", 1).token("STORE").display("key"),
                    Arg::key("storedistkey", 2)
                        .token("STOREDIST")
                        .display("key"),
                ],
            )
            .optional(),
        ],
        handler: georadius,
        ..Row::BASE
    },
    Row {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS))],
        group: Group::Geo,
        since: "3.2.10",
        complexity: "O(N+log(M)), N being the number of places around the circle and M that of \
            places in the set.",
        summary: "Finds the places within a distance of a point.",
        history: &[("6.2.0", "The option `ANY`.")],
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` argument",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::new("longitude", ArgKind::Double),
            Arg::new("latitude", ArgKind::Double),
            Arg::new("radius", ArgKind::Double),
            Arg::one_of(
                "unit",
                &[
                    Arg::pure("m", "M"),
                    Arg::pure("km", "KM"),
                    Arg::pure("ft", "FT"),
                    Arg::pure("mi", "MI"),
                ],
            ),
            Arg::pure("withcoord", "WITHCOORD").optional(),
            Arg::pure("withdist", "WITHDIST").optional(),
            Arg::pure("withhash", "WITHHASH").optional(),
            Arg::block(
                "count-block",
                &[
                    Arg::integer("count").token("COUNT"),
                    Arg::pure("any", "ANY").since("6.2.0").optional(),
                ],
            )
            .optional(),
            Arg::one_of(
                "order",
                &[Arg::pure("asc", "ASC"), Arg::pure("desc", "DESC")],
            )
            .optional(),
        ],
        handler: georadius_ro,
        ..Row::BASE
    },
    Row {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        acl: Acl::GEO,
        keys: &[
            KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS)),
            KeySpec::behind(KeyFlags::OW.and(KeyFlags::UPDATE), "STORE", 5),
            KeySpec::behind(KeyFlags::OW.and(KeyFlags::UPDATE), "STOREDIST", 5),
        ],
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(N+log(M)), N being the number of places around the circle and M that of \
            places in the set.",
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
            Arg::new("radius", ArgKind::Double),
            Arg::one_of(
                "unit",
                &[
                    Arg::pure("m", "M"),
                    Arg::pure("km", "KM"),
                    Arg::pure("ft", "FT"),
                    Arg::pure("mi", "MI"),
                ],
            ),
            Arg::pure("withcoord", "WITHCOORD").optional(),
            Arg::pure("withdist", "WITHDIST").optional(),
            Arg::pure("withhash", "WITHHASH").optional(),
            Arg::block(
                "count-block",
                &[
                    Arg::integer("count").token("COUNT"),
                    Arg::pure("any", "ANY").optional(),
                ],
            )
            .optional(),
            Arg::one_of(
                "order",
                &[Arg::pure("asc", "ASC"), Arg::pure("desc", "DESC")],
            )
            .optional(),
            Arg::one_of(
                "store",
                &[
                    Arg::key("storekey", 1).token("STORE").display("key"),
                    Arg::key("storedistkey", 2)
                        .token("STOREDIST")
                        .display("key"),
                ],
            )
            .optional(),
        ],
        handler: georadiusbymember,
        ..Row::BASE
    },
    Row {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS))],
        group: Group::Geo,
        since: "3.2.10",
        complexity: "O(N+log(M)), N being the number of places around the circle and M that of \
            places in the set.",
        summary: "Finds the places within a distance of another.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::string("member"),
            Arg::new("radius", ArgKind::Double),
            Arg::one_of(
                "unit",
                &[
                    Arg::pure("m", "M"),
                    Arg::pure("km", "KM"),
                    Arg::pure("ft", "FT"),
                    Arg::pure("mi", "MI"),
                ],
            ),
            Arg::pure("withcoord", "WITHCOORD").optional(),
            Arg::pure("withdist", "WITHDIST").optional(),
            Arg::pure("withhash", "WITHHASH").optional(),
            Arg::block(
                "count-block",
                &[
                    Arg::integer("count").token("COUNT"),
                    Arg::pure("any", "ANY").optional(),
                ],
            )
            .optional(),
            Arg::one_of(
                "order",
                &[Arg::pure("asc", "ASC"), Arg::pure("desc", "DESC")],
            )
            .optional(),
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
