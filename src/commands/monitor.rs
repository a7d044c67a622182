//! `MONITOR`: a client that sees every command that is run.
//!
//! It is no replica and no subscriber, but like them it gets what it did not ask for: a line for
//! each command, as [`super::observe`] words it, within the limits of output of ordinary clients.

use super::context::{CmdResult, Ctx};
use super::env::Env;
use super::error::CmdError;
use super::row::{CommandGroup, Flags, Row};
use super::session::{Kind, Session};
use crate::resp::args::Args;

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: CommandGroup::Server,
    summary: "Shows every command that the server runs from now on.",
    handler: monitor,
    ..Row::BASE
}];

fn monitor(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    if !ctx.may_block() {
        return Err(CmdError::err(
            "MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    if ctx.session.kind == Kind::Normal {
        ctx.session.kind = Kind::Monitor;
        ctx.env.add_monitor(ctx.session.id);
        ctx.reply.ok();
    }
    Ok(())
}

/// A client that may be a monitor is none any more.
pub fn forget(env: &mut Env, session: &mut Session) {
    if session.kind == Kind::Monitor {
        session.kind = Kind::Normal;
        env.remove_monitor(session.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    /// A rig in which client 9 sees every command.
    fn watched() -> Rig {
        let mut rig = Rig::new();
        assert_eq!(rig.run_as(9, "MONITOR"), "+OK\r\n");
        rig
    }

    /// What client 9 saw since the last call, without the time and its blanks.
    fn seen(rig: &mut Rig) -> Vec<String> {
        let lines = std::mem::take(&mut rig.host.delivered);
        let shown = |(to, line): (u64, String)| {
            assert_eq!(to, 9);
            let line = line.strip_prefix("+1700000000.000000 ");
            line.expect("the time").trim_end().to_owned()
        };
        lines.into_iter().map(shown).collect()
    }

    #[test]
    fn every_command_is_shown_with_its_database_and_its_words_quoted() {
        let mut rig = watched();
        rig.run("SET a \"b c\\x00\\\"\"");
        rig.run("SELECT 3");
        rig.run("get a");
        let expected = [
            r#"[0 lua] "SET" "a" "b c\x00\"""#,
            r#"[3 lua] "SELECT" "3""#,
            r#"[3 lua] "get" "a""#,
        ];
        assert_eq!(seen(&mut rig), expected);
    }

    #[test]
    fn administration_and_secrets_are_not_shown() {
        let mut rig = watched();
        rig.run("CONFIG SET requirepass secret");
        rig.run("CONFIG GET maxmemory");
        rig.run("AUTH secret");
        rig.run("HELLO 3 AUTH default secret");
        rig.run("NOSUCH");
        rig.run("GET");
        let expected = [
            r#"[0 lua] "AUTH" "(redacted)""#,
            r#"[0 lua] "HELLO" "3" "AUTH" "(redacted)" "(redacted)""#,
        ];
        assert_eq!(seen(&mut rig), expected);
    }

    #[test]
    fn a_transaction_is_shown_when_it_runs_and_its_end_comes_last() {
        let mut rig = watched();
        for line in ["MULTI", "SET a 1", "EXEC", "MULTI", "NOSUCH", "EXEC"] {
            rig.run(line);
        }
        let expected = ["MULTI", "SET\" \"a\" \"1", "EXEC", "MULTI", "EXEC"];
        let expected = expected.map(|words| format!("[0 lua] \"{words}\""));
        assert_eq!(seen(&mut rig), expected);
    }

    #[test]
    fn a_command_that_waits_is_shown_once() {
        let mut rig = watched();
        rig.run_as(2, "BLPOP a 0");
        rig.run("SET a 1");
        rig.run("DEL a");
        rig.run("RPUSH a 1");
        let expected = [
            "BLPOP\" \"a\" \"0",
            "SET\" \"a\" \"1",
            "DEL\" \"a",
            "RPUSH\" \"a\" \"1",
        ];
        let expected = expected.map(|words| format!("[0 lua] \"{words}\""));
        assert_eq!(seen(&mut rig), expected);
    }

    #[test]
    fn nobody_is_shown_anything_after_a_reset() {
        let mut rig = watched();
        assert_eq!(rig.run_as(9, "MONITOR"), "", "it does so already");
        let refusal = "-ERR Replica can't interact with the keyspace\r\n";
        assert_eq!(rig.run_as(9, "GET a"), refusal);
        assert_eq!(rig.run_as(9, "RESET"), "+RESET\r\n");
        rig.run("SET a 1");
        assert!(rig.host.delivered.is_empty());
        assert!(!rig.env.observers.see_all());
        assert_eq!(rig.run_as(9, "GET a"), "$1\r\n1\r\n");
    }

    #[test]
    fn a_transaction_cannot_begin_to_monitor() {
        let mut rig = Rig::new();
        rig.run("MULTI");
        rig.run("MONITOR");
        let refusal = "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n";
        assert_eq!(rig.run("EXEC"), refusal);
    }
}
