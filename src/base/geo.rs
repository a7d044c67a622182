//! Places on earth as numbers that sort.
//!
//! Longitude and latitude are each halved 26 times, and the answers interleaved: 52 bits, exact in
//! a double, so a place can be the score of a member. Places that share a prefix lie in one
//! rectangle, a [`Cell`] of so many steps, and the members in a cell are a range of scores. A
//! search picks the step at which a cell and its eight neighbours cover what is searched for, and
//! looks at nine ranges at most.
//!
//! Distances are those on a sphere (haversine). The formulas, the order in which they are computed
//! and the constants are the reference's, so that the last digits agree.

use std::f64::consts::PI;
use std::ops::Range;

/// Halvings of each coordinate in a score.
const STEPS_MAX: u8 = 26;

/// Bits of a score.
const SCORE_BITS: u32 = 2 * STEPS_MAX as u32;

/// Longitudes that can be stored.
pub const LONGITUDES: [f64; 2] = [-180.0, 180.0];

/// Latitudes that can be stored: those of the Mercator projection that maps use.
pub const LATITUDES: [f64; 2] = [-85.05112878, 85.05112878];

const EARTH_RADIUS_M: f64 = 6372797.560856;

/// Half the circumference on a Mercator map, in metres.
const MERCATOR_MAX_M: f64 = 20037726.37;

/// Beyond these latitudes, cells are so narrow that one step less, or two, is taken.
const NARROW_LATITUDE: f64 = 66.0;
const VERY_NARROW_LATITUDE: f64 = 80.0;

/// The digits of geohashes.
const GEOHASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The even bits, where latitudes are, and the odd ones, where longitudes are.
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = EVEN << 1;

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// A place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// East of Greenwich, in degrees.
    pub longitude: f64,
    /// North of the equator, in degrees.
    pub latitude: f64,
}

impl Point {
    /// A place that can be stored.
    pub fn new(longitude: f64, latitude: f64) -> Option<Point> {
        let storable = (LONGITUDES[0]..=LONGITUDES[1]).contains(&longitude)
            && (LATITUDES[0]..=LATITUDES[1]).contains(&latitude);
        storable.then_some(Point {
            longitude,
            latitude,
        })
    }

    /// The score that stands for the place.
    pub fn to_score(self) -> u64 {
        Cell::around(self, STEPS_MAX, LATITUDES).bits
    }

    /// The place that a score stands for: the middle of its cell.
    pub fn from_score(score: f64) -> Point {
        let cell = Cell {
            // Scores that stand for no place lie somewhere all the same.
            bits: match score {
                ..0.0 => score as i64 as u64,
                _ if score < u64::MAX as f64 => score as u64,
                _ => 0,
            },
            steps: STEPS_MAX,
        };
        let area = cell.area();
        let middle =
            |[low, high]: [f64; 2], [min, max]: [f64; 2]| ((low + high) / 2.0).clamp(min, max);
        Point {
            longitude: middle(area.longitudes, LONGITUDES),
            latitude: middle(area.latitudes, LATITUDES),
        }
    }

    /// The distance to another place, in metres.
    pub fn distance_m(self, to: Point) -> f64 {
        let v = ((radians(to.longitude) - radians(self.longitude)) / 2.0).sin();
        if v == 0.0 {
            return latitude_distance_m(self.latitude, to.latitude);
        }
        let (from_r, to_r) = (radians(self.latitude), radians(to.latitude));
        let u = ((to_r - from_r) / 2.0).sin();
        let a = u * u + from_r.cos() * to_r.cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }

    /// The geohash: 11 digits, the last of which is always 0, since 52 bits make ten.
    pub fn geohash(self) -> [u8; 11] {
        // Others halve the latitudes from pole to pole.
        let bits = Cell::around(self, STEPS_MAX, [-90.0, 90.0]).bits;
        std::array::from_fn(|digit| {
            let shift = SCORE_BITS as usize - 5 * (digit + 1).min(10);
            let value = if digit < 10 { bits >> shift & 31 } else { 0 };
            GEOHASH_DIGITS[value as usize]
        })
    }
}

/// The distance between two places on one meridian, in metres.
fn latitude_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}

/// What is searched, around a place; in metres.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// Everything up to a distance.
    Circle {
        /// The distance.
        radius_m: f64,
    },
    /// Everything in a box whose sides go east and north.
    Box {
        /// From west to east.
        width_m: f64,
        /// From south to north.
        height_m: f64,
    },
}

impl Shape {
    /// The distance of a place from the centre, if it is in the shape.
    pub fn distance_within(self, center: Point, place: Point) -> Option<f64> {
        match self {
            Shape::Circle { radius_m } => {
                let distance = center.distance_m(place);
                (distance <= radius_m).then_some(distance)
            }
            Shape::Box { width_m, height_m } => {
                let beside = Point {
                    longitude: center.longitude,
                    ..place
                };
                let within = latitude_distance_m(place.latitude, center.latitude) <= height_m / 2.0
                    && place.distance_m(beside) <= width_m / 2.0;
                within.then(|| center.distance_m(place))
            }
        }
    }

    /// How far the shape reaches from its centre.
    fn reach_m(self) -> f64 {
        match self {
            Shape::Circle { radius_m } => radius_m,
            Shape::Box { width_m, height_m } => {
                let (w, h) = (width_m / 2.0, height_m / 2.0);
                (w * w + h * h).sqrt()
            }
        }
    }

    /// The coordinates between which the shape lies.
    fn bounds(self, center: Point) -> Area {
        let (width, height) = match self {
            Shape::Circle { radius_m } => (radius_m, radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let up = degrees(height / EARTH_RADIUS_M);
        // The meridians come closer towards the poles: the side that is nearer to one counts.
        let far = if center.latitude < 0.0 {
            center.latitude - up
        } else {
            center.latitude + up
        };
        let aside = degrees(width / EARTH_RADIUS_M / radians(far).cos());
        Area {
            longitudes: [center.longitude - aside, center.longitude + aside],
            latitudes: [center.latitude - up, center.latitude + up],
        }
    }

    /// The ranges of scores, one behind the other, that hold all places in the shape, and others.
    pub fn score_ranges(self, center: Point) -> Vec<Range<f64>> {
        let bounds = self.bounds(center);
        let mut steps = steps_for(self.reach_m(), center.latitude);
        let mut cell = Cell::around(center, steps, LATITUDES);
        if steps > 1 && !cell.neighbours_cover(&bounds) {
            steps -= 1;
            cell = Cell::around(center, steps, LATITUDES);
        }
        let area = cell.area();
        let mut ranges: Vec<Range<f64>> = Vec::new();
        for (east, north) in AROUND {
            let needless = steps >= 2
                && (north < 0 && area.latitudes[0] < bounds.latitudes[0]
                    || north > 0 && area.latitudes[1] > bounds.latitudes[1]
                    || east < 0 && area.longitudes[0] < bounds.longitudes[0]
                    || east > 0 && area.longitudes[1] > bounds.longitudes[1]);
            let range = cell.moved(east, north).scores();
            // Where cells are half the world, neighbours on both sides are the same.
            if !needless && ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
        ranges
    }
}

/// A cell and its neighbours, as steps to the east and to the north, in the order of the search.
const AROUND: [(i8, i8); 9] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
];

/// The steps at which a cell is about as large as something that reaches so far.
fn steps_for(reach_m: f64, latitude: f64) -> u8 {
    if reach_m == 0.0 {
        return STEPS_MAX;
    }
    let mut steps = 1i32;
    let mut reach_m = reach_m;
    while reach_m < MERCATOR_MAX_M {
        reach_m *= 2.0;
        steps += 1;
    }
    steps -= 2;
    let latitude = latitude.abs();
    steps -= i32::from(latitude > NARROW_LATITUDE) + i32::from(latitude > VERY_NARROW_LATITUDE);
    steps.clamp(1, i32::from(STEPS_MAX)) as u8
}

/// Coordinates from the lower to the higher.
#[derive(Clone, Copy, Debug)]
struct Area {
    longitudes: [f64; 2],
    latitudes: [f64; 2],
}

/// A rectangle: all places whose scores begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cell {
    /// The lowest `2 * steps` bits count.
    bits: u64,
    steps: u8,
}

impl Cell {
    /// The cell of a place, with latitudes halved from the first to the second of `latitudes`.
    fn around(place: Point, steps: u8, latitudes: [f64; 2]) -> Cell {
        let part = |value: f64, [min, max]: [f64; 2]| {
            ((value - min) / (max - min) * (1u64 << steps) as f64) as u32
        };
        let latitude = part(place.latitude, latitudes);
        let longitude = part(place.longitude, LONGITUDES);
        Cell {
            bits: spread(latitude) | spread(longitude) << 1,
            steps,
        }
    }

    fn area(self) -> Area {
        let span = |part: u32, [min, max]: [f64; 2]| {
            let edge = |part: f64| min + (part / (1u64 << self.steps) as f64) * (max - min);
            [edge(f64::from(part)), edge(f64::from(part) + 1.0)]
        };
        Area {
            longitudes: span(gather(self.bits >> 1), LONGITUDES),
            latitudes: span(gather(self.bits), LATITUDES),
        }
    }

    /// A neighbour; beyond the edge of the map, the one on the other side.
    fn moved(self, east: i8, north: i8) -> Cell {
        let all = u64::MAX >> (64 - 2 * u32::from(self.steps));
        let shift = |own: u64, by: i8| {
            let others = all & !own;
            // With the bits in between all set, carries run through; all clear, borrows do.
            match by {
                0 => self.bits & own,
                1 => ((self.bits & own) | others).wrapping_add(1) & own & all,
                _ => (self.bits & own & all).wrapping_sub(own & own.wrapping_neg()) & own & all,
            }
        };
        Cell {
            bits: shift(ODD, east) | shift(EVEN, north),
            ..self
        }
    }

    /// Whether this cell and its neighbours reach as far as `bounds` to each side.
    fn neighbours_cover(self, bounds: &Area) -> bool {
        let area = |east, north| self.moved(east, north).area();
        area(0, 1).latitudes[1] >= bounds.latitudes[1]
            && area(0, -1).latitudes[0] <= bounds.latitudes[0]
            && area(1, 0).longitudes[1] >= bounds.longitudes[1]
            && area(-1, 0).longitudes[0] <= bounds.longitudes[0]
    }

    /// The scores of the places in it.
    fn scores(self) -> Range<f64> {
        let shift = SCORE_BITS - 2 * u32::from(self.steps);
        let score = |bits: u64| (bits << shift) as f64;
        score(self.bits)..score(self.bits + 1)
    }
}

/// Moves bit `n` to bit `2 n`.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, EVEN),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Moves bit `2 n` to bit `n`.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests;
