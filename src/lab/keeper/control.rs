//! The socket by which requests come: a line of JSON each, answered by a line of JSON.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use super::files::CONTROL_SOCKET;
use super::state::Message;
use crate::lab::request::{Answer, Request};

/// Bytes of a request.
const REQUEST_BYTES_MAX: u64 = 1024 * 1024;
/// Whoever has connected says in this time what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon a connection is accepted that could not be before.
const RETRY_EVERY: Duration = Duration::from_millis(20);
/// The name of the socket until it listens.
const NEW_SOCKET: &str = "control.new";

/// The path of the folder, short enough for a socket in it: a socket's address takes a hundred
/// bytes or so, so the folder is named by a descriptor that must stay open meanwhile.
fn folder_path(folder: &Path) -> io::Result<(File, PathBuf)> {
    let folder = File::open(folder)?;
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok((folder, path.into()))
}

/// Takes requests from now on, each connection in a thread of its own.
pub(super) fn listen(folder: &Path, to: &Sender<Message>) -> io::Result<()> {
    let (_folder, path) = folder_path(folder)?;
    // Whoever waits for the socket to be there wants it to listen.
    let listener = UnixListener::bind(path.join(NEW_SOCKET))?;
    fs::rename(path.join(NEW_SOCKET), path.join(CONTROL_SOCKET))?;
    let to = to.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Most likely there is no descriptor left.
                thread::sleep(RETRY_EVERY);
                continue;
            };
            let to = to.clone();
            thread::spawn(move || {
                // Who sends nonsense, or has gone, gets no answer.
                let _ = serve(&stream, &to);
            });
        }
    });
    Ok(())
}

fn serve(stream: &UnixStream, to: &Sender<Message>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_BYTES_MAX)).read_line(&mut line)?;
    let answer = match serde_json::from_str::<Request>(&line) {
        Err(e) => Answer::Failed {
            why: format!("a request that makes no sense: {e}"),
        },
        Ok(request) => {
            let (reply, answered) = channel();
            let sent = to.send(Message::Asked(request, reply));
            let answer = sent.ok().and_then(|()| answered.recv().ok());
            answer.unwrap_or_else(|| Answer::Failed {
                why: "the lab has ended".to_owned(),
            })
        }
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    let mut stream = stream;
    stream.write_all(&answer)
}

/// Asks the keeper of a folder, and waits for its answer.
///
/// # Errors
///
/// There is no keeper, or it has ended meanwhile.
pub fn ask(folder: &Path, request: &Request) -> io::Result<Answer> {
    let (_folder, path) = folder_path(folder)?;
    let mut stream = UnixStream::connect(path.join(CONTROL_SOCKET))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(serde_json::from_str(&answer)?),
    }
}
