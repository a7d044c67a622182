//! A small client that can tell the moment at which a reply came.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answers.
#[derive(Debug, PartialEq)]
pub enum Reply {
    Text(String),
    Error(String),
    Integer(i64),
    Nil,
    List(Vec<Reply>),
}

impl Reply {
    pub fn text(&self) -> Option<&str> {
        match self {
            Reply::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub fn elements(&self) -> &[Reply] {
        match self {
            Reply::List(elements) => elements,
            _ => &[],
        }
    }

    /// A value of a list of names and values.
    pub fn field(&self, name: &str) -> Option<&str> {
        let elements = self.elements();
        let at = elements
            .iter()
            .step_by(2)
            .position(|element| element.text() == Some(name))?;
        elements.get(at * 2 + 1)?.text()
    }
}

/// A connection to a server at this machine. After an error it is to be dropped.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects; no later read or write takes longer than the patience given, if any is.
    pub fn connect(port: u16, patience: Option<Duration>) -> Result<Wire> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = match patience {
            Some(patience) => TcpStream::connect_timeout(&address, patience)?,
            None => TcpStream::connect(address)?,
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(patience)?;
        Ok(Wire {
            stream: BufReader::new(stream),
        })
    }

    pub fn ask(&mut self, words: &[&str]) -> Result<Reply> {
        self.send(words)?;
        self.read()
    }

    pub fn send(&mut self, words: &[&str]) -> Result<()> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())
    }

    pub fn read(&mut self) -> Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at(1);
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(integer(rest)?),
            "$" => match integer(rest)? {
                -1 => Reply::Nil,
                length => self.bulk(length as usize)?,
            },
            "*" => match integer(rest)? {
                -1 => Reply::Nil,
                count => Reply::List((0..count).map(|_| self.read()).collect::<Result<_>>()?),
            },
            _ => return Err(Error::other(format!("no reply begins with {line:?}"))),
        })
    }

    /// Something that ends a read which waits in another thread.
    pub fn closer(&self) -> Result<Closer> {
        Ok(Closer(self.stream.get_ref().try_clone()?))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(Error::other("the connection ended")),
        }
    }

    fn bulk(&mut self, length: usize) -> Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn integer(text: &str) -> Result<i64> {
    text.parse().map_err(Error::other)
}

/// See [`Wire::closer`].
pub struct Closer(TcpStream);

impl Closer {
    pub fn close(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
