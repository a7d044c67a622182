//! The heads of answers.

use std::io::Write as _;

/// How a request went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Here it is.
    Ok,
    /// That was no request.
    BadRequest,
    /// There is no such page.
    NotFound,
    /// Pages are only shown here.
    MethodNotAllowed,
    /// The head of the request is too long.
    HeadTooLong,
    /// That version of HTTP is not spoken here.
    Version,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::HeadTooLong => "431 Request Header Fields Too Large",
            Status::Version => "505 HTTP Version Not Supported",
        }
    }

    /// What people are told.
    pub fn words(self) -> &'static str {
        let line = self.line();
        line.split_once(' ').map_or(line, |(_, words)| words)
    }
}

/// What stands above a page.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// How it went.
    pub status: Status,
    /// What kind of page it is.
    pub content_type: &'static str,
    /// How many bytes it has.
    pub length: usize,
    /// Whether the connection may serve another request.
    pub keeps_alive: bool,
}

impl Head {
    /// Appends it, with the empty line that ends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Head {
            status,
            content_type,
            length,
            keeps_alive,
        } = *self;
        let connection = if keeps_alive { "keep-alive" } else { "close" };
        let allow = match status {
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        write!(
            out,
            "HTTP/1.1 {}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             {allow}Connection: {connection}\r\n\r\n",
            status.line()
        )
        .expect("a vector takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_follows() {
        let mut head = Head {
            status: Status::Ok,
            content_type: "text/plain",
            length: 12,
            keeps_alive: true,
        };
        let mut out = Vec::new();
        head.write(&mut out);
        assert_eq!(
            out,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\
              Connection: keep-alive\r\n\r\n"
        );
        head.status = Status::MethodNotAllowed;
        head.keeps_alive = false;
        out.clear();
        head.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n"),
            "{text}"
        );
        assert_eq!(
            Status::HeadTooLong.words(),
            "Request Header Fields Too Large"
        );
    }
}
