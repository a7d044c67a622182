//! Reads JSON.
//!
//! What is expected where, and what was found instead, is told in the words of the reference.

use mlua::{Lua, Value};

use super::json_settings::Settings;
use crate::base::numbers::parse_f64_lenient;
use crate::commands::scripting::given::Given;

/// Arrays and objects are followed no deeper than this, whatever a script sets: the stack has an
/// end.
const NESTING_MAX: usize = 2000;

/// The argument, which is JSON, as a value.
pub fn decode(lua: &Lua, given: &Given<'_>, settings: Settings) -> mlua::Result<Value> {
    let text = given.string(0)?;
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(given.fail("JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut reader = Reader {
        lua,
        given,
        settings,
        text: &text,
        at: 0,
        begun: 0,
    };
    let first = reader.next();
    let value = reader.value(first, 0)?;
    match reader.next() {
        Token::End => Ok(value),
        other => Err(reader.unexpected("the end", &other)),
    }
}

/// What a text consists of.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    End,
    /// Nothing that is known, for this reason.
    Bad(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::Text(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::End => "T_END",
            Token::Bad(why) => why,
        }
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    given: &'a Given<'a>,
    settings: Settings,
    text: &'a [u8],
    at: usize,
    /// Where the last token began, or broke.
    begun: usize,
}

impl Reader<'_> {
    fn unexpected(&self, wanted: &str, found: &Token) -> mlua::Error {
        let (found, place) = (found.name(), self.begun + 1);
        self.given.fail(&format!(
            "Expected {wanted} but found {found} at character {place}"
        ))
    }

    // ---- Values ----

    fn value(&mut self, token: Token, depth: usize) -> mlua::Result<Value> {
        match token {
            Token::Text(text) => self.lua.create_string(text).map(Value::String),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Boolean(truth) => Ok(Value::Boolean(truth)),
            Token::Null => Ok(Value::NULL),
            Token::ArrayBegin => self.array(depth + 1),
            Token::ObjectBegin => self.object(depth + 1),
            other => Err(self.unexpected("value", &other)),
        }
    }

    fn check_depth(&self, depth: usize) -> mlua::Result<()> {
        if depth <= self.settings.decode_depth_max.min(NESTING_MAX) {
            return Ok(());
        }
        let place = self.at;
        Err(self.given.fail(&format!(
            "Found too many nested data structures ({depth}) at character {place}"
        )))
    }

    fn array(&mut self, depth: usize) -> mlua::Result<Value> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if let Token::ArrayEnd = token {
            return Ok(Value::Table(table));
        }
        for at in 1.. {
            let value = self.value(token, depth)?;
            table.raw_set(at, value)?;
            match self.next() {
                Token::ArrayEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
        Ok(Value::Table(table))
    }

    fn object(&mut self, depth: usize) -> mlua::Result<Value> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if let Token::ObjectEnd = token {
            return Ok(Value::Table(table));
        }
        loop {
            let Token::Text(key) = token else {
                return Err(self.unexpected("object key string", &token));
            };
            match self.next() {
                Token::Colon => {}
                other => return Err(self.unexpected("colon", &other)),
            }
            let next = self.next();
            let value = self.value(next, depth)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            match self.next() {
                Token::ObjectEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
        Ok(Value::Table(table))
    }

    // ---- Tokens ----

    fn bad(&mut self, why: &'static str) -> Token {
        self.begun = self.at;
        Token::Bad(why)
    }

    fn next(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let blanks = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
        self.at += blanks;
        self.begun = self.at;
        let rest = &rest[blanks..];
        let Some(first) = rest.first() else {
            return Token::End;
        };
        let single = match first {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.text(),
            b'-' | b'0'..=b'9' => return self.number(),
            _ => return self.word(),
        };
        self.at += 1;
        single
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let (length, token) = if rest.starts_with(b"true") {
            (4, Token::Boolean(true))
        } else if rest.starts_with(b"false") {
            (5, Token::Boolean(false))
        } else if rest.starts_with(b"null") {
            (4, Token::Null)
        } else if self.settings.decode_invalid && is_strange(rest) {
            return self.number();
        } else {
            return self.bad("invalid token");
        };
        self.at += length;
        token
    }

    fn number(&mut self) -> Token {
        let rest = &self.text[self.at..];
        if !self.settings.decode_invalid && is_strange(rest) {
            return self.bad("invalid number");
        }
        let number = &rest[..number_length(rest)];
        let is_nan = number.to_ascii_lowercase().ends_with(b"nan");
        let value = match is_nan {
            true => Some(f64::NAN),
            false => parse_f64_lenient(number).filter(|_| !number.is_empty()),
        };
        if let Some(value) = value {
            self.at += number.len();
            return Token::Number(value);
        }
        self.bad("invalid number")
    }

    fn text(&mut self) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            match rest {
                [b'"', ..] => break,
                [] | [0, ..] => return self.bad("unexpected end of string"),
                [b'\\', b'u', ..] => match unicode_escape(rest) {
                    Some((character, length)) => {
                        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                        self.at += length;
                    }
                    None => return self.bad("invalid unicode escape code"),
                },
                [b'\\', letter, ..] => {
                    text.push(match letter {
                        b'"' | b'\\' | b'/' => *letter,
                        b'b' => 0x08,
                        b't' => 0x09,
                        b'n' => 0x0a,
                        b'f' => 0x0c,
                        b'r' => 0x0d,
                        _ => return self.bad("invalid escape code"),
                    });
                    self.at += 2;
                }
                [b'\\'] => return self.bad("invalid escape code"),
                [plain, ..] => {
                    text.push(*plain);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::Text(text)
    }
}

/// How long the number is that a text begins with; more may follow it.
fn number_length(text: &[u8]) -> usize {
    let run = |from: usize, is: fn(&u8) -> bool| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| is(b)).count()
    };
    let sign = run(0, |b| matches!(b, b'+' | b'-')).min(1);
    let unsigned = &text[sign..];
    for word in [&b"infinity"[..], b"inf", b"nan"] {
        let start = unsigned.get(..word.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return sign + word.len();
        }
    }
    if let [b'0', b'x' | b'X', digit, ..] = unsigned
        && digit.is_ascii_hexdigit()
    {
        return sign + 2 + run(sign + 2, u8::is_ascii_hexdigit);
    }
    let whole = run(sign, u8::is_ascii_digit);
    let mut length = sign + whole;
    let mut digits = whole;
    if text.get(length) == Some(&b'.') {
        let fraction = run(length + 1, u8::is_ascii_digit);
        digits += fraction;
        length += 1 + fraction;
    }
    if digits == 0 {
        return 0;
    }
    if let Some(b'e' | b'E') = text.get(length) {
        let sign = run(length + 1, |b| matches!(b, b'+' | b'-')).min(1);
        let exponent = run(length + 1 + sign, u8::is_ascii_digit);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// Whether a number is begun that JSON does not know: with a plus or a leading zero, hexadecimal,
/// without end, or none at all.
fn is_strange(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let begins = |word: &[u8]| {
        let start = unsigned.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    match unsigned {
        _ if text.starts_with(b"+") => true,
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        _ => begins(b"inf") || begins(b"nan"),
    }
}

/// The character that an escape stands for, or two that make a pair, and the length of it.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |text: &[u8]| -> Option<u32> {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        let all = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| all)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = unit(text)?;
    if !(0xD800..0xE000).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    let low = unit(text.get(6..)?)?;
    if high >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    let character = 0x1_0000 + ((high - 0xD800) << 10 | (low - 0xDC00));
    Some((char::from_u32(character)?, 12))
}
