//! Scripts: the same ones to ours and to stock Redis, and what replicas and files get of them.
//!
//! Debian ships Redis 7.0 where we follow 7.2; for these scripts the two say the same.

use crate::harness::*;

/// Scripts that get two keys and two arguments. Replies must agree byte for byte.
const SCRIPTS: &[&str] = &[
    "return 1",
    "return 'text'",
    "return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], KEYS[3]}",
    "return {1, 2.9, -2.9, 'a', {true, false}, nil, 3}",
    "return {ok='fine'}",
    "return {err='MY own error'}",
    "return {err='no code'}",
    "return {double=1.5}",
    "return {map={a=1}}",
    "return {set={a=true}}",
    "return {big_number='123456789012345678901234567890'}",
    "return {verbatim_string={format='txt', string='hi'}}",
    "return redis.error_reply('My own')",
    "return redis.error_reply('-MY own')",
    "return redis.status_reply('FINE')",
    "return redis.sha1hex('abc')",
    "redis.setresp(3) return true",
    "redis.setresp(3) return {true, false}",
    "return redis.setresp(4)",
    "return redis.setresp()",
    "return redis.call('SET', KEYS[1], ARGV[1])",
    "return redis.call('GET', KEYS[1])",
    "return redis.call('GET', KEYS[2])",
    "return type(redis.call('GET', KEYS[2]))",
    "redis.setresp(3) return type(redis.call('GET', KEYS[2]))",
    "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 1, 2, 'x') \
     return redis.call('LRANGE', KEYS[1], 0, -1)",
    "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'f', 'v') \
     return redis.call('HGETALL', KEYS[1])",
    "redis.setresp(3) return redis.call('HGETALL', KEYS[1])",
    "redis.setresp(3) redis.call('ZADD', KEYS[2], 1.5, 'm') \
     return redis.call('ZSCORE', KEYS[2], 'm')",
    "return redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')",
    "redis.setresp(3) return redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')",
    "return redis.call('INCR', KEYS[1])",
    "return redis.pcall('INCR', KEYS[1])",
    "return redis.pcall('INCR', KEYS[1]).err",
    "return {pcall(redis.call, 'INCR', KEYS[1])}",
    "return redis.call('NOSUCH')",
    "return redis.call('GET')",
    "return redis.call()",
    "return redis.call('SET', KEYS[1], {})",
    "return redis.call('MULTI')",
    "return redis.call('SUBSCRIBE', 'c')",
    "return redis.call('ECHO', 12345)",
    "return redis.call('ECHO', 1.25)",
    "return redis.pcall('EVAL', 'return 1', 0)",
    "error('mine')",
    "error({err='MY own'})",
    "error()",
    "\n\nreturn none",
    "local x = nil return x.y",
    "return 1 + {}",
    "return {} .. 'a'",
    "return ('x')()",
    "local function f() error('deep') end\nf()",
    "return pcall(error, 'x')",
    "return {pcall(error, 'x')}",
    "return {pcall(error, {err='E x'})}",
    "return {xpcall(function() error('x') end, function(e) return 'handled' end)}",
    "return coroutine.wrap(function() return 5 end)()",
    "local c = coroutine.create(function() error('in there') end) \
     return {coroutine.resume(c)}",
    "a b",
    "return '",
    "for",
    "none = 1",
    "redis.call = nil",
    "string.x = 1",
    "_G.x = 1",
    "rawset(_G, 'x', 1)",
    "setmetatable(_G, {})",
    "getmetatable(_G).__index = nil",
    "return print",
    "return os",
    "return loadstring(string.dump(function() end))",
    "return {loadstring('x x')}",
    "return loadstring('return 5')()",
    "return {type(math), type(string), type(table), type(cjson), type(redis)}",
    "local t = {} for k in pairs(redis) do t[#t + 1] = k end return #t > 10",
    "return tostring(1/3)",
    "return tonumber('0x10')",
    "return string.format('%5.2f|%q|%s', 1.234, 'a\\n', 'b')",
    "return table.concat({1, 2, 3}, ',')",
    "return select('#', unpack({1, 2, nil, 4}, 1, 4))",
    "return cjson.encode({1, 2.5, 'a/b', {}, {a=true}})",
    "return cjson.encode({[1]=1, [100]=2})",
    "return cjson.encode(0/0)",
    "return cjson.encode(1e15)",
    "return cjson.encode(print or 1)",
    "return cjson.decode('{\"a\":[1,2,{\"b\":null}]}').a[2]",
    "return cjson.decode('[1,')",
    "return cjson.decode('[1 2]')",
    "return cjson.decode('nope')",
    "return cjson.decode('\"\\\\ud83d\\\\ude00\"')",
    "return cjson.decode('{\"a\":1}x')",
    "return cmsgpack.pack({1, -1, 300, 70000, 5000000000, 1.5, 0.1, 'abc', true})",
    "return cmsgpack.pack({a=1})",
    "return {cmsgpack.unpack('\\147\\1\\2\\3')}",
    "return {cmsgpack.unpack_one('\\1\\2\\3', 1)}",
    "return cmsgpack.unpack('\\146\\1')",
    "return struct.pack('>I2h<i4sb', 1, -2, 3, 'abc', 4)",
    "return {struct.unpack('>I2h', '\\1\\2\\255\\254')}",
    "return struct.size('!8i1i8')",
    "return struct.unpack('i4', 'abc')",
    "return struct.pack('q', 1)",
    "return bit.tohex(bit.bxor(0xff, 0xf0), 4)",
    "return {bit.lshift(1, 31), bit.arshift(-1, 3), bit.bswap(1), bit.rol(1, 33)}",
    "return bit.band('x')",
    "#!lua\nreturn 1",
    "#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], 1)",
    "#!lua flags=nonsense\nreturn 1",
    "#!lua nonsense\nreturn 1",
    "#!python\nreturn 1",
    "#!lua",
    "return redis.replicate_commands()",
    "return redis.set_repl(9)",
    "return redis.log(redis.LOG_DEBUG)",
    "return redis.log('x', 'y')",
    "return redis.acl_check_cmd('GET', 'a')",
    "return redis.acl_check_cmd('NOSUCH')",
];

#[test]
fn scripts_reply_as_those_of_stock_servers_do() {
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    let mut differences = String::new();
    for hello in ["HELLO 2", "HELLO 3"] {
        let mut pair = [ours.connect(), stock.connect()];
        for conn in &mut pair {
            conn.call("FLUSHALL");
            conn.call(hello);
        }
        for command in ["EVAL", "EVAL_RO"] {
            for script in SCRIPTS {
                let words = [command, script, "2", "k1", "k2", "a1", "10"];
                let [our_reply, their_reply] = pair.each_mut().map(|conn| {
                    conn.send(&encode(&words));
                    let raw = conn.read_raw().expect("a reply");
                    String::from_utf8_lossy(&raw).into_owned()
                });
                if our_reply != their_reply {
                    differences += &format!(
                        "{hello} {command} {script}\n  {our_reply:?}\n  not {their_reply:?}\n"
                    );
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn what_scripts_change_is_at_replicas_and_in_the_file() {
    let master = Options::ours()
        .readable_by_stock()
        .config("appendonly yes")
        .start();
    let replicas = [Server::ours(&[]), Server::stock(&[])];
    for replica in &replicas {
        follow(replica, master.port);
        wait_link_up(replica);
    }
    let mut client = master.connect();
    let script = "for i = 1, 100 do redis.call('SET', 'k' .. i, math.random()) end \
         redis.call('SELECT', 3) redis.call('SADD', 's', 1, 2, 3) redis.call('SPOP', 's') \
         return redis.call('INCRBYFLOAT', 'f', 1.5)";
    assert_eq!(client.command(&["EVAL", script, "0"]).to_string(), "1.5");
    for replica in &replicas {
        wait_equal_offsets(&[&master, replica]);
        assert_same_data(&master, replica);
    }
    let before = client.ask("DEBUG DIGEST");
    client.call("DEBUG LOADAOF");
    assert_eq!(client.ask("DEBUG DIGEST"), before);
}
