//! What units yield: of one command, of several, of commands within commands; and that nothing but
//! what a command says of itself decides whether it goes along.

use std::sync::OnceLock;

use super::super::FAMILIES;
use super::super::call::call;
use super::super::context::{CmdResult, CommandTable, Ctx};
use super::super::row::Row;
use super::super::stats::Stats;
use super::super::table::Mode;
use super::super::testing::Rig;
use super::*;
use crate::base::quoting::split_args;
use crate::resp::args::OwnedArgs;

/// Commands that no family has.
static ROWS: &[Row] = &[
    Row {
        name: "change-and-save",
        arity: 1,
        handler: change_and_save,
        ..Row::BASE
    },
    Row {
        name: "save-and-change",
        arity: 1,
        handler: save_and_change,
        ..Row::BASE
    },
    Row {
        name: "change-nothing",
        arity: 1,
        handler: change_nothing,
        ..Row::BASE
    },
    Row {
        name: "run",
        arity: -1,
        handler: run,
        ..Row::BASE
    },
];

/// A save, as far as the count of changes goes.
fn save(ctx: &mut Ctx<'_>) {
    ctx.env.persistence.dirty = 0;
}

fn change_and_save(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.changed(1);
    save(ctx);
    Ok(())
}

fn save_and_change(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    save(ctx);
    ctx.changed(1);
    Ok(())
}

fn change_nothing(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.changed(0);
    Ok(())
}

/// Changes something, then runs commands within itself, as a script does; each argument is one.
fn run(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.changed(1);
    ctx.nested(|ctx| {
        for line in args.iter_from(1) {
            let argv = OwnedArgs::new(split_args(line).expect("balanced quotes"));
            let table = ctx.table;
            let command = table.find(&argv.args()).expect("a command");
            call(ctx, command, &mut argv.args());
            assert!(!ctx.env.unit.has_changed(), "its mark went with it");
        }
    });
    assert!(ctx.env.unit.has_changed(), "its own mark is there again");
    Ok(())
}

/// A server that knows the commands above, too, where ten changes wait to be saved.
fn rig() -> Rig {
    static TABLE: OnceLock<CommandTable> = OnceLock::new();
    let families = [FAMILIES, &[ROWS]].concat();
    let table =
        TABLE.get_or_init(|| CommandTable::build(Mode::Server, &families, &[]).expect("a table"));
    let mut rig = Rig::new();
    rig.table = table;
    rig.env.stats = Stats::new(table.counted());
    rig.env.persistence.dirty = 10;
    rig.run("PUBLISH the database");
    rig.propagated();
    rig
}

/// What these lines propagate.
fn propagated(lines: &[&str]) -> Vec<String> {
    let mut rig = rig();
    for line in lines {
        let reply = rig.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    assert!(rig.env.unit.is_unmarked() && !rig.env.unit.is_nested());
    rig.propagated()
}

#[test]
fn a_save_within_a_command_hides_no_change() {
    for name in ["change-and-save", "save-and-change"] {
        assert_eq!(propagated(&[name]), [name]);
        assert_eq!(propagated(&[&format!("run {name}")]), [name]);
        assert_eq!(propagated(&["MULTI", name, "EXEC"]), [name]);
    }
    assert!(propagated(&["change-nothing"]).is_empty());
}

#[test]
fn a_transaction_that_saves_propagates_what_it_changed() {
    let lines = ["MULTI", "SET a 1", "change-and-save", "FLUSHALL", "SET b 1"];
    let expected = [&lines[..], &["EXEC"]].concat();
    assert_eq!(propagated(&expected), expected);
}

#[test]
fn units_within_a_unit_leave_with_the_outermost() {
    let lines = [
        "MULTI",
        "SET a 1",
        "run 'INCR a' 'run \"INCR b\" save-and-change' change-nothing",
        "GET a",
        "SPOP nothing",
        "EXEC",
    ];
    let expected = [
        "MULTI",
        "SET a 1",
        "INCR a",
        "INCR b",
        "save-and-change",
        "EXEC",
    ];
    assert_eq!(propagated(&lines), expected);
    assert_eq!(propagated(&["run 'run \"INCR b\"'"]), ["INCR b"]);
}

#[test]
fn a_command_within_another_waits_for_nothing() {
    let mut rig = rig();
    assert_eq!(rig.run("run 'BLPOP a 0' 'SET b 1'"), "*-1\r\n+OK\r\n");
    assert!(rig.env.waiters.is_empty());
    rig.run("BLPOP a 0");
    assert_eq!(rig.env.waiters.len(), 1);
}

#[test]
fn what_is_in_a_unit_belongs_to_one_transaction_unless_it_was_met_by_the_way() {
    let mut rig = rig();
    for line in [
        "SET a 1 PX 1",
        "SET b 1 PX 1",
        "SET c 1 PX 1",
        "SET d 1 PX 1",
    ] {
        rig.run(line);
    }
    rig.advance_ms(2);
    rig.propagated();
    rig.run("MGET a b");
    assert_eq!(rig.propagated(), ["MULTI", "DEL a", "DEL b", "EXEC"]);
    rig.run("SCAN 0");
    let mut stream = rig.propagated();
    stream.sort();
    assert_eq!(stream, ["DEL c", "DEL d"]);
}

#[test]
#[should_panic(expected = "a unit ends with its outermost command")]
fn no_unit_ends_within_another() {
    let mut rig = rig();
    let mut reply = crate::resp::writer::Reply::default();
    let mut ctx = Ctx {
        env: &mut rig.env,
        session: &mut rig.session,
        reply: &mut reply,
        table: rig.table,
        host: &mut rig.host,
    };
    ctx.nested(|ctx| {
        ctx.env.propagate(0, &[b"DEL", b"a"]);
        ctx.env.end_unit();
    });
}
