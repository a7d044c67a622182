//! `PFSELFTEST`: whether registers keep what is put into them, and estimates their promise.

use super::{
    DENSE_BYTES, ENCODING_AT, HEADER_BYTES, Hll, HllEncoding, Mark, REGISTERS, dense, new,
};
use crate::base::rng::Rng;

/// How often all registers are filled at random.
const FILLS: usize = 100;

/// How many elements the estimates are tested with; they are looked at for each power of ten.
const ELEMENTS: u64 = 1_000_000;

/// The standard error of an estimate is this, divided by the root of the number of registers.
const ERROR_CONSTANT: f64 = 1.04;

/// How many standard errors an estimate may be off.
const ERRORS_MAX: f64 = 6.0;

/// Runs all tests.
///
/// # Errors
///
/// The text says which promise was broken.
pub fn self_test(rng: &mut Rng, sparse_bytes_max: usize) -> Result<(), String> {
    registers_keep_their_values(rng)?;
    estimates_are_close(rng.next_u64(), sparse_bytes_max)
}

fn registers_keep_their_values(rng: &mut Rng) -> Result<(), String> {
    for _ in 0..FILLS {
        let mut registers = vec![0; dense::BYTES];
        let mut values = [0; REGISTERS];
        rng.fill(&mut values);
        for (register, value) in values.iter_mut().enumerate() {
            *value &= dense::VALUE_MAX;
            let value = *value;
            dense::raise(&mut registers, Mark { register, value });
        }
        for (register, expected) in values.into_iter().enumerate() {
            let value = dense::get(&registers, register);
            if value != expected {
                return Err(format!(
                    "TESTFAILED Register {register} should be {expected} but is {value}"
                ));
            }
        }
    }
    Ok(())
}

fn estimates_are_close(seed: u64, sparse_bytes_max: usize) -> Result<(), String> {
    let mut dense_bytes = new()[..HEADER_BYTES].to_vec();
    dense_bytes[ENCODING_AT] = 0;
    dense_bytes.resize(DENSE_BYTES, 0);
    let mut sparse_bytes = new();
    let open = |bytes| Hll::open(bytes).map_err(|error| format!("TESTFAILED {error:?}"));
    let (mut dense, mut sparse) = (open(&mut dense_bytes)?, open(&mut sparse_bytes)?);
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        for hll in [&mut dense, &mut sparse] {
            let added = hll.add(&element, sparse_bytes_max);
            added.map_err(|error| format!("TESTFAILED {error:?}"))?;
        }
        if number == checkpoint {
            let small = number < sparse_bytes_max as u64 / 2;
            if small && sparse.encoding != HllEncoding::Sparse {
                return Err("TESTFAILED sparse encoding not used".to_owned());
            }
            check_estimates(number, &dense, &sparse)?;
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn check_estimates(elements: u64, dense: &Hll<'_>, sparse: &Hll<'_>) -> Result<(), String> {
    let estimate = dense.as_ref().estimate();
    if estimate != sparse.as_ref().estimate() {
        return Err("TESTFAILED dense/sparse disagree".to_owned());
    }
    let estimate = estimate.map_err(|error| format!("TESTFAILED {error:?}"))?;
    let standard = ERROR_CONSTANT / (REGISTERS as f64).sqrt();
    let allowed = match elements {
        // So few elements share a register now and then.
        10 => 1,
        _ => (standard * ERRORS_MAX * elements as f64).ceil() as u64,
    };
    let off = estimate.abs_diff(elements);
    if off > allowed {
        return Err(format!(
            "TESTFAILED Too big error. card:{elements} abserr:{off}"
        ));
    }
    Ok(())
}
