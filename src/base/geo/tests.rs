//! Scores, geohashes and distances as the reference gives them, and covers against brute force.

use super::*;
use crate::base::rng::Rng;

const PALERMO: Point = Point {
    longitude: 13.361389,
    latitude: 38.115556,
};

const CATANIA: Point = Point {
    longitude: 15.087269,
    latitude: 37.502669,
};

#[test]
fn scores_are_the_references() {
    assert_eq!(PALERMO.to_score(), 3479099956230698);
    assert_eq!(CATANIA.to_score(), 3479447370796909);
    let corner = Point::new(-180.0, LATITUDES[0]).unwrap();
    assert_eq!(corner.to_score(), 0);
    let palermo = Point::from_score(3479099956230698.0);
    assert_eq!(palermo.longitude, 13.361_389_338_970_184);
    assert_eq!(palermo.latitude, 38.115_556_395_496_3);
}

#[test]
fn only_places_on_the_map_can_be_stored() {
    assert!(Point::new(180.0, 85.0).is_some());
    assert!(Point::new(180.1, 0.0).is_none());
    assert!(Point::new(0.0, 86.0).is_none());
    assert!(Point::new(f64::NAN, 0.0).is_none());
}

#[test]
fn geohashes_are_those_that_others_read() {
    let stored = |place: Point| Point::from_score(place.to_score() as f64);
    assert_eq!(&stored(PALERMO).geohash(), b"sqc8b49rny0");
    assert_eq!(&stored(CATANIA).geohash(), b"sqdtr74hyu0");
}

#[test]
fn distances_follow_the_sphere() {
    let stored = |place: Point| Point::from_score(place.to_score() as f64);
    let distance = stored(PALERMO).distance_m(stored(CATANIA));
    assert_eq!(format!("{distance:.4}"), "166274.1516");
    let north = Point {
        latitude: PALERMO.latitude + 1.0,
        ..PALERMO
    };
    assert_eq!(PALERMO.distance_m(north), north.distance_m(PALERMO));
    assert_eq!(PALERMO.distance_m(PALERMO), 0.0);
}

#[test]
fn a_cell_and_its_neighbour_see_each_other() {
    let mut rng = Rng::from_seed(11);
    for _ in 0..200 {
        let cell = Cell::around(random_place(&mut rng), 7, LATITUDES);
        for (east, north) in AROUND {
            assert_eq!(cell.moved(east, north).moved(-east, -north), cell);
        }
        let (own, east) = (cell.area(), cell.moved(1, 0).area());
        let adjoins = own.longitudes[1] == east.longitudes[0];
        assert!(adjoins || east.longitudes[0] == -180.0);
    }
}

fn random_place(rng: &mut Rng) -> Point {
    Point {
        longitude: rng.unit_f64() * 360.0 - 180.0,
        latitude: rng.unit_f64() * 170.0 - 85.0,
    }
}

#[test]
fn the_ranges_of_a_search_miss_no_place() {
    let mut rng = Rng::from_seed(12);
    let places: Vec<Point> = (0..3000).map(|_| random_place(&mut rng)).collect();
    for turn in 0..200 {
        let mut center = random_place(&mut rng);
        // Near the poles and the date line the reference misses some, and so do we.
        center.longitude *= 0.5;
        center.latitude *= 0.7;
        let size = 10f64.powf(3.0 + 3.5 * rng.unit_f64());
        let shape = match turn % 2 {
            0 => Shape::Circle { radius_m: size },
            _ => Shape::Box {
                width_m: size,
                height_m: size * rng.unit_f64(),
            },
        };
        let ranges = shape.score_ranges(center);
        assert!((1..=9).contains(&ranges.len()));
        for place in &places {
            let score = place.to_score() as f64;
            let seen = ranges.iter().filter(|range| range.contains(&score)).count();
            assert!(seen <= 1);
            let inside = shape.distance_within(center, *place).is_some();
            assert!(
                !inside || seen == 1,
                "{shape:?} around {center:?} misses {place:?}"
            );
        }
    }
}
