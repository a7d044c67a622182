//! The files in the folder of a lab, beside the folders of its nodes.

/// The socket in the folder of a lab that requests come by.
pub const CONTROL_SOCKET: &str = "control.sock";
/// The plan, by which a folder is known as that of a lab.
pub const PLAN_FILE: &str = "plan.json";
/// The record.
pub const RECORD_FILE: &str = "record.jsonl";
/// Why a keeper has ended badly.
pub const ERROR_FILE: &str = "keeper.err";
