//! The failover lab, `redis-lab`: experiments with groups of servers and Sentinels.
//!
//! Who studies failover starts a few servers, cuts links, kills and stops nodes, moves roles, and
//! looks at what was lost and for how long nobody took writes. The lab is the harness for that, for
//! our binaries and for any other of the same protocol: a *keeper* process owns the nodes, every
//! connection between two of them, the clients that write, and the record of what happened; each
//! word of a script (`redis-lab kill m1`) is one request to it.
//!
//! ```text
//!   redis-lab kill m1 ──unix socket──► keeper ── processes ── m1 r1 r2 s1 s2 s3
//!                                        │ ├── relay: every connection between two hosts
//!                                        │ ├── writers: numbered writes, and what became of them
//!                                        │ ├── watch: INFO and log of each node
//!                                        └─┴── record.jsonl ──► report: HTML, JSON, one line
//! ```
//!
//! A host is an address of its own on the loopback interface ([`addresses`]): so a connection says
//! by its two ends which link it belongs to, and nobody needs privileges to disturb that link.
//!
//! The lab stands beside the server and uses none of it: what it measures must not depend on the
//! code that it measures.

pub mod addresses;
pub mod front;
pub mod hosts;
pub mod keeper;
pub mod load;
pub mod log;
pub mod model;
pub mod node;
pub mod plan;
pub mod relay;
pub mod report;
pub mod request;
pub mod view;
pub mod watch;
pub mod wire;
