//! The heads of requests, read from whatever pieces they come in.
//!
//! A [`Reader`] is given bytes and gives requests. It is as strict as RFC 9112 wants a server to be
//! where something could be read in two ways, and takes a line end without its carriage return,
//! which people type. A body is not read: whoever sends one is answered, and then the connection is
//! at its end, since what follows could not be told from another request.

/// Bytes of the longest head of a request, its line and the empty one behind it included.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Show the page.
    Get,
    /// Show what would stand above the page.
    Head,
    /// Something else.
    Other,
}

/// A request whose head has all come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// With which page: its path, without what follows a question mark.
    pub path: Vec<u8>,
    /// The peer speaks HTTP/1.0.
    pub is_old: bool,
    /// The connection may serve another request afterwards.
    pub keeps_alive: bool,
}

/// Why there is nothing to be done but to say so and to close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// That is no request.
    Malformed,
    /// Its head is too long.
    TooLong,
    /// It is of another version of HTTP.
    Version,
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Reader {
    bytes: Vec<u8>,
    /// No head ends before this place.
    searched: usize,
}

impl Reader {
    /// How many bytes it can take now.
    pub fn room(&self) -> usize {
        HEAD_BYTES_MAX - self.bytes.len().min(HEAD_BYTES_MAX)
    }

    /// Where bytes go that have come, at most [`room`](Self::room) of them.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether nothing of a request has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next request, if all of its head is there.
    ///
    /// # Errors
    ///
    /// There is none, and there will be none.
    pub fn next_request(&mut self) -> Result<Option<Request>, Refusal> {
        self.skip_empty_lines();
        let Some(length) = self.head_length() else {
            return match self.room() {
                0 => Err(Refusal::TooLong),
                _ => Ok(None),
            };
        };
        let request = parse(&self.bytes[..length]);
        self.bytes.drain(..length);
        self.searched = 0;
        request.map(Some)
    }

    /// Some send an empty line behind the request before.
    fn skip_empty_lines(&mut self) {
        let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let empty = self.bytes.iter().take_while(is_end).count();
        if empty > 0 {
            self.bytes.drain(..empty);
            self.searched = 0;
        }
    }

    /// How long the head is, up to and with the empty line.
    fn head_length(&mut self) -> Option<usize> {
        while let Some(at) = self.bytes[self.searched..].iter().position(|b| *b == b'\n') {
            let next = self.searched + at + 1;
            match self.bytes[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                // What comes next decides, so this line end is looked at again.
                [] | [b'\r'] => {
                    self.searched = next - 1;
                    return None;
                }
                _ => self.searched = next,
            }
        }
        self.searched = self.bytes.len();
        None
    }
}

fn parse(head: &[u8]) -> Result<Request, Refusal> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    let minor = minor_version(version)?;
    if !is_token(method) || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::Malformed);
    }
    let mut headers = Headers::default();
    for line in lines {
        headers.take(line)?;
    }
    let is_old = minor == 0;
    if headers.hosts > 1 || headers.hosts == 0 && !is_old {
        return Err(Refusal::Malformed);
    }
    let asked = headers.keep_alive || !is_old;
    Ok(Request {
        method: match method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            _ => Method::Other,
        },
        path: path_of(target)?,
        is_old,
        keeps_alive: asked && !headers.close && !headers.has_body,
    })
}

/// The second number of a version whose first is 1.
fn minor_version(version: &[u8]) -> Result<u8, Refusal> {
    match version {
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Ok(1),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::Malformed),
    }
}

/// The path in what a request names: `/path?…` or, as to a proxy, `http://host/path?…`.
fn path_of(target: &[u8]) -> Result<Vec<u8>, Refusal> {
    let scheme = target.get(..7);
    let is_absolute = scheme.is_some_and(|s| s.eq_ignore_ascii_case(b"http://"));
    let path = match is_absolute {
        true => {
            let behind = &target[7..];
            let slash = behind.iter().position(|byte| *byte == b'/');
            slash.map_or(&b"/"[..], |at| &behind[at..])
        }
        false => target,
    };
    if path.first() != Some(&b'/') && path != b"*" {
        return Err(Refusal::Malformed);
    }
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    Ok(path[..end.unwrap_or(path.len())].to_vec())
}

/// What the lines behind the first say, as far as it matters.
#[derive(Default)]
struct Headers {
    hosts: usize,
    close: bool,
    keep_alive: bool,
    has_body: bool,
}

impl Headers {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.ok_or(Refusal::Malformed)?);
        let value = value[1..].trim_ascii();
        // A blank in the name may also be a line that goes on, or one that others read otherwise.
        if !is_token(name) || value.iter().any(|byte| is_control(*byte)) {
            return Err(Refusal::Malformed);
        }
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("host") {
            self.hosts += 1;
        } else if is("connection") {
            for option in value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("content-length") {
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(Refusal::Malformed);
            }
            self.has_body |= value.iter().any(|digit| *digit != b'0');
        } else if is("transfer-encoding") {
            self.has_body = true;
        }
        Ok(())
    }
}

fn is_control(byte: u8) -> bool {
    byte != b'\t' && (byte < b' ' || byte == 0x7f)
}

/// Whether this is a word of HTTP.
fn is_token(word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !word.is_empty() && word.iter().all(is_part)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
