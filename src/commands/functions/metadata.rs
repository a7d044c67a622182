//! The first line of a library: `#!engine name=NAME`.

use crate::base::quoting::split_args;

/// What a library says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// What its functions are written in.
    pub engine: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// Bytes of the line, without its end: lines keep their numbers.
    pub length: usize,
}

impl Metadata {
    /// Of a library.
    ///
    /// # Errors
    ///
    /// It does not begin with such a line. The text says what is wrong.
    pub fn of(code: &[u8]) -> Result<Metadata, Vec<u8>> {
        const INVALID: &[u8] = b"Invalid library metadata";
        if !code.starts_with(b"#!") {
            return Err(b"Missing library metadata".to_vec());
        }
        let length = code.iter().position(|b| *b == b'\n').ok_or(INVALID)?;
        let words = split_args(&code[..length]).ok_or(INVALID)?;
        let (engine, options) = words.split_first().ok_or(INVALID)?;
        let mut name = None;
        for option in options {
            let Some((key, value)) = option.split_at_checked(b"name=".len()) else {
                return Err(bad_value(option));
            };
            if !key.eq_ignore_ascii_case(b"name=") {
                return Err(bad_value(option));
            }
            if name.replace(value.to_vec()).is_some() {
                let why = "Invalid metadata value, name argument was given multiple times";
                return Err(why.into());
            }
        }
        Ok(Metadata {
            engine: engine.get(2..).unwrap_or_default().to_vec(),
            name: name.ok_or(b"Library name was not given")?,
            length,
        })
    }
}

fn bad_value(word: &[u8]) -> Vec<u8> {
    [b"Invalid metadata value given: ", word].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_engine_and_library() {
        let read = Metadata::of(b"#!lua NAME=l\nx").unwrap();
        assert_eq!((&read.engine[..], &read.name[..]), (&b"lua"[..], &b"l"[..]));
        assert_eq!(read.length, 12);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (code, why) in [
            ("", "Missing library metadata"),
            ("#!lua name=l", "Invalid library metadata"),
            ("#!lua name=\"l\nx", "Invalid library metadata"),
            ("#!lua\nx", "Library name was not given"),
            ("#!lua nam\nx", "Invalid metadata value given: nam"),
            ("#!lua name=l a=1\nx", "Invalid metadata value given: a=1"),
            (
                "#!lua name=l name=l\nx",
                "Invalid metadata value, name argument was given multiple times",
            ),
        ] {
            assert_eq!(Metadata::of(code.as_bytes()), Err(why.into()), "{code}");
        }
    }
}
