//! Scripts that were put together at random: whatever one does, a client gets one well-formed
//! reply, the server goes on, and the next script finds everything as it was.
//!
//! A script calls a function of a library with values of all kinds, those that break things among
//! them: tables in circles, deep ones, with metatables that answer nonsense, coroutines, numbers
//! at the edges, formats and patterns that are none. It does so in a place that was not made for
//! it: in a comparison, a metamethod, the handler of another error, a coroutine.
//!
//! `cargo test` runs some thousand, always the same ones; for a long run:
//!
//! ```text
//! FUZZ_SECONDS=3600 FUZZ_SEED=7 cargo test --lib fuzz_scripts -- --nocapture
//! ```

use std::panic::resume_unwind;
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::base::rng::Rng;
use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// Scripts of a run that is given no time.
const SCRIPTS: u64 = 4000;

/// What the main thread of a process usually has.
const STACK_BYTES: usize = 8 << 20;

/// What every script has at hand.
const PREAMBLE: &str = "local cyc = {} cyc.a = cyc cyc[1] = cyc \
    local deep = {} for i = 1, 40 do deep = {deep} end \
    local big = string.rep('x', 70000) ";

/// Expressions.
const VALUES: &[&str] = &[
    "nil",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3",
    "-2.5",
    "1/0",
    "-1/0",
    "0/0",
    "2^31",
    "2^32",
    "-2^31",
    "2^53+1",
    "2^63",
    "-2^63",
    "1e100",
    "''",
    "'a'",
    "'10'",
    "'0x10'",
    "'abc\\0def'",
    "'\\255\\254'",
    "'[1,2]'",
    "'i4'",
    "'\\147\\1\\2\\3'",
    "'\\221\\255\\255'",
    "'%d'",
    "'a\\r\\nb'",
    "big",
    "{}",
    "{1,2,3}",
    "{a=1}",
    "{[1]=1,[3]=3}",
    "{[1.5]=1}",
    "{[2^31]=1}",
    "{{1},{2}}",
    "{[{}]=1}",
    "{ok='OK'}",
    "{ok='a\\r\\nb'}",
    "{err='ERR x'}",
    "{err='a\\r\\n+OK'}",
    "{err=1}",
    "{err={}}",
    "{double=3.5}",
    "{double=0/0}",
    "{map={a=1}}",
    "{map={[{}]={}}}",
    "{set={a=true}}",
    "{big_number='12\\r\\n3'}",
    "{verbatim_string={format='txt',string='hi'}}",
    "{verbatim_string={format='longer',string={}}}",
    "setmetatable({}, {__index=function() return 1 end})",
    "setmetatable({}, {__index=function(t, k) return t[k] end})",
    "setmetatable({}, {__index=function() error('E') end})",
    "setmetatable({1}, {__tostring=function() return {} end})",
    "setmetatable({}, {__call=function() return 7 end})",
    "setmetatable({}, {__lt=function() error({}) end, __concat=function() error(nil) end})",
    "setmetatable({}, {__gc=function() error('E') end, __mode='kv'})",
    "function() end",
    "function(...) return ... end",
    "function() error('E') end",
    "function() error({err='E x'}) end",
    "function() error() end",
    "function(e) error(e) end",
    "function() return redis.call('GET', 'k') end",
    "function() return redis.call('NOSUCH') end",
    "function() local function f() return f() + 1 end return f() end",
    "tostring",
    "redis.call",
    "redis.pcall",
    "error",
    "pcall",
    "coroutine.create(function() return 1 end)",
    "coroutine.wrap(function() coroutine.yield(1) error('in') end)",
    "cjson.null",
    "KEYS",
    "redis",
    "string",
    "_G",
    "getmetatable('')",
    "getmetatable(_G)",
    "cyc",
    "deep",
    "'k'",
    "'GET'",
    "'SET'",
];

const FUNCTIONS: &[&str] = &[
    "redis.call",
    "redis.pcall",
    "redis.error_reply",
    "redis.status_reply",
    "redis.sha1hex",
    "redis.setresp",
    "redis.set_repl",
    "redis.log",
    "redis.acl_check_cmd",
    "redis.replicate_commands",
    "redis.breakpoint",
    "redis.debug",
    "cjson.encode",
    "cjson.decode",
    "cjson.new",
    "cmsgpack.pack",
    "cmsgpack.unpack",
    "cmsgpack.unpack_one",
    "cmsgpack.unpack_limit",
    "struct.pack",
    "struct.unpack",
    "struct.size",
    "bit.tobit",
    "bit.tohex",
    "bit.bnot",
    "bit.band",
    "bit.bor",
    "bit.bxor",
    "bit.lshift",
    "bit.rshift",
    "bit.arshift",
    "bit.rol",
    "bit.ror",
    "bit.bswap",
    "string.byte",
    "string.char",
    "string.dump",
    "string.find",
    "string.format",
    "string.gmatch",
    "string.gsub",
    "string.len",
    "string.match",
    "string.rep",
    "string.sub",
    "table.concat",
    "table.foreach",
    "table.foreachi",
    "table.getn",
    "table.insert",
    "table.maxn",
    "table.remove",
    "table.setn",
    "table.sort",
    "math.fmod",
    "math.ldexp",
    "math.random",
    "math.max",
    "assert",
    "collectgarbage",
    "error",
    "getfenv",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "newproxy",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setfenv",
    "setmetatable",
    "tonumber",
    "tostring",
    "unpack",
    "xpcall",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.running",
    "coroutine.status",
    "coroutine.wrap",
    "coroutine.yield",
];

/// Where an expression stands; `@` is its place.
const PLACES: &[&str] = &[
    "return @",
    "return @",
    "return @",
    "return {@}",
    "return {pcall(function() return @ end)}",
    "return {xpcall(function() return @ end, function(e) return e end)}",
    "return {xpcall(function() return @ end, function(e) error(e) end)}",
    "return {xpcall(function() error('first') end, function(e) return @ end)}",
    "return {xpcall(function() return xpcall(function() error() end, function() error() end) \
     end, function() return @ end)}",
    "return coroutine.wrap(function() return @ end)()",
    "local c = coroutine.create(function() return @ end) return {coroutine.resume(c)}",
    "local t = setmetatable({}, {__index = function() return @ end}) return t.x",
    "local t = setmetatable({}, {__newindex = function() return @ end}) t.x = 1",
    "local t = {3, 1, 2} table.sort(t, function(a, b) local x = @ return a < b end) return t",
    "local t = {3, 1, 2, 5, 4} table.sort(t, function(a, b) return @ end) return t",
    "return (string.gsub('abc', '.', function(c) return @ end))",
    "redis.setresp(3) return @",
    "return cjson.encode(@)",
    "return cmsgpack.pack(@)",
    "return cjson.decode(cjson.encode(@))",
    "return cmsgpack.unpack(cmsgpack.pack(@))",
    "return (@) .. ''",
    "return (@) + 1",
    "return (@) < (@)",
    "return (@).x",
    "return (@)()",
    "error(@)",
    "return {err=@}",
    "return {ok=@}",
    "return {double=@}",
    "return {map=@}",
    "return {set=@}",
    "return {big_number=@}",
    "return {verbatim_string={format='txt', string=@}}",
    "return redis.pcall('ECHO', @)",
    "for k, v in pairs(@) do return {type(k), type(v)} end",
    "string.x = @",
    "x = @",
    "_G.x = @",
    "getmetatable('').__index = @",
    "setmetatable(_G, @)",
    "setfenv(1, {}) return @",
    "local t = {} for i = 1, 12000 do t = {t} end return {t, @}",
    "return loadstring('return ' .. string.rep('(', 300) .. '1')",
];

/// What a format, a pattern or a text of another language may consist of.
const FORMATS: &[&str] = &[
    "%d", "%5.2f", "%s", "%q", "%x", "%c", "%i", "%u", "%o", "%e", "%g", "%a", "%%", "%", "%10s",
    "%99.99f", "%100d", "%n", "%p", "%*d", "%1$d",
];
const PATTERNS: &[&str] = &[
    ".",
    "%a+",
    "(%w)(%w)",
    "^a",
    "b$",
    "[a-z]*",
    "%b()",
    "%b",
    "%f[%w]",
    "%f",
    "(()",
    "%1",
    "(a)%1",
    "[",
    "[a",
    "[a-",
    "[%",
    "%",
    "a-",
    "()",
    "(.-)%s",
    "a?a?a?a?a?a?a?a?b",
    "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))",
];
const PACKINGS: &[&str] = &[
    "b",
    "H",
    "l",
    "i3",
    "I8",
    "i16",
    "i32",
    "i33",
    "I0",
    "f",
    "d",
    "s",
    "c",
    "c0",
    "c5",
    "c2147483647",
    "c2147483648",
    "x",
    "!",
    "!8",
    "!3",
    "!0",
    ">",
    "<",
    "=",
    " ",
    "q",
    "9",
];
const TEXTS: &[&str] = &[
    "[1]",
    r#"{"a":[1,{"b":null}]}"#,
    r#""\\u0041""#,
    r#""\\ud83d\\ude00""#,
    r#""\\ud800""#,
    "1e5",
    "-0",
    "0x10",
    "nan",
    "-inf",
    "tru",
    "[1,,2]",
    "{1:2}",
    "[",
    r#""abc"#,
    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    "1e999",
    "",
];

fn one_of<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.below(choices.len() as u64) as usize]
}

/// A quoted text of some pieces.
fn quoted(rng: &mut Rng, pieces: &[&str]) -> String {
    let count = 1 + rng.below(3);
    let text: String = (0..count).map(|_| one_of(rng, pieces)).collect();
    format!("'{text}'")
}

fn value(rng: &mut Rng, depth: u32) -> String {
    match depth < 2 && rng.below(5) == 0 {
        true => call(rng, depth + 1),
        false => one_of(rng, VALUES).to_owned(),
    }
}

fn call(rng: &mut Rng, depth: u32) -> String {
    let function = one_of(rng, FUNCTIONS);
    let mut given: Vec<String> = (0..rng.below(4)).map(|_| value(rng, depth)).collect();
    let fitting = rng.below(2) == 0;
    let mut put = |at: usize, text: String| {
        if let Some(slot) = given.get_mut(at) {
            *slot = text;
        }
    };
    match function {
        // What has no end in sight would be killed, if there were somebody to do it.
        "string.rep" => put(1, rng.below(100).to_string()),
        "string.format" if fitting => put(0, quoted(rng, FORMATS)),
        "struct.pack" | "struct.unpack" | "struct.size" if fitting => put(0, quoted(rng, PACKINGS)),
        "string.find" | "string.match" | "string.gmatch" | "string.gsub" => {
            put(0, "'abc a(b(c)d)e aaaaaaaaaaaa'".to_owned());
            put(1, quoted(rng, PATTERNS));
        }
        "cjson.decode" if fitting => put(0, quoted(rng, TEXTS)),
        _ => {}
    }
    format!("{function}({})", given.join(", "))
}

fn script(rng: &mut Rng) -> String {
    let expression = match rng.below(4) {
        0 => value(rng, 0),
        _ => call(rng, 0),
    };
    let place = one_of(rng, PLACES).replace('@', &expression);
    format!("{PREAMBLE} {place}")
}

/// What is behind the first reply; none if that is no reply.
fn behind_reply(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    // Values that are still to come; a script nests them deeper than a stack would bear.
    let mut wanted: u64 = 1;
    while wanted > 0 {
        wanted -= 1;
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, behind) = (&rest[1..end], &rest[end + 2..]);
        let number = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
        let kind = rest[0];
        rest = behind;
        match kind {
            b'+' | b'-' | b',' | b'(' if !line.contains(&b'\n') && !line.contains(&b'\r') => {}
            b':' if number().is_some() => {}
            b'_' if line.is_empty() => {}
            b'#' if line == b"t" || line == b"f" => {}
            b'$' | b'=' if number()? >= 0 => {
                let length = number()? as usize;
                rest = rest.get(length..)?.strip_prefix(b"\r\n")?;
            }
            b'$' | b'*' if number()? == -1 => {}
            b'*' | b'~' if number()? >= 0 => wanted += number()? as u64,
            b'%' if number()? >= 0 => wanted += 2 * number()? as u64,
            _ => return None,
        }
    }
    Some(rest)
}

/// Tells all that scripts share, as the next script sees it.
const SHARED: &str = "local found = {} \
    local function note(name, t) \
        for key, value in pairs(t) do \
            found[#found + 1] = name .. '.' .. tostring(key) .. ':' .. type(value) \
        end \
        found[#found + 1] = name .. #t \
    end \
    note('_G', _G) \
    for name, value in pairs(_G) do \
        if type(value) == 'table' and value ~= _G then note(name, value) end \
    end \
    table.sort(found) \
    found[#found + 1] = ('x'):rep(2) .. tostring(getmetatable('')) .. tostring(getmetatable(_G)) \
    return table.concat(found, ' ') .. #KEYS .. (next(KEYS) or '')";

fn shared(rig: &mut Rig) -> String {
    rig.session.protocol = Protocol::Resp2;
    let told = rig.run_words(&["EVAL", SHARED, "0"]);
    // Where a table lies is no matter of its.
    told.split("table: 0x")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// What is known to bring the interpreter down from inside, each ending in an error or a value.
const BREAKERS: &[&str] = &[
    "return {pcall(unpack, {}, -2^31)}",
    "return {pcall(unpack, {}, -2^31 + 1, 0)}",
    "return {pcall(unpack, {1, 2, 3}, 0, 2^31 - 1)}",
    "return {pcall(unpack, {1, 2, 3}, 1, 2^32 + 3)}",
    "return {pcall(unpack, {}, 0/0, 2^31)}",
    "return {pcall(string.find, ('a'):rep(500000), ('a?'):rep(500000))}",
    "return {pcall(string.match, ('a'):rep(500000), ('a*'):rep(500000))}",
    "return {pcall(string.gsub, ('a'):rep(500000), ('('):rep(500000), '')}",
    "return {pcall(string.gmatch('a', ('a-'):rep(500000)))}",
    "return {pcall(function() return (('a'):rep(9)):find(('()'):rep(500000)) end)}",
    "return {pcall(string.rep, 'x', 2^52)}",
    "return {pcall(string.format, '%' .. ('1'):rep(500) .. 'd', 1)}",
    "return {loadstring('return ' .. ('('):rep(100000))}",
    "return {loadstring(('a='):rep(100000))}",
    "local n = 0 return {load(function() n = n + 1 return n < 100000 and ' ' or nil end)}",
    "local function f() return coroutine.wrap(f)() end return {pcall(f)}",
    "local function f() return (pcall(f)) end return {f()}",
    "local function f() return (xpcall(f, f)) end return {f()}",
    "return {xpcall(string.format, string.format)}",
    "local function f() return (string.gsub('a', 'a', f)) end return {pcall(f)}",
    "local function f() table.sort({1, 2, 3}, f) end return {pcall(f)}",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end \
     return {pcall(function() return t.x end)}",
    "local t = setmetatable({}, {}) getmetatable(t).__tostring = tostring \
     return {pcall(tostring, t)}",
    "for i = 1, 300 do loadstring('return {' .. i .. '}', ('name'):rep(i))() end",
    "collectgarbage('stop') collectgarbage('setpause', 0) return collectgarbage('count') > 0",
];

/// Runs with as much stack as a server has.
fn with_a_server_s_stack(run: fn()) {
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    if let Err(panic) = thread.expect("a thread").join() {
        resume_unwind(panic);
    }
}

#[test]
fn what_brings_an_interpreter_down_is_survived() {
    with_a_server_s_stack(|| {
        let (mut rig, before) = a_rig();
        for script in BREAKERS {
            let reply = rig.run_bytes(&["EVAL", script, "0"]);
            assert_eq!(behind_reply(&reply), Some(&b""[..]), "{script}");
            assert_eq!(shared(&mut rig), before, "{script}");
        }
    });
}

#[test]
fn what_a_script_leaves_behind_runs_in_no_other() {
    let mut rig = Rig::new();
    let reply = rig.run_words(&["EVAL", "return newproxy(true)", "0"]);
    assert!(reply.contains("nonexistent global variable 'newproxy'"));
    let left = "setmetatable({}, {__gc = function() redis.call('SET', 'x', 1) end}) \
        collectgarbage() return redis.call('EXISTS', 'x')";
    assert_eq!(rig.run_words(&["EVAL", left, "0"]), ":0\r\n");
    assert_eq!(rig.run("EVAL 'collectgarbage()' 0"), "$-1\r\n");
    assert_eq!(rig.run("EXISTS x"), ":0\r\n");
}

fn a_rig() -> (Rig, String) {
    let mut rig = Rig::new();
    rig.run("SET k v");
    let before = shared(&mut rig);
    assert!(before.contains("string.rep:function"), "{before}");
    (rig, before)
}

#[test]
fn fuzz_scripts() {
    with_a_server_s_stack(run_scripts);
}

fn run_scripts() {
    let number = |name| env::var(name).ok().map(|text| text.parse().unwrap());
    let first: u64 = number("FUZZ_SEED").unwrap_or(1);
    let end = number("FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    let (mut rig, before) = a_rig();
    let mut seed = first;
    while end.map_or(seed < first + SCRIPTS, |end| Instant::now() < end) {
        let mut rng = Rng::from_seed(seed);
        let script = script(&mut rng);
        rig.session.protocol = match rng.below(2) {
            0 => Protocol::Resp2,
            _ => Protocol::Resp3,
        };
        let reply = rig.run_bytes(&["EVAL", &script, "1", "k", "a"]);
        let text = String::from_utf8_lossy(&reply[..reply.len().min(200)]).into_owned();
        let shown = &script[PREAMBLE.len()..];
        assert_eq!(
            behind_reply(&reply),
            Some(&b""[..]),
            "seed {seed}: {shown}\n{text}"
        );
        assert_eq!(shared(&mut rig), before, "seed {seed}: {shown}\n{text}");
        if seed.is_multiple_of(50) {
            rig.run("FLUSHALL");
            rig.run("SCRIPT FLUSH");
            rig.run("SET k v");
        }
        rig.host.wishes.clear();
        seed += 1;
    }
    println!("scripts: {} from seed {first}", seed - first);
}
