//! What libraries can be, how their functions are called, and what others hear of them.

use super::libraries::{Libraries, Taken};
use crate::commands::keys::dump::payload_options;
use crate::commands::testing::Rig;
use crate::persist::rdb::payload::dump_libraries;
use crate::resp::writer::Protocol;
use crate::sys::clock::CycleClock;

const ECHO: &str = "#!lua name=echo\n\
                    redis.register_function('echo', function(keys, argv)\n\
                    return {keys, argv} end)";

fn load(rig: &mut Rig, code: &str) -> String {
    rig.run_words(&["FUNCTION", "LOAD", code])
}

/// A library with one function, which does this.
fn with(rig: &mut Rig, flags: &str, body: &str) -> String {
    let code = format!(
        "#!lua name=lib\nredis.register_function{{function_name='f', flags={{{flags}}}, \
         callback=function(keys, argv) {body} end}}"
    );
    rig.run_words(&["FUNCTION", "LOAD", "REPLACE", &code])
}

/// The payload of `FUNCTION DUMP`.
fn dump(rig: &mut Rig) -> Vec<u8> {
    let payload = dump_libraries(rig.env.functions.codes(), payload_options(&rig.env));
    assert!(
        rig.run("FUNCTION DUMP")
            .starts_with(&format!("${}\r\n", payload.len()))
    );
    payload
}

fn restore(rig: &mut Rig, payload: &[u8], policy: &[u8]) -> String {
    rig.run_words(&[&b"FUNCTION"[..], b"RESTORE", payload, policy])
}

#[test]
fn a_function_is_given_its_keys_and_arguments() {
    let mut rig = Rig::new();
    assert_eq!(load(&mut rig, ECHO), "$4\r\necho\r\n");
    assert_eq!(
        rig.run("FCALL ECHO 1 k a"),
        "*2\r\n*1\r\n$1\r\nk\r\n*1\r\n$1\r\na\r\n"
    );
    assert_eq!(rig.run("FCALL echo 0"), "*2\r\n*0\r\n*0\r\n");
    for (command, refusal) in [
        ("FCALL nope 0", "Function not found"),
        ("FCALL nope x", "Function not found"),
        ("FCALL echo x", "Bad number of keys provided"),
        (
            "FCALL echo 1",
            "Number of keys can't be greater than number of args",
        ),
        ("FCALL echo -1", "Number of keys can't be negative"),
        (
            "FCALL_RO echo 0",
            "Can not execute a script with write flag using *_ro command.",
        ),
    ] {
        assert_eq!(rig.run(command), format!("-ERR {refusal}\r\n"), "{command}");
    }
}

#[test]
fn what_a_library_must_not_be() {
    let mut rig = Rig::new();
    load(&mut rig, ECHO);
    let registering = "Error registering functions: ERR ";
    for (code, refusal) in [
        ("", "Missing library metadata".to_owned()),
        ("#!js name=l\nx", "Engine 'js' not found".to_owned()),
        (
            "#!lua name=a-b\nx",
            "Library names can only contain letters, numbers, or underscores(_) and must be at \
             least one character long"
                .to_owned(),
        ),
        (ECHO, "Library 'echo' already exists".to_owned()),
        (
            "#!lua name=l\nreturn 1",
            "No functions registered".to_owned(),
        ),
        (
            "#!lua name=l\nx y",
            "Error compiling function: user_function:2: '=' expected near 'y'".to_owned(),
        ),
        (
            "#!lua name=l\nredis.register_function('Echo', function() end)",
            "Function Echo already exists".to_owned(),
        ),
        (
            "#!lua name=l\nlocal function f() end redis.register_function('f', f) \
             redis.register_function('F', f)",
            "Function F already exists".to_owned(),
        ),
        (
            "#!lua name=l\nx = 1",
            format!("{registering}user_function:2: Attempt to modify a readonly table"),
        ),
        (
            "#!lua name=l\nredis.x = 1",
            format!("{registering}user_function:2: Attempt to modify a readonly table"),
        ),
        (
            "#!lua name=l\nredis.call('PING')",
            format!(
                "{registering}user_function:2: Script attempted to access nonexistent global \
                 variable 'call'"
            ),
        ),
        (
            "#!lua name=l\nreturn math.random()",
            format!(
                "{registering}user_function:2: Script attempted to access nonexistent global \
                 variable 'math'"
            ),
        ),
    ] {
        assert_eq!(
            load(&mut rig, code),
            format!("-ERR {refusal}\r\n"),
            "{code}"
        );
    }
    // What failed has left nothing, and the globals are there for functions again.
    assert_eq!(rig.env.functions.count(), 1);
    with(&mut rig, "", "return math.floor(1.5)");
    assert_eq!(rig.run("FCALL f 0"), ":1\r\n");
}

#[test]
fn what_register_function_takes() {
    let mut rig = Rig::new();
    let named = "redis.register_function must get a";
    for (given, refusal) in [
        ("", "wrong number of arguments to redis.register_function"),
        (
            "1, 2, 3",
            "wrong number of arguments to redis.register_function",
        ),
        (
            "{}, 2",
            "first argument to redis.register_function must be a string",
        ),
        (
            "'f', 2",
            "second argument to redis.register_function must be a function",
        ),
        ("{a=1}", "unknown argument given to redis.register_function"),
        ("{flags={'x'}}", "unknown flag given"),
        (
            "{callback=1}",
            "callback argument given to redis.register_function must be a function",
        ),
        ("{function_name='f'}", &format!("{named} callback argument")),
        (
            "{callback=function() end}",
            &format!("{named} function name argument"),
        ),
    ] {
        let reply = load(
            &mut rig,
            &format!("#!lua name=l\nredis.register_function({given})"),
        );
        assert_eq!(
            reply,
            format!("-ERR Error registering functions: ERR {refusal}\r\n"),
            "{given}"
        );
    }
    let late = "#!lua name=l\nlocal r = redis\nredis.register_function('f', function() \
                return r.register_function('g', function() end) end)";
    load(&mut rig, late);
    assert_eq!(
        rig.run("FCALL f 0"),
        "-ERR redis.register_function can only be called on FUNCTION LOAD command script: f, on \
         @user_function:3.\r\n"
    );
}

#[test]
fn registering_takes_a_bounded_time() {
    let mut rig = Rig::new();
    rig.env.clock = CycleClock::new();
    assert_eq!(
        load(&mut rig, "#!lua name=l\nwhile true do end"),
        "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n"
    );
    // The limit is over with the load.
    with(
        &mut rig,
        "",
        "local n = 0 for i = 1, 1000000 do n = n + 1 end return n",
    );
    assert_eq!(rig.run("FCALL f 0"), ":1000000\r\n");
}

#[test]
fn a_failed_replacement_leaves_the_old_library() {
    let mut rig = Rig::new();
    load(&mut rig, ECHO);
    let bad = "#!lua name=echo\nx = 1";
    let reply = rig.run_words(&["FUNCTION", "LOAD", "REPLACE", bad]);
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert_eq!(rig.run("FCALL echo 0"), "*2\r\n*0\r\n*0\r\n");
    with(&mut rig, "", "return 1");
    with(&mut rig, "", "return 2");
    assert_eq!(rig.run("FCALL f 0"), ":2\r\n");
    let theirs = "#!lua name=echo\nredis.register_function('f', function() end)";
    let reply = rig.run_words(&["FUNCTION", "LOAD", "REPLACE", theirs]);
    assert_eq!(reply, "-ERR Function f already exists\r\n");
    let renamed = "#!lua name=lib\nredis.register_function('g', function() return 3 end)";
    rig.run_words(&["FUNCTION", "LOAD", "REPLACE", renamed]);
    assert_eq!(rig.run("FCALL f 0"), "-ERR Function not found\r\n");
    assert_eq!(rig.run("FCALL g 0"), ":3\r\n");
}

#[test]
fn flags_say_what_a_function_may_do() {
    let mut rig = Rig::new();
    with(
        &mut rig,
        "'no-writes'",
        "return redis.call('SET', 'k', 'v')",
    );
    let refused = "-ERR Write commands are not allowed from read-only scripts. script: f, on \
                   @user_function:2.\r\n";
    assert_eq!(rig.run("FCALL f 0"), refused);
    assert_eq!(rig.run("FCALL_RO f 0"), refused);
    with(&mut rig, "'NO-Writes'", "return redis.call('GET', 'k')");
    assert_eq!(rig.run("FCALL_RO f 0"), "$-1\r\n");
    with(&mut rig, "", "return redis.call('SET', 'k', 'v')");
    rig.env.gates.replica = true;
    rig.env.gates.read_only = true;
    assert_eq!(
        rig.run("FCALL f 0"),
        "-READONLY You can't write against a read only replica.\r\n"
    );
    rig.env.gates.stale = true;
    let allowed = "'allow-stale', 'no-writes'";
    rig.env.gates.read_only = false;
    with(&mut rig, allowed, "return 1");
}

#[test]
fn replicas_hear_of_libraries_and_of_what_functions_write() {
    let mut rig = Rig::new();
    rig.propagated();
    load(&mut rig, ECHO);
    assert_eq!(
        rig.propagated().pop().unwrap(),
        format!("FUNCTION LOAD {ECHO}")
    );
    with(&mut rig, "", "redis.call('SET', keys[1], argv[1]) return 1");
    rig.propagated();
    rig.run("FCALL f 1 k v");
    assert_eq!(rig.propagated().pop().unwrap(), "SET k v");
    let payload = dump(&mut rig);
    for command in ["FUNCTION DELETE lib", "FUNCTION FLUSH"] {
        rig.run(command);
        assert_eq!(rig.propagated().pop().unwrap(), command);
    }
    restore(&mut rig, &payload, b"APPEND");
    assert!(
        rig.propagated()
            .pop()
            .unwrap()
            .starts_with("FUNCTION RESTORE ")
    );
    rig.run("FCALL echo 0");
    rig.run("FUNCTION DELETE nope");
    rig.run("FUNCTION LIST");
    assert!(rig.propagated().is_empty());
}

#[test]
fn a_dump_is_restored_beside_or_in_place_of_others() {
    let mut rig = Rig::new();
    load(&mut rig, ECHO);
    with(&mut rig, "", "return 1");
    let payload = dump(&mut rig);
    assert_eq!(
        restore(&mut rig, &payload, b"APPEND"),
        "-ERR Library echo already exists\r\n"
    );
    with(&mut rig, "", "return 2");
    let more = "#!lua name=more\nredis.register_function('more', function() end)";
    load(&mut rig, more);
    assert_eq!(restore(&mut rig, &payload, b"replace"), "+OK\r\n");
    assert_eq!(rig.run("FCALL f 0"), ":1\r\n");
    assert_eq!(rig.env.functions.count(), 3);
    assert_eq!(restore(&mut rig, &payload, b"FLUSH"), "+OK\r\n");
    assert_eq!(rig.env.functions.count(), 2);
    assert_eq!(rig.env.functions.functions_count(), 2);
    // Its name is free, but not that of its function.
    rig.run("FUNCTION DELETE echo");
    let thief = "#!lua name=thief\nredis.register_function('ECHO', function() end)";
    load(&mut rig, thief);
    assert_eq!(
        restore(&mut rig, &payload, b"REPLACE"),
        "-ERR Function echo already exists\r\n"
    );
    assert_eq!(rig.env.functions.count(), 2);
}

#[test]
fn a_payload_that_is_none_is_refused() {
    let mut rig = Rig::new();
    load(&mut rig, ECHO);
    let payload = dump(&mut rig);
    let footer = "-ERR DUMP payload version or checksum are wrong\r\n";
    assert_eq!(restore(&mut rig, b"", b"APPEND"), footer);
    assert_eq!(restore(&mut rig, &payload[1..], b"APPEND"), footer);
    rig.run("FUNCTION FLUSH");
    rig.env.skip_checksums = true;
    let cut = [&payload[..20], &payload[payload.len() - 10..]].concat();
    assert_eq!(
        restore(&mut rig, &cut, b"APPEND"),
        "-ERR failed loading the given functions payload\r\n"
    );
    for (opcode, refusal) in [
        (246, "Pre-GA function format not supported"),
        (0, "given type is not a function"),
    ] {
        let mut other = payload.clone();
        other[0] = opcode;
        assert_eq!(
            restore(&mut rig, &other, b"APPEND"),
            format!("-ERR {refusal}\r\n")
        );
    }
    assert_eq!(
        restore(&mut rig, &payload, b"MERGE"),
        "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.\r\n"
    );
    assert_eq!(rig.env.functions.count(), 0);
}

#[test]
fn libraries_are_described() {
    let mut rig = Rig::new();
    load(&mut rig, ECHO);
    let library = "#!lua name=lib\nredis.register_function{function_name='f', description='d', \
                   flags={'no-writes','allow-oom'}, callback=function() end}";
    load(&mut rig, library);
    let echo = "$12\r\nlibrary_name\r\n$4\r\necho\r\n$6\r\nengine\r\n$3\r\nLUA\r\n\
                $9\r\nfunctions\r\n*1\r\n*6\r\n$4\r\nname\r\n$4\r\necho\r\n\
                $11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n*0\r\n";
    assert_eq!(
        rig.run("FUNCTION LIST LIBRARYNAME e*"),
        format!("*1\r\n*6\r\n{echo}")
    );
    let code = format!("$12\r\nlibrary_code\r\n${}\r\n{ECHO}\r\n", ECHO.len());
    assert_eq!(
        rig.run("FUNCTION LIST withcode libraryname echo"),
        format!("*1\r\n*8\r\n{echo}{code}")
    );
    rig.session.protocol = Protocol::Resp3;
    let list = rig.run("FUNCTION LIST LIBRARYNAME lib");
    assert!(list.contains("$11\r\ndescription\r\n$1\r\nd\r\n"), "{list}");
    assert!(
        list.ends_with("$5\r\nflags\r\n~2\r\n+no-writes\r\n+allow-oom\r\n"),
        "{list}"
    );
    assert_eq!(
        rig.run("FUNCTION STATS"),
        "%2\r\n$14\r\nrunning_script\r\n_\r\n$7\r\nengines\r\n%1\r\n$3\r\nLUA\r\n\
         %2\r\n$15\r\nlibraries_count\r\n:2\r\n$15\r\nfunctions_count\r\n:2\r\n"
    );
    for (command, refusal) in [
        ("FUNCTION LIST x", "Unknown argument x"),
        (
            "FUNCTION LIST LIBRARYNAME",
            "library name argument was not given",
        ),
        (
            "FUNCTION LIST WITHCODE WITHCODE",
            "Unknown argument WITHCODE",
        ),
        ("FUNCTION LOAD x y", "Unknown option given: x"),
        ("FUNCTION DELETE x", "Library not found"),
        (
            "FUNCTION FLUSH x",
            "FUNCTION FLUSH only supports SYNC|ASYNC option",
        ),
        (
            "FUNCTION FLUSH a b",
            "unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.",
        ),
    ] {
        assert_eq!(rig.run(command), format!("-ERR {refusal}\r\n"), "{command}");
    }
}

#[test]
fn a_function_may_outlive_its_library() {
    let mut rig = Rig::new();
    // Commands of functions are refused to functions, so nobody can pull the rug; yet what runs is
    // kept until it ends.
    with(&mut rig, "", "return redis.pcall('FUNCTION', 'FLUSH')");
    assert_eq!(
        rig.run("FCALL f 0"),
        "-ERR This Redis command is not allowed from script\r\n"
    );
}

#[test]
fn a_library_may_have_more_functions_than_the_interpreter_holds_values_at_once() {
    const MANY: usize = 20_000;
    let mut libraries = Libraries::default();
    let code = format!(
        "#!lua name=many\nfor i = 1, {MANY} do \
         redis.register_function('f' .. i, function() return i end) end"
    );
    // Once more in its own place, where each name is another's that goes.
    for taken in [Taken::Refuse, Taken::Replace] {
        libraries.load_saved(code.as_bytes(), taken, 1).unwrap();
        assert_eq!(libraries.functions_count(), MANY);
    }
    assert!(libraries.find(format!("F{MANY}").as_bytes()).is_some());
    let twice = format!("{code}\nredis.register_function('F{MANY}', function() end)");
    let refused = libraries.load_saved(twice.as_bytes(), Taken::Replace, 1);
    assert_eq!(refused, Err(format!("Function F{MANY} already exists")));
}

#[test]
fn many_libraries_are_restored_beside_each_other_and_in_their_own_places() {
    const MANY: usize = 2_000;
    let library = |n: usize| {
        format!("#!lua name=l{n}\nredis.register_function('f{n}', function() end)").into_bytes()
    };
    let all: Vec<Vec<u8>> = (0..MANY).map(library).collect();
    let mut libraries = Libraries::default();
    let mut restore = |codes: &[Vec<u8>], taken| {
        let restored = libraries.restore(codes.iter().map(Vec::as_slice), taken, 1);
        restored.map(|()| libraries.functions_count())
    };
    let (half, rest) = all.split_at(MANY / 2);
    assert_eq!(restore(half, Taken::Refuse), Ok(MANY / 2));
    assert_eq!(restore(rest, Taken::Refuse), Ok(MANY));
    assert_eq!(restore(&all, Taken::Replace), Ok(MANY));
    let refused = restore(&all[MANY - 1..], Taken::Refuse);
    assert_eq!(
        refused,
        Err(format!("Library l{} already exists", MANY - 1).into_bytes())
    );
}
