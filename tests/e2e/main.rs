//! End-to-end tests: the running server as its users meet it, one sentence of behaviour a test.
//!
//! All of them are one binary, which keeps linking short. What stands behind them (starting
//! servers, breaking links, comparing data) is in `harness/`.

mod harness;

mod acl;
mod aof;
mod basics;
mod buffers;
mod busy;
mod caching;
mod check_aof;
mod command_line;
mod command_table;
mod config;
mod crash_resync;
mod differential;
mod digest;
mod disks;
mod expired;
mod failover;
mod families;
mod fault_runs;
mod faults;
mod figures;
mod foreign;
mod full_sync;
mod functions;
mod getkeys;
mod handover;
mod holding;
mod hostile;
mod interop;
mod lab;
mod lag;
mod libraries;
mod limits;
mod lineage;
mod listening;
mod lost_writes;
mod messages;
mod metrics;
mod numbers;
mod observation;
mod operations;
mod peers;
mod persistence;
mod protocol;
mod replication;
mod resync;
mod scripts;
mod security;
mod sentinel;
mod sentinel_files;
mod startup;
mod supervision;
mod tls;
mod tools;
mod transactions;
mod types;
mod values;
mod wait;
mod waiting;
mod watchdogs;
