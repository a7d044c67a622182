//! Searching around a place, in a circle or a box.
//!
//! The options of all commands that search are read here, those of the older [`super::radius`]
//! too: what differs is which options there are, not what they mean.

use super::found::{Count, Order, Search, With};
use super::{
    COUNT, LATITUDE, LONGITUDE, UNIT, Unit, WITH_COORD, WITH_DIST, WITH_HASH, double_or, point,
    point_of,
};
use crate::base::geo::{Point, Shape};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::store;
use crate::data::zset::{SortedSet, ZSet, ZSetRef};
use crate::resp::args::Args;

/// Around what is searched.
const FROM: Arg = Arg::one_of(
    "from",
    &[
        Arg::string("member").token("FROMMEMBER"),
        Arg::block("fromlonlat", &[LONGITUDE, LATITUDE]).token("FROMLONLAT"),
    ],
);

/// How far.
const BY: Arg = Arg::one_of(
    "by",
    &[
        Arg::block(
            "circle",
            &[Arg::new("radius", ArgKind::Double).token("BYRADIUS"), UNIT],
        ),
        Arg::block(
            "box",
            &[
                Arg::new("width", ArgKind::Double).token("BYBOX"),
                Arg::new("height", ArgKind::Double),
                UNIT,
            ],
        ),
    ],
);

const COMPLEXITY: &str = "O(N+log(M)), N being the number of places around the shape and M that \
    of places in it.";

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "geosearch",
        arity: -7,
        flags: Flags::READONLY,
        acl: Acl::GEO,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Geo,
        since: "6.2.0",
        complexity: COMPLEXITY,
        summary: "Finds the places in a circle or a box.",
        history: &[("7.0.0", "Units may be in upper case.")],
        args: &[
            Arg::key("key", 0),
            FROM,
            BY,
            Arg::ORDER,
            COUNT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
        ],
        handler: geosearch,
        ..Row::BASE
    },
    Row {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::GEO,
        keys: &[
            KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 2, 0, 1),
        ],
        group: CommandGroup::Geo,
        since: "6.2.0",
        complexity: COMPLEXITY,
        summary: "Stores the places in a circle or a box.",
        history: &[("7.0.0", "Units may be in upper case.")],
        args: &[
            Arg::key("destination", 0),
            Arg::key("source", 1),
            FROM,
            BY,
            Arg::ORDER,
            COUNT,
            Arg::pure("storedist", "STOREDIST").optional(),
        ],
        handler: geosearchstore,
        ..Row::BASE
    },
];

/// Which command is asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `GEOSEARCH`.
    Search,
    /// `GEOSEARCHSTORE`.
    SearchStore,
    /// `GEORADIUS` or `GEORADIUSBYMEMBER`.
    Radius,
    /// Those that only read.
    RadiusReadOnly,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// Around what is searched.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Center {
    /// Not said yet.
    Unsaid,
    /// Around a member; there is no place if there is no set.
    Member(Option<Point>),
    /// Around a place.
    Place(Point),
}

impl Center {
    /// The place of a member, which must be in the set if there is one.
    pub(super) fn of_member(set: Option<ZSetRef<'_>>, member: &[u8]) -> Result<Center, CmdError> {
        let place = set.map(|set| {
            point_of(set, member).ok_or(CmdError::Fixed(
                "ERR could not decode requested zset member",
            ))
        });
        Ok(Center::Member(place.transpose()?))
    }

    fn place(self) -> Option<Point> {
        match self {
            Center::Unsaid => None,
            Center::Member(place) => place,
            Center::Place(place) => Some(place),
        }
    }
}

/// What a command asks for.
pub(super) struct Request<'a> {
    form: Form,
    center: Center,
    shape: Option<(Shape, Unit)>,
    with: With,
    count: Option<usize>,
    /// Whether any places will do.
    any: bool,
    order: Option<Order>,
    /// The key to store the result under.
    target: Option<&'a [u8]>,
    /// Whether distances are stored.
    distances: bool,
}

impl<'a> Request<'a> {
    /// A request that knows so much already.
    pub(super) fn new(form: Form, center: Center, shape: Option<(Shape, Unit)>) -> Request<'a> {
        Request {
            form,
            center,
            shape,
            with: With::default(),
            count: None,
            any: false,
            order: None,
            target: None,
            distances: false,
        }
    }

    /// Reads the options from `first` on.
    pub(super) fn read_options(
        &mut self,
        args: &'a Args<'_>,
        first: usize,
        set: Option<ZSetRef<'_>>,
    ) -> Result<(), CmdError> {
        let mut next = first;
        while let Some(word) = args.get(next) {
            let taken = self.read_flag(word) || {
                let words = self.read_option(args, next, set)?;
                next += words;
                words > 0
            };
            if !taken {
                return Err(CmdError::Syntax);
            }
            next += 1;
        }
        self.check(&args[0])
    }

    /// Reads an option of one word, if it is one.
    fn read_flag(&mut self, word: &[u8]) -> bool {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        match () {
            () if is("WITHDIST") => self.with.distance = true,
            () if is("WITHHASH") => self.with.hash = true,
            () if is("WITHCOORD") => self.with.coordinates = true,
            () if is("ANY") => self.any = true,
            () if is("ASC") => self.order = Some(Order::Nearest),
            () if is("DESC") => self.order = Some(Order::Farthest),
            () if is("STOREDIST") && self.form == Form::SearchStore => self.distances = true,
            () => return false,
        }
        true
    }

    /// Reads an option of several words, if it is one; returns how many belong to it.
    fn read_option(
        &mut self,
        args: &'a Args<'_>,
        at: usize,
        set: Option<ZSetRef<'_>>,
    ) -> Result<usize, CmdError> {
        let behind = args.len() - at - 1;
        let is = |option: &str, words: usize| {
            behind >= words && args[at].eq_ignore_ascii_case(option.as_bytes())
        };
        let stores = self.form == Form::Radius;
        let searches = self.form.is_search();
        if is("COUNT", 1) {
            self.count = Some(match integer(&args[at + 1])? {
                count @ 1.. => count as usize,
                _ => return Err(CmdError::Fixed("ERR COUNT must be > 0")),
            });
            Ok(1)
        } else if stores && (is("STORE", 1) || is("STOREDIST", 1)) {
            self.target = Some(&args[at + 1]);
            self.distances = is("STOREDIST", 1);
            Ok(1)
        } else if searches && is("FROMMEMBER", 1) && !matches!(self.center, Center::Place(_)) {
            self.center = Center::of_member(set, &args[at + 1])?;
            Ok(1)
        } else if searches && is("FROMLONLAT", 2) && !matches!(self.center, Center::Member(_)) {
            self.center = Center::Place(point(args, at + 1)?);
            Ok(2)
        } else if searches && is("BYRADIUS", 2) && !self.is_box() {
            self.shape = Some(circle(args, at + 1)?);
            Ok(2)
        } else if searches && is("BYBOX", 3) && (self.shape.is_none() || self.is_box()) {
            self.shape = Some(rectangle(args, at + 1)?);
            Ok(3)
        } else {
            Ok(0)
        }
    }

    fn is_box(&self) -> bool {
        matches!(self.shape, Some((Shape::Box { .. }, _)))
    }

    /// Refuses what does not go together.
    fn check(&self, name: &[u8]) -> Result<(), CmdError> {
        let refuse = |text: &str| {
            let text = [
                b"exactly one of ",
                text.as_bytes(),
                b" can be specified for ",
            ]
            .concat();
            Err(CmdError::err([&text, name].concat()))
        };
        let stores = self.target.is_some() || self.form == Form::SearchStore;
        if stores && self.with != With::default() {
            let what = match self.form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(CmdError::err(format!(
                "{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if self.form.is_search() && self.center == Center::Unsaid {
            return refuse("FROMMEMBER or FROMLONLAT");
        }
        if self.form.is_search() && self.shape.is_none() {
            return refuse("BYRADIUS and BYBOX");
        }
        if self.any && self.count.is_none() {
            return Err(CmdError::Fixed(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        Ok(())
    }

    /// What is to be searched; nothing if there is no set.
    fn search(&self) -> Option<Search> {
        let (shape, unit) = self.shape?;
        let count = match self.count {
            None => Count::All,
            Some(n) if self.any => Count::Any(n),
            Some(n) => Count::First(n),
        };
        Some(Search {
            center: self.center.place()?,
            shape,
            unit,
            count,
            order: self.order,
        })
    }
}

/// The radius at `at`, and its unit.
pub(super) fn circle(args: &Args<'_>, at: usize) -> Result<(Shape, Unit), CmdError> {
    let radius = double_or(&args[at], "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CmdError::Fixed("ERR radius cannot be negative"));
    }
    let unit = Unit::parse(&args[at + 1])?;
    let radius_m = radius * unit.metres;
    Ok((Shape::Circle { radius_m }, unit))
}

/// The width and height at `at`, and their unit.
fn rectangle(args: &Args<'_>, at: usize) -> Result<(Shape, Unit), CmdError> {
    let width = double_or(&args[at], "ERR need numeric width")?;
    let height = double_or(&args[at + 1], "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CmdError::Fixed("ERR height or width cannot be negative"));
    }
    let unit = Unit::parse(&args[at + 2])?;
    let shape = Shape::Box {
        width_m: width * unit.metres,
        height_m: height * unit.metres,
    };
    Ok((shape, unit))
}

fn geosearch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    answer(ctx, args, 1, |args, set| {
        let mut request = Request::new(Form::Search, Center::Unsaid, None);
        request.read_options(args, 2, set)?;
        Ok(request)
    })
}

fn geosearchstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    answer(ctx, args, 2, |args, set| {
        let mut request = Request::new(Form::SearchStore, Center::Unsaid, None);
        request.read_options(args, 3, set)?;
        request.target = Some(&args[1]);
        Ok(request)
    })
}

/// Looks a set up, reads what is asked for, and lists or stores what is found.
pub(super) fn answer(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    source_at: usize,
    read: impl for<'a> FnOnce(&'a Args<'_>, Option<ZSetRef<'_>>) -> Result<Request<'a>, CmdError>,
) -> CmdResult {
    let limits = ctx.env.zset_limits();
    let source = &args[source_at];
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, source, Access::Read)?;
    let request = read(args, set)?;
    let searched = set.zip(request.search());
    let Some(target) = request.target else {
        match searched {
            Some((set, search)) => search.list(ctx.reply, &search.run(set), request.with),
            None => ctx.reply.array(0),
        }
        return Ok(());
    };
    let hasher = limits.hasher.clone();
    let result = match searched {
        Some((set, search)) => search.collect(&search.run(set), request.distances, hasher),
        None => SortedSet::new(hasher),
    };
    let changes = result.len() as u64;
    let event = match request.form {
        Form::SearchStore => "geosearchstore",
        _ => "georadiusstore",
    };
    store(ctx, target, ZSet::compact(result, &limits), event, changes);
    Ok(())
}
