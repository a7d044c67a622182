//! Floor 0: as much of HTTP/1.x as it takes to be asked for a page and to answer.
//!
//! Bytes in, requests out; an answer's head in bytes. There is no socket here and no page. What a
//! peer may send is bounded by [`request::HEAD_BYTES_MAX`]: one head of a request at a time, and
//! no body at all.

pub mod request;
pub mod response;
