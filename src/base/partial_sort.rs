//! Sorting where only a range of the result is wanted.
//!
//! The quicksort of J. L. Bentley and M. D. McIlroy, "Engineering a Sort Function" (1993): a
//! three-way partition with what equals the pivot kept at both ends, and a pivot that is the middle
//! of three, or of three such for long slices. A part in which nobody is interested stays as it is.
//!
//! The algorithm is not stable, and what it does with equal elements is fixed nevertheless. This
//! matters: replicas carry out commands that store the first few of equal elements, and the
//! reference chooses these by the very same steps.

use std::cmp::Ordering;
use std::ops::Range;

/// Below this length insertion is quicker than partition.
const FEW: usize = 7;

/// From this length on three pivots are looked at for each one.
const MANY: usize = 41;

/// Puts those elements in their places that belong to `wanted` in the order of `compare`; the
/// others are left in no particular order, though on the right side of the range.
///
/// Takes linear time for a small range, as a rule. Slices that are made to split badly are given to
/// the standard library's sort in time.
///
/// ```text
/// sort_range([5, 1, 4, 2, 3], 0..2)  ->  [1, 2, …]
/// ```
pub fn sort_range<T>(
    items: &mut [T],
    wanted: Range<usize>,
    mut compare: impl FnMut(&T, &T) -> Ordering,
) {
    if !wanted.is_empty() {
        let splits = 2 * (usize::BITS - items.len().leading_zeros());
        partition(items, wanted.start, wanted.end - 1, splits, &mut compare);
    }
}

/// Sorts all, and equal elements keep their order, or only the part that is `wanted`, as
/// [`sort_range`] does.
pub fn sort_part<T>(
    items: &mut [T],
    wanted: Option<Range<usize>>,
    compare: impl FnMut(&T, &T) -> Ordering,
) {
    match wanted {
        None => items.sort_by(compare),
        Some(wanted) => sort_range(items, wanted, compare),
    }
}

/// Sorts what lies between `first` and `last`, both within; they may lie outside of `items`.
fn partition<T, C>(
    mut items: &mut [T],
    mut first: usize,
    mut last: usize,
    mut splits: u32,
    compare: &mut C,
) where
    C: FnMut(&T, &T) -> Ordering,
{
    loop {
        let len = items.len();
        if len < FEW || splits == 0 {
            // The same as insertion, as both are stable; and quick where it is many.
            items.sort_by(&mut *compare);
            return;
        }
        splits -= 1;
        let pivot = pivot(items, compare);
        items.swap(0, pivot);
        let (below, above) = split(items, compare);
        if below > 1 && first < below {
            partition(&mut items[..below], first, last.min(len), splits, compare);
        }
        if above <= 1 || last < len - above {
            return;
        }
        let skipped = len - above;
        items = &mut items[skipped..];
        first = first.saturating_sub(skipped);
        last -= skipped;
    }
}

/// Splits by the first element: what is less, what is equal, what is greater. Returns how many are
/// less and how many are greater.
fn split<T>(items: &mut [T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    // `..left_equal` and `right_equal..` equal the pivot, `left_equal..left` is less and
    // `right..right_equal` is greater; what lies between is unknown.
    let (mut left_equal, mut left) = (1, 1);
    let (mut right_equal, mut right) = (len, len);
    loop {
        while left < right {
            match compare(&items[left], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(left_equal, left);
                    left_equal += 1;
                }
                Ordering::Less => {}
            }
            left += 1;
        }
        while left < right {
            match compare(&items[right - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    right_equal -= 1;
                    items.swap(right - 1, right_equal);
                }
                Ordering::Greater => {}
            }
            right -= 1;
        }
        if left == right {
            break;
        }
        items.swap(left, right - 1);
        left += 1;
        right -= 1;
    }
    let (below, above) = (left - left_equal, right_equal - right);
    swap_ranges(items, 0, left, left_equal.min(below));
    swap_ranges(items, left, len, above.min(len - right_equal));
    (below, above)
}

/// Swaps the `count` elements from `start` on with those before `end`.
fn swap_ranges<T>(items: &mut [T], start: usize, end: usize, count: usize) {
    for i in 0..count {
        items.swap(start + i, end - count + i);
    }
}

fn pivot<T>(items: &[T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> usize {
    let len = items.len();
    let (mut low, mut middle, mut high) = (0, len / 2, len - 1);
    if len == FEW {
        return middle;
    }
    if len >= MANY {
        let step = len / 8;
        low = middle_of(items, [low, low + step, low + 2 * step], compare);
        middle = middle_of(items, [middle - step, middle, middle + step], compare);
        high = middle_of(items, [high - 2 * step, high - step, high], compare);
    }
    middle_of(items, [low, middle, high], compare)
}

/// Which of three elements lies between the others.
fn middle_of<T>(
    items: &[T],
    [a, b, c]: [usize; 3],
    compare: &mut impl FnMut(&T, &T) -> Ordering,
) -> usize {
    let mut order = |x: usize, y: usize| compare(&items[x], &items[y]);
    if order(a, b).is_lt() {
        if order(b, c).is_lt() {
            b
        } else if order(a, c).is_lt() {
            c
        } else {
            a
        }
    } else if order(b, c).is_gt() {
        b
    } else if order(a, c).is_lt() {
        a
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn the_range_holds_what_a_full_sort_puts_there() {
        let mut rng = Rng::from_seed(11);
        for _ in 0..2000 {
            let len = rng.below(300) as usize;
            let values = 1 + rng.below(400);
            let mut items: Vec<u64> = (0..len).map(|_| rng.below(values)).collect();
            if rng.below(4) == 0 {
                items.sort_unstable();
            }
            let start = rng.below(len as u64 + 1) as usize;
            let end = start + rng.below((len - start) as u64 + 1) as usize;
            let mut sorted = items.clone();
            sorted.sort_unstable();
            sort_range(&mut items, start..end, u64::cmp);
            assert_eq!(items[start..end], sorted[start..end], "{start}..{end}");
            items.sort_unstable();
            assert_eq!(items, sorted, "nothing is lost");
        }
    }

    #[test]
    fn what_is_outside_the_range_costs_little() {
        let mut items: Vec<u32> = (0..100_000)
            .map(|i: u32| i.wrapping_mul(2_654_435_761))
            .collect();
        let mut comparisons = 0;
        sort_range(&mut items, 0..10, |a, b| {
            comparisons += 1;
            a.cmp(b)
        });
        assert!(comparisons < 600_000, "{comparisons}");
    }

    /// The expected numbers are Redis 7.2.4's: `SORT list BY w_* ALPHA LIMIT …`, with the numbers
    /// from 0 on in the list.
    #[test]
    fn equal_elements_are_chosen_as_by_the_reference() {
        let sorted = |len: u32, wanted: Range<usize>, weight: fn(u32) -> u32| {
            let mut items: Vec<u32> = (0..len).collect();
            sort_range(&mut items, wanted.clone(), |a, b| {
                weight(*a).cmp(&weight(*b))
            });
            items[wanted].to_vec()
        };
        assert_eq!(sorted(6, 0..3, |_| 0), [0, 1, 2]);
        assert_eq!(sorted(7, 0..3, |_| 0), [3, 1, 2]);
        assert_eq!(sorted(10, 0..3, |_| 0), [9, 1, 2]);
        assert_eq!(sorted(50, 0..3, |_| 0), [49, 1, 2]);
        let square = |i| i * i % 7;
        let first = [7, 21, 14, 42, 35, 28, 0, 49, 6, 1, 8, 13, 15, 20, 22, 27];
        assert_eq!(sorted(50, 0..16, square), first);
        assert_eq!(sorted(50, 20..26, square), [43, 48, 3, 24, 25, 31]);
    }
}
