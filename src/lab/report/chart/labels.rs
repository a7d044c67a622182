//! Labels of marks that stand close together.
//!
//! Each mark stands on a base line, and a straight line leads up from it to its label, which begins
//! there and reaches to the right. A label must neither cover another one nor a line that leads to
//! one. So a label is placed higher than all that begin within its length: stairs that go down to
//! the right.
//!
//! ```text
//!   │+sdown m1
//!   ││+odown m1
//!   │││+elected-leader s2          │+slave m1
//!   ┴┴┴────────────────────────────┴──────────
//! ```
//!
//! What would reach over the right end turns to the left, and its stairs go the other way.

/// A label to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Where its mark is.
    pub x: f64,
    /// How long it is.
    pub width: f64,
}

/// Where a label goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row, from 0 at the base line upwards.
    pub row: usize,
    /// Whether it ends at its mark instead of beginning there.
    pub is_turned: bool,
}

/// Places labels, which are in the order of their marks; none where there is no room within
/// `rows_max` rows and left of `right`.
pub fn place(labels: &[Label], right: f64, rows_max: usize) -> Vec<Option<Place>> {
    let mut places: Vec<Option<Place>> = vec![None; labels.len()];
    let is_turned = |label: &Label| label.x + label.width > right && label.x - label.width > 0.0;
    for (i, label) in labels.iter().enumerate().rev() {
        if !is_turned(label) {
            place_one(labels, &mut places, i, false, rows_max);
        }
    }
    for (i, label) in labels.iter().enumerate() {
        if is_turned(label) {
            place_one(labels, &mut places, i, true, rows_max);
        }
    }
    places
}

fn place_one(
    labels: &[Label],
    places: &mut [Option<Place>],
    index: usize,
    is_turned: bool,
    rows_max: usize,
) {
    let own = extent(labels[index], is_turned);
    let mut row = 0;
    for (i, place) in places.iter().enumerate() {
        let Some(place) = place else {
            continue;
        };
        let other = extent(labels[i], place.is_turned);
        let is_over = own.0 < other.1 && other.0 < own.1;
        if is_over {
            row = row.max(place.row + 1);
        }
    }
    places[index] = (row < rows_max).then_some(Place { row, is_turned });
}

fn extent(label: Label, is_turned: bool) -> (f64, f64) {
    if is_turned {
        (label.x - label.width, label.x + 1.0)
    } else {
        (label.x - 1.0, label.x + label.width)
    }
}

/// How long `text` is about, in a usual typeface of `size` pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
    let wide = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ' ' | '|' => 0.33,
        'm' | 'w' | 'M' | 'W' | '→' | '⇄' => 0.9,
        'A'..='Z' => 0.7,
        c if u32::from(c) >= 0x1100 => 1.0,
        _ => 0.57,
    };
    text.chars().map(wide).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(labels: &[(f64, f64)], rows_max: usize) -> Vec<Option<(usize, bool)>> {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(x, width)| Label {
                x: *x,
                width: *width,
            })
            .collect();
        let places = place(&labels, 100.0, rows_max);
        places
            .into_iter()
            .map(|p| p.map(|p| (p.row, p.is_turned)))
            .collect()
    }

    #[test]
    fn labels_that_stand_close_go_down_like_stairs() {
        let placed = rows(&[(0.0, 20.0), (1.0, 20.0), (2.0, 20.0), (50.0, 20.0)], 9);
        assert_eq!(
            placed,
            [
                Some((2, false)),
                Some((1, false)),
                Some((0, false)),
                Some((0, false))
            ]
        );
    }

    #[test]
    fn labels_at_the_right_end_turn_round() {
        let placed = rows(&[(90.0, 20.0), (95.0, 20.0)], 9);
        assert_eq!(placed, [Some((0, true)), Some((1, true))]);
    }

    #[test]
    fn labels_without_room_are_left_out() {
        let placed = rows(&[(0.0, 20.0), (1.0, 20.0), (2.0, 20.0)], 2);
        assert_eq!(placed, [None, Some((1, false)), Some((0, false))]);
    }
}
