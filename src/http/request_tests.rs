//! Requests in pieces, requests that are none, and how much of them is kept.

use super::*;
use crate::base::rng::Rng;

/// All requests in these bytes, which come at once.
fn read(bytes: &[u8]) -> Result<Vec<Request>, Refusal> {
    read_pieces(&[bytes])
}

/// All requests in these bytes, which come piece by piece.
fn read_pieces(pieces: &[&[u8]]) -> Result<Vec<Request>, Refusal> {
    let mut reader = Reader::default();
    let mut requests = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        loop {
            let (now, later) = piece.split_at(piece.len().min(reader.room()));
            reader.buffer().extend_from_slice(now);
            piece = later;
            while let Some(request) = reader.next_request()? {
                requests.push(request);
            }
            if piece.is_empty() {
                break;
            }
        }
    }
    Ok(requests)
}

fn one(bytes: &[u8]) -> Request {
    let requests = read(bytes).expect("a request");
    let [request] = &requests[..] else {
        panic!("one request: {requests:?}");
    };
    request.clone()
}

const USUAL: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost:9121\r\n\
User-Agent: Prometheus/2.42.0\r\nAccept: application/openmetrics-text;version=1.0.0,\
text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\nAccept-Encoding: gzip\r\n\
X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";

#[test]
fn a_scrape_of_prometheus_is_read_wherever_it_is_cut() {
    let expected = Request {
        method: Method::Get,
        path: b"/metrics".to_vec(),
        is_old: false,
        keeps_alive: true,
    };
    for at in 0..=USUAL.len() {
        let (one, two) = USUAL.split_at(at);
        let read = read_pieces(&[one, two]);
        assert_eq!(read, Ok(vec![expected.clone()]), "cut at {at}");
    }
    let bytes: Vec<&[u8]> = USUAL.chunks(1).collect();
    assert_eq!(read_pieces(&bytes), Ok(vec![expected]));
}

#[test]
fn requests_that_come_together_are_told_apart() {
    let text = [USUAL, b"\r\n", b"HEAD / HTTP/1.1\nhost: a\n\n", USUAL].concat();
    for at in 0..=text.len() {
        let (one, two) = text.split_at(at);
        let requests = read_pieces(&[one, two]).expect("requests");
        let methods: Vec<Method> = requests.iter().map(|request| request.method).collect();
        assert_eq!(methods, [Method::Get, Method::Head, Method::Get], "{at}");
        assert_eq!(requests[1].path, b"/");
    }
}

#[test]
fn methods_and_paths_are_read() {
    for (line, method, path) in [
        ("GET / HTTP/1.0", Method::Get, "/"),
        ("HEAD /metrics?name=a&b HTTP/1.0", Method::Head, "/metrics"),
        ("GET http://a:1/metrics HTTP/1.0", Method::Get, "/metrics"),
        ("GET HTTP://a HTTP/1.0", Method::Get, "/"),
        ("POST /metrics HTTP/1.0", Method::Other, "/metrics"),
        ("get /metrics HTTP/1.0", Method::Other, "/metrics"),
        ("OPTIONS * HTTP/1.0", Method::Other, "*"),
    ] {
        let request = one(format!("{line}\r\n\r\n").as_bytes());
        assert_eq!(
            (request.method, &request.path[..]),
            (method, path.as_bytes())
        );
        assert!(request.is_old && !request.keeps_alive);
    }
}

#[test]
fn a_connection_is_kept_when_both_may_and_want_to() {
    for (text, keeps) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            false,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nconnection: TE, Close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        (
            "GET / HTTP/1.9\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            true,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
            false,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            false,
        ),
    ] {
        assert_eq!(one(text.as_bytes()).keeps_alive, keeps, "{text}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    for text in [
        "PING\r\n\r\n",
        "*1\r\n$4\r\nPING\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/11\r\nHost: a\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    ] {
        assert_eq!(read(text.as_bytes()), Err(Refusal::Malformed), "{text:?}");
    }
    for text in ["PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n"] {
        assert_eq!(read(text.as_bytes()), Err(Refusal::Version), "{text:?}");
    }
}

#[test]
fn a_head_may_be_so_long_and_no_longer() {
    let of_length = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        let filler = "x".repeat(bytes - start.len() - 4);
        format!("{start}{filler}\r\n\r\n")
    };
    let longest = of_length(HEAD_BYTES_MAX);
    assert_eq!(one(longest.as_bytes()).path, b"/");
    let longer = of_length(HEAD_BYTES_MAX + 1);
    assert_eq!(read(longer.as_bytes()), Err(Refusal::TooLong));
    let endless = [b'x'; 2 * HEAD_BYTES_MAX];
    assert_eq!(read(&endless), Err(Refusal::TooLong));
    // Empty lines are of no request, however many.
    let patient = ["\r\n".repeat(HEAD_BYTES_MAX), longest].concat();
    assert_eq!(one(patient.as_bytes()).path, b"/");
}

#[test]
fn no_bytes_at_all_bring_the_reader_down() {
    let words: &[&[u8]] = &[
        b"GET ",
        b"/",
        b" HTTP/1.1",
        b"\r\n",
        b"\n",
        b"\r",
        b"Host: a",
        b":",
        b" ",
        b"\0",
        b"\xff",
        b"content-length: ",
        b"9",
    ];
    let mut rng = Rng::from_seed(7);
    for _ in 0..20_000 {
        let count = rng.below(12);
        let pick = |_| words[rng.below(words.len() as u64) as usize];
        let pieces: Vec<&[u8]> = (0..count).map(pick).collect();
        let whole = pieces.concat();
        let (split, joined) = (read_pieces(&pieces), read(&whole));
        assert_eq!(split, joined, "{whole:?}");
    }
}
