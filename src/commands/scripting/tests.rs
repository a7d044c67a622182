//! What scripts can do, what they cannot, and what others hear of it.

use super::busy::{ScriptKind, Verdict, kill};
use crate::commands::env::Env;
use crate::commands::gates::Gates;
use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// Runs a script without keys.
fn eval(rig: &mut Rig, script: &str) -> String {
    rig.run_words(&["EVAL", script, "0"])
}

fn value_of(script: &str) -> String {
    eval(&mut Rig::new(), script)
}

#[test]
fn values_of_lua_become_replies() {
    for (script, reply) in [
        ("return 'text'", "$4\r\ntext\r\n"),
        ("return 3.99", ":3\r\n"),
        ("return -3.99", ":-3\r\n"),
        ("return 2^63", ":-9223372036854775808\r\n"),
        ("return true", ":1\r\n"),
        ("return false", "$-1\r\n"),
        ("return nil", "$-1\r\n"),
        ("return", "$-1\r\n"),
        ("return redis.call", "$-1\r\n"),
        (
            "return {1, 'a', {}, nil, 2}",
            "*3\r\n:1\r\n$1\r\na\r\n*0\r\n",
        ),
        ("return {ok='fine\\r\\n'}", "+fine  \r\n"),
        ("return {err='MY own'}", "-MY own\r\n"),
        ("return {double=1.5}", "$3\r\n1.5\r\n"),
        ("return {map={a=1}}", "*2\r\n$1\r\na\r\n:1\r\n"),
        ("return {set={a=true}}", "*1\r\n$1\r\na\r\n"),
        ("return redis.status_reply('FINE')", "+FINE\r\n"),
        ("return redis.error_reply('MY own')", "-MY own\r\n"),
        ("return redis.error_reply('-MY own')", "-MY own\r\n"),
        ("return redis.error_reply('own')", "-ERR own\r\n"),
        (
            "return redis.error_reply(1)",
            "-ERR wrong number or type of arguments\r\n",
        ),
        (
            "return redis.sha1hex('')",
            "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n",
        ),
    ] {
        assert_eq!(value_of(script), reply, "{script}");
    }
}

#[test]
fn values_of_lua_become_replies_of_the_third_protocol() {
    let mut rig = Rig::new();
    rig.session.protocol = Protocol::Resp3;
    for (script, reply) in [
        ("return nil", "_\r\n"),
        ("return true", ":1\r\n"),
        ("redis.setresp(3) return true", "#t\r\n"),
        ("redis.setresp(3) return false", "#f\r\n"),
        ("return {double=1.5}", ",1.5\r\n"),
        ("return {map={a=1}}", "%1\r\n$1\r\na\r\n:1\r\n"),
        ("return {set={a=true}}", "~1\r\n$1\r\na\r\n"),
        ("return {big_number='12345'}", "(12345\r\n"),
        (
            "return {verbatim_string={format='txt', string='hi'}}",
            "=6\r\ntxt:hi\r\n",
        ),
        (
            "redis.setresp(3) redis.call('HSET','h','a','1') return redis.call('HGETALL','h')",
            "%1\r\n$1\r\na\r\n$1\r\n1\r\n",
        ),
        (
            "redis.setresp(3) redis.call('SADD','s','a') return redis.call('SMEMBERS','s')",
            "~1\r\n$1\r\na\r\n",
        ),
        (
            "redis.setresp(3) redis.call('ZADD','z','1.5','a') return redis.call('ZSCORE','z','a')",
            ",1.5\r\n",
        ),
        (
            "redis.setresp(3) return tostring(redis.call('GET','none'))",
            "$3\r\nnil\r\n",
        ),
        (
            "return tostring(redis.call('GET','none'))",
            "$5\r\nfalse\r\n",
        ),
    ] {
        assert_eq!(eval(&mut rig, script), reply, "{script}");
    }
}

#[test]
fn keys_and_arguments_are_lists() {
    let mut rig = Rig::new();
    rig.expect(&[
        (
            "EVAL 'return {KEYS[1],ARGV[1],#KEYS,#ARGV}' 1 a b c",
            "*4\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n:2\r\n",
        ),
        (
            "EVAL 'return 1' 2 a",
            "-ERR Number of keys can't be greater than number of args\r\n",
        ),
        (
            "EVAL 'return 1' -1",
            "-ERR Number of keys can't be negative\r\n",
        ),
        (
            "EVAL 'return 1' x",
            "-ERR value is not an integer or out of range\r\n",
        ),
    ]);
}

#[test]
fn scripts_are_known_by_their_hashes() {
    let mut rig = Rig::new();
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    let missing = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    rig.expect(&[
        (&format!("EVALSHA {sha} 0"), missing),
        ("EVALSHA short 0", missing),
        ("SCRIPT LOAD 'return 1'", &format!("$40\r\n{sha}\r\n")),
        (&format!("EVALSHA {sha} 0"), ":1\r\n"),
        (&format!("EVALSHA_RO {} 0", sha.to_uppercase()), ":1\r\n"),
        (&format!("SCRIPT EXISTS {sha} none"), "*2\r\n:1\r\n:0\r\n"),
        (
            "SCRIPT FLUSH NOW",
            "-ERR SCRIPT FLUSH only support SYNC|ASYNC option\r\n",
        ),
        ("SCRIPT FLUSH ASYNC", "+OK\r\n"),
        (&format!("EVALSHA {sha} 0"), missing),
    ]);
}

#[test]
fn errors_tell_where_they_were_raised() {
    for (script, error) in [
        ("\nerror('x')", "-ERR user_script:2: x script: "),
        (
            "return redis.call('INCR')",
            "-ERR Wrong number of args calling Redis command from script script: ",
        ),
        (
            "return redis.call('NONE')",
            "-ERR Unknown Redis command called from script script: ",
        ),
        (
            "return redis.call('MULTI')",
            "-ERR This Redis command is not allowed from script script: ",
        ),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: ",
        ),
        (
            "return redis.call('SET', {}, 1)",
            "-ERR Lua redis lib command arguments must be strings or integers script: ",
        ),
        (
            "redis.call('SET','a','x') return redis.call('INCR','a')",
            "-ERR value is not an integer or out of range script: ",
        ),
        (
            "redis.call('SET','a','x') return redis.pcall('LPUSH','a','b')",
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
        (
            "return none",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'none' \
             script: ",
        ),
        (
            "a b",
            "-ERR Error compiling script (new function): user_script:1: '=' expected near 'b'\r\n",
        ),
        ("error({err='MY own'})", "-MY own script: "),
        (
            "return 'a' .. {}",
            "-ERR user_script:1: attempt to concatenate a table value script: ",
        ),
    ] {
        let reply = value_of(script);
        assert!(reply.starts_with(error), "{script}: {reply}");
        if error.ends_with("script: ") {
            let line = if script.starts_with('\n') { 2 } else { 1 };
            let end = format!(", on @user_script:{line}.\r\n");
            assert!(reply.ends_with(&end), "{script}: {reply}");
        }
    }
}

#[test]
fn errors_can_be_caught() {
    for (script, reply) in [
        (
            "return select(2, pcall(redis.call, 'INCR'))",
            "$58\r\nERR Wrong number of args calling Redis command from script\r\n",
        ),
        ("return {pcall(error, 'x')}", "*2\r\n$-1\r\n$1\r\nx\r\n"),
        ("return select(2, pcall(error, 'x'))", "$1\r\nx\r\n"),
        (
            "return select(2, pcall(error, {err='E x'}))",
            "$3\r\nE x\r\n",
        ),
        (
            "return select(2, xpcall(function() redis.call('INCR') end, \
             function(e) return e.err end))",
            "$58\r\nERR Wrong number of args calling Redis command from script\r\n",
        ),
        (
            "local c = coroutine.create(function() redis.call('INCR') end) \
             return select(2, coroutine.resume(c)).err",
            "$58\r\nERR Wrong number of args calling Redis command from script\r\n",
        ),
        (
            "return redis.pcall('INCR').err",
            "$58\r\nERR Wrong number of args calling Redis command from script\r\n",
        ),
        (
            "return select('#', pcall(function() return 1, nil, nil end))",
            ":4\r\n",
        ),
    ] {
        assert_eq!(value_of(script), reply, "{script}");
    }
}

#[test]
fn errors_about_arguments_tell_the_line_of_the_script() {
    for (script, error) in [
        ("pcall()", "bad argument #1 to 'pcall' (value expected)"),
        ("xpcall(1)", "bad argument #2 to 'xpcall' (value expected)"),
        ("rawget({})", "bad argument #2 to 'rawget' (value expected)"),
        (
            "rawset({}, 1)",
            "bad argument #3 to 'rawset' (value expected)",
        ),
        (
            "pairs()",
            "bad argument #1 to 'pairs' (table expected, got nil)",
        ),
        (
            "setmetatable({}, 1)",
            "bad argument #2 to 'setmetatable' (nil or table expected)",
        ),
        (
            "setfenv(pcall)",
            "bad argument #2 to 'setfenv' (table expected, got no value)",
        ),
        (
            "setfenv(error, {})",
            "'setfenv' cannot change environment of given object",
        ),
        (
            "coroutine.resume(1)",
            "bad argument #1 to 'resume' (coroutine expected)",
        ),
        (
            "load(1)",
            "bad argument #1 to 'load' (function expected, got number)",
        ),
        (
            "loadstring({})",
            "bad argument #1 to 'loadstring' (string expected, got table)",
        ),
        (
            "table.insert(1, 2)",
            "bad argument #1 to 'insert' (table expected, got number)",
        ),
        (
            "string.find()",
            "bad argument #1 to 'find' (string expected, got no value)",
        ),
        ("string.find('a', '[')", "malformed pattern (missing ']')"),
        (
            "cjson.encode_keep_buffer('x')",
            "bad argument #1 to 'encode_keep_buffer' (invalid option 'x')",
        ),
        (
            "cjson.decode_max_depth(1, 2)",
            "bad argument #2 to 'decode_max_depth' (found too many arguments)",
        ),
        ("error('\\147')", "\u{fffd}"),
    ] {
        // These three are called by their callers' frames, see `prelude.lua`.
        let unframed = ["pcall", "xpcall", "coroutine.resume"];
        let is_framed = !unframed.iter().any(|name| script.starts_with(name));
        let returned = is_framed.then(|| format!("return {script}"));
        for script in std::iter::once(script.to_owned()).chain(returned) {
            let reply = value_of(&format!("\n{script}"));
            let expected = format!("-ERR user_script:2: {error} script: ");
            assert!(reply.starts_with(&expected), "{script}: {reply}");
            assert!(
                reply.ends_with(", on @user_script:2.\r\n"),
                "{script}: {reply}"
            );
        }
    }
}

#[test]
fn garbage_does_not_stay_for_long() {
    let mut rig = Rig::new();
    let script = "return redis.call('INCR', KEYS[1])";
    let mut run = |times: usize| {
        (0..times).for_each(|_| drop(rig.run_words(&["EVAL", script, "1", "k"])));
        rig.env.scripts.vm_memory()
    };
    let used = run(1);
    for thousand in 1..5 {
        let after = run(1000 - usize::from(thousand == 1));
        assert!(after < used + 10_000, "{used} bytes became {after}");
    }
}

#[test]
fn protected_calls_nest_as_deep_as_the_language_has_it() {
    let script = "local function nest(n) if n == 0 then return 'bottom' end \
                  local ok, value = pcall(nest, n - 1) return value end return nest(150)";
    assert_eq!(value_of(script), "$6\r\nbottom\r\n");
}

#[test]
fn what_scripts_share_cannot_be_changed() {
    for script in [
        "a = 1",
        "redis = nil",
        "_G = {}",
        "_G.a = 1",
        "redis.call = nil",
        "string.find = nil",
        "math.x = 1",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "getmetatable(_G).__index = {}",
        "getmetatable('').__index = {}",
        "getmetatable(redis).__newindex = nil",
        "rawset(_G, 'a', 1)",
        "rawset(string, 'a', 1)",
        "table.insert(_G, 1)",
        "table.insert(string, 1, 1)",
        "table.remove(redis)",
        "table.sort(_G)",
        "setfenv(0, {})",
        "loadstring('a = 1')()",
        "load(function() return nil end)() ; local t = loadstring('string.x = 1') t()",
        "coroutine.wrap(function() b = 1 end)()",
        "getfenv().x = 1",
        "getfenv(pcall).x = 1",
        "getfenv(0).x = 1",
    ] {
        let reply = value_of(script);
        let refusal = "Attempt to modify a readonly table script: ";
        assert!(reply.contains(refusal), "{script}: {reply}");
    }
}

#[test]
fn there_are_no_files_and_no_bytecode() {
    for name in [
        "print", "dofile", "loadfile", "require", "module", "os", "io", "package", "debug",
    ] {
        let reply = value_of(&format!("return {name}"));
        let refusal = format!("Script attempted to access nonexistent global variable '{name}'");
        assert!(reply.contains(&refusal), "{reply}");
    }
    let nothing = "*1\r\n$3\r\nnil\r\n";
    let script = "return {tostring(loadstring(string.dump(function() return 1 end)))}";
    assert_eq!(value_of(script), nothing);
    let script = "local s = string.dump(function() return 1 end) \
         local done return {tostring(load(function() if not done then done = 1 return s end end))}";
    assert_eq!(value_of(script), nothing);
    assert!(value_of("\x1bLua").starts_with("-ERR Error compiling script (new function): "));
}

#[test]
fn the_language_is_there() {
    for (script, reply) in [
        (
            "local n = 0 for k, v in pairs({1, 2, a=3}) do n = n + v end return n",
            ":6\r\n",
        ),
        (
            "local n = 0 for i, v in ipairs({1, 2}) do n = n + v end return n",
            ":3\r\n",
        ),
        (
            "local has for k in pairs(redis) do has = has or k == 'call' end return has",
            ":1\r\n",
        ),
        ("return tostring(next({}))", "$3\r\nnil\r\n"),
        ("return ('x'):rep(3)", "$3\r\nxxx\r\n"),
        ("return rawget(_G, 'tostring')(1)", "$1\r\n1\r\n"),
        ("return loadstring('return 1 + 1')()", ":2\r\n"),
        (
            "local p = {'return ', '7'} local i = 0 \
             return load(function() i = i + 1 return p[i] end)()",
            ":7\r\n",
        ),
        (
            "local t = setmetatable({}, {__index = function(_, k) return k end}) return t.x",
            "$1\r\nx\r\n",
        ),
        (
            "local f = function() return x end setfenv(f, {x = 5}) return f()",
            ":5\r\n",
        ),
        ("return _VERSION", "$7\r\nLua 5.1\r\n"),
        (
            "math.randomseed(1) local a = math.random(100) \
             math.randomseed(1) return a == math.random(100)",
            ":1\r\n",
        ),
        (
            "for i = 1, 1000 do local n = math.random(3) \
             if n < 1 or n > 3 then return n end end return 'ok'",
            "$2\r\nok\r\n",
        ),
        ("return redis.REDIS_VERSION_NUM >= 0x070200", ":1\r\n"),
        ("return redis.replicate_commands()", ":1\r\n"),
        ("return redis.acl_check_cmd('GET','a')", ":1\r\n"),
    ] {
        assert_eq!(value_of(script), reply, "{script}");
    }
}

#[test]
fn what_a_script_changes_leaves_together() {
    let mut rig = Rig::new();
    eval(
        &mut rig,
        "redis.call('SET','a',1) redis.call('GET','a') redis.call('INCR','a')",
    );
    assert_eq!(
        rig.propagated(),
        ["MULTI", "SELECT 0", "SET a 1", "INCR a", "EXEC"]
    );
    eval(
        &mut rig,
        "redis.call('SELECT',1) return redis.call('SET','b',5000000000)",
    );
    assert_eq!(rig.propagated(), ["SELECT 1", "SET b 5000000000"]);
    rig.expect(&[("GET b", "$-1\r\n"), ("EVAL 'return 1' 0", ":1\r\n")]);
    assert!(rig.propagated().is_empty());
    eval(&mut rig, "redis.call('SET','c',1) error('late')");
    assert_eq!(rig.propagated(), ["SELECT 0", "SET c 1"]);
}

#[test]
fn a_script_says_who_hears_of_its_changes() {
    let mut rig = Rig::new();
    eval(
        &mut rig,
        "redis.set_repl(redis.REPL_NONE) redis.call('SET','a',1) \
         redis.set_repl(redis.REPL_REPLICA) redis.call('SET','b',1) \
         redis.set_repl(redis.REPL_AOF) redis.call('SET','c',1)",
    );
    assert_eq!(rig.propagated_but_select(), ["MULTI", "SET b 1", "EXEC"]);
    rig.run("SET d 1");
    assert_eq!(rig.propagated_but_select(), ["SET d 1"]);
    let reply = eval(&mut rig, "redis.set_repl(4)");
    assert!(
        reply.starts_with("-ERR Invalid replication flags."),
        "{reply}"
    );
}

#[test]
fn scripts_run_in_transactions() {
    let mut rig = Rig::new();
    rig.run("MULTI");
    rig.run_words(&["EVAL", "return redis.call('SET','a',1)", "0"]);
    rig.run("SET b 1");
    assert_eq!(rig.run("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
    assert_eq!(
        rig.propagated_but_select(),
        ["MULTI", "SET a 1", "SET b 1", "EXEC"]
    );
}

#[test]
fn read_only_scripts_write_nothing() {
    let mut rig = Rig::new();
    let refusal = "-ERR Write commands are not allowed from read-only scripts. script: ";
    let write = "return redis.call('SET','a',1)";
    assert!(rig.run_words(&["EVAL_RO", write, "0"]).starts_with(refusal));
    let flagged = format!("#!lua flags=no-writes\n{write}");
    assert!(eval(&mut rig, &flagged).starts_with(refusal));
    let flagged = format!("#!lua\n{write}");
    assert_eq!(
        rig.run_words(&["EVAL_RO", &flagged, "0"]),
        "-ERR Can not execute a script with write flag using *_ro command.\r\n"
    );
    assert_eq!(eval(&mut rig, &flagged), "+OK\r\n");
}

#[test]
fn a_replica_runs_scripts_as_long_as_they_read() {
    let mut rig = Rig::new();
    rig.become_replica();
    let write = "return redis.call('SET','a',1)";
    let refusal = "-READONLY You can't write against a read only replica.";
    assert!(eval(&mut rig, write).starts_with(&format!("{refusal} script: ")));
    assert_eq!(
        eval(&mut rig, &format!("#!lua\n{write}")),
        format!("{refusal}\r\n")
    );
    assert_eq!(eval(&mut rig, "#!lua flags=no-writes\nreturn 1"), ":1\r\n");
    assert_eq!(eval(&mut rig, "return redis.call('GET','a')"), "$-1\r\n");
}

#[test]
fn nothing_blocks_in_a_script() {
    assert_eq!(value_of("return redis.call('BLPOP','a',0)"), "$-1\r\n");
    assert_eq!(
        value_of("return redis.pcall('XREAD','BLOCK',0,'STREAMS','s','$')"),
        "-ERR XREAD command is not allowed with BLOCK option from scripts\r\n"
    );
}

/// A rig in which scripts are soon busy.
fn impatient(while_busy: fn(&mut Env) -> Verdict) -> Rig {
    let mut rig = Rig::new();
    rig.env.config.busy_reply_threshold = 1;
    rig.host.while_busy = Some(while_busy);
    rig
}

#[test]
fn others_are_served_while_a_script_takes_long_and_may_kill_it() {
    let mut rig = impatient(|env| {
        assert_eq!(env.gates.busy, Some(ScriptKind::Script));
        let refused = kill(env.scripts.busy.as_mut(), ScriptKind::Function);
        assert_eq!(refused, Err(ScriptKind::Script.refusal()));
        let killed = kill(env.scripts.busy.as_mut(), ScriptKind::Script);
        assert_eq!(killed, Ok(()));
        Verdict::GoOn
    });
    for script in [
        "while true do end",
        "while true do pcall(function() while true do pcall(error) end end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do coroutine.wrap(function() while true do end end)() end",
    ] {
        let reply = eval(&mut rig, script);
        let text = "-ERR Script killed by user with SCRIPT KILL... script: ";
        assert!(reply.starts_with(text), "{script}: {reply}");
        assert_eq!(rig.env.gates, Gates::OPEN);
        assert_eq!(rig.env.scripts.busy, None);
        assert_eq!(eval(&mut rig, "for i = 1, 10000 do end return 1"), ":1\r\n");
    }
    let logged = rig.host.logged.borrow().join("\n");
    assert_eq!(logged.matches("Slow script detected: still in").count(), 4);
    assert_eq!(logged.matches("Lua script killed by user").count(), 4);
}

#[test]
fn what_has_written_ends_only_with_the_server() {
    let mut rig = impatient(
        |env| match kill(env.scripts.busy.as_mut(), ScriptKind::Script) {
            Ok(()) => Verdict::GoOn,
            Err(_) => Verdict::KILLED,
        },
    );
    let reply = eval(&mut rig, "redis.call('SET','a',1) while true do end");
    assert!(reply.starts_with("-ERR Script killed"), "{reply}");
    let logged = rig.host.logged.borrow().join("\n");
    assert!(!logged.contains("killed by user"), "{logged}");
}

#[test]
fn with_a_threshold_of_zero_nobody_is_served() {
    let mut rig = impatient(|_| panic!("somebody is served"));
    rig.env.config.busy_reply_threshold = 0;
    assert_eq!(eval(&mut rig, "for i = 1, 3e6 do end return 1"), ":1\r\n");
    assert!(rig.run("SCRIPT KILL").starts_with("-NOTBUSY No scripts"));
}

#[test]
fn deep_and_endless_tables_end() {
    let reply = value_of("local t = {} t[1] = t return t");
    assert!(
        reply.contains("-ERR reached lua stack limit"),
        "{}",
        reply.len()
    );
    let reply = value_of("local function f() return f() + 1 end return f()");
    assert!(reply.contains("stack overflow"), "{reply}");
}

#[test]
fn errors_are_counted_once() {
    let mut rig = Rig::new();
    eval(&mut rig, "return redis.call('INCR')");
    eval(
        &mut rig,
        "redis.call('SET','a','x') return redis.pcall('INCR','a')",
    );
    eval(&mut rig, "return redis.error_reply('MY own')");
    assert_eq!(rig.env.stats.errors[&b"ERR"[..]], 2);
    assert_eq!(rig.env.stats.errors[&b"MY"[..]], 1);
    assert_eq!(rig.env.stats.error_replies, 3);
    let eval = rig.table.by_name(b"eval").expect("there is one").id;
    assert_eq!(rig.env.stats.commands[eval].failed, 3);
    rig.run_words(&["EVAL", "redis.pcall('INCR','a') return 1", "0"]);
    assert_eq!(rig.env.stats.commands[eval].failed, 3);
}

#[test]
fn there_may_be_more_scripts_than_the_interpreter_holds_values_at_once() {
    let mut rig = Rig::new();
    for n in 0..9000 {
        let reply = rig.run_words(&["SCRIPT", "LOAD", &format!("return {n}")]);
        assert!(reply.starts_with("$40\r\n"), "{n}: {reply}");
    }
    assert_eq!(eval(&mut rig, "return 8999"), ":8999\r\n");
    let values = "local words = {} for n = 1, 7000 do words[n] = 'v' .. n end \
                  return redis.call('RPUSH', 'list', unpack(words))";
    assert_eq!(eval(&mut rig, values), ":7000\r\n");
}
