//! What `LOLWUT` draws: the generations of an elementary cellular automaton. Each cell inherits
//! from its three neighbours above, by a rule of eight bits; left and right are glued together.

use std::fmt::Write as _;

use crate::base::rng::Rng;

/// The widest picture, and the tallest.
pub const COLUMNS_MAX: i64 = 1000;
pub const ROWS_MAX: i64 = 200;

/// Rules whose pictures are neither empty nor stripes.
const RULES: [u8; 10] = [18, 22, 30, 45, 60, 73, 90, 105, 110, 150];

/// A picture of so many characters and lines, and below it the rule that made it.
pub fn automaton(rng: &mut Rng, columns: usize, rows: usize) -> String {
    let rule = RULES[rng.below(RULES.len() as u64) as usize];
    let mut cells = first_generation(rng, columns);
    let mut picture = String::new();
    for _ in 0..rows {
        let line: String = cells.iter().map(|&on| if on { '█' } else { ' ' }).collect();
        picture.push_str(line.trim_end());
        picture.push('\n');
        cells = heirs(&cells, rule);
    }
    let _ = writeln!(picture, "\n{rows} generations by rule {rule}");
    picture
}

/// One cell in the middle, or cells at random.
fn first_generation(rng: &mut Rng, columns: usize) -> Vec<bool> {
    let mut cells = vec![false; columns];
    if rng.below(2) == 0 {
        cells[columns / 2] = true;
    } else {
        cells.iter_mut().for_each(|cell| *cell = rng.below(2) == 0);
    }
    cells
}

fn heirs(cells: &[bool], rule: u8) -> Vec<bool> {
    let count = cells.len();
    (0..count)
        .map(|at| {
            let above = [(at + count - 1) % count, at, (at + 1) % count];
            let bits = above
                .iter()
                .fold(0, |bits, &n| bits << 1 | u8::from(cells[n]));
            rule >> bits & 1 == 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_inherits_from_the_three_above_it() {
        let cells = [false, false, true, false, false];
        assert_eq!(heirs(&cells, 90), [false, true, false, true, false]);
        // The first cell and the last are neighbours.
        let cells = [true, false, false, false];
        assert_eq!(heirs(&cells, 150), [true, true, false, true]);
    }

    #[test]
    fn a_picture_has_the_size_that_is_asked_for() {
        for seed in 0..20 {
            let picture = automaton(&mut Rng::from_seed(seed), 7, 3);
            let lines: Vec<&str> = picture.lines().collect();
            assert_eq!(lines.len(), 5);
            assert!(lines[..3].iter().all(|line| line.chars().count() <= 7));
            assert!(lines[4].starts_with("3 generations by rule "));
        }
    }
}
