//! `bit`: operations on the bits of 32-bit integers.
//!
//! A number is rounded to an integer and cut to its lowest 32 bits; results are signed.

use mlua::{Lua, MultiValue, Table};

use crate::commands::scripting::given::Given;

type Unary = fn(u32) -> u32;
type Combine = fn(u32, u32) -> u32;

const UNARY: [(&str, Unary); 3] = [
    ("tobit", |x| x),
    ("bnot", |x| !x),
    ("bswap", u32::swap_bytes),
];

const COMBINING: [(&str, Combine); 3] = [
    ("band", |x, y| x & y),
    ("bor", |x, y| x | y),
    ("bxor", |x, y| x ^ y),
];

/// Of the distance, only the lowest five bits count.
const SHIFTING: [(&str, Combine); 5] = [
    ("lshift", |x, n| x << (n & 31)),
    ("rshift", |x, n| x >> (n & 31)),
    ("arshift", |x, n| (x as i32 >> (n & 31)) as u32),
    ("rol", |x, n| x.rotate_left(n & 31)),
    ("ror", |x, n| x.rotate_right(n & 31)),
];

/// Makes the library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    for (name, operation) in UNARY {
        let function = move |lua: &Lua, given: MultiValue| {
            let given = Given::new(lua, name, given);
            bits(&given, 0).map(|x| signed(operation(x)))
        };
        bit.raw_set(name, lua.create_function(function)?)?;
    }
    for (name, operation) in COMBINING {
        let function = move |lua: &Lua, given: MultiValue| {
            let given = Given::new(lua, name, given);
            let mut result = bits(&given, 0)?;
            for at in 1..given.len() {
                result = operation(result, bits(&given, at)?);
            }
            Ok(signed(result))
        };
        bit.raw_set(name, lua.create_function(function)?)?;
    }
    for (name, operation) in SHIFTING {
        let function = move |lua: &Lua, given: MultiValue| {
            let given = Given::new(lua, name, given);
            Ok(signed(operation(bits(&given, 0)?, bits(&given, 1)?)))
        };
        bit.raw_set(name, lua.create_function(function)?)?;
    }
    bit.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(bit)
}

fn bits(given: &Given<'_>, at: usize) -> mlua::Result<u32> {
    const MODULUS: f64 = 4_294_967_296.0;
    let number = given.number(at)?.round_ties_even();
    Ok(number.rem_euclid(MODULUS) as u32)
}

fn signed(bits: u32) -> f64 {
    f64::from(bits as i32)
}

/// The lowest digits, so many as are asked for; capitals where that number is negative.
fn tohex(lua: &Lua, given: MultiValue) -> mlua::Result<String> {
    let given = Given::new(lua, "tohex", given);
    let number = bits(&given, 0)?;
    let digits = match given.len() {
        0 | 1 => 8,
        _ => bits(&given, 1)? as i32,
    };
    let text = match digits < 0 {
        true => format!("{number:08X}"),
        false => format!("{number:08x}"),
    };
    let shown = (digits.unsigned_abs() as usize).min(8);
    Ok(text[8 - shown..].to_owned())
}
