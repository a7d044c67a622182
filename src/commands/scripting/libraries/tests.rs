//! What scripts find in the libraries.

use crate::commands::testing::Rig;

fn value_of(script: &str) -> String {
    Rig::new().run_words(&["EVAL", script, "0"])
}

/// The reply of a script that returns a text.
fn text_of(script: &str) -> String {
    let reply = value_of(script);
    let (header, text) = reply.split_once("\r\n").expect("a reply has a line");
    assert!(header.starts_with('$'), "{script}: {reply}");
    text.trim_end_matches("\r\n").to_owned()
}

#[test]
fn bits_are_those_of_32_bit_integers() {
    for (script, number) in [
        ("bit.tobit(0xffffffff)", -1),
        ("bit.tobit(1.5)", 2),
        ("bit.bnot(0)", -1),
        ("bit.band(0xff, 0x0f, 3)", 3),
        ("bit.bor(1, 2, 4, 8)", 15),
        ("bit.bxor(1, 2)", 3),
        ("bit.lshift(1, 33)", 2),
        ("bit.rshift(-1, 31)", 1),
        ("bit.arshift(-8, 1)", -4),
        ("bit.rol(0x80000000, 1)", 1),
        ("bit.ror(1, 1)", -2_147_483_648),
        ("bit.bswap(1)", 16_777_216),
    ] {
        assert_eq!(
            value_of(&format!("return {script}")),
            format!(":{number}\r\n")
        );
    }
    assert_eq!(text_of("return bit.tohex(255)"), "000000ff");
    assert_eq!(text_of("return bit.tohex(255, -4)"), "00FF");
    let error = "bad argument #1 to 'band' (number expected, got no value)";
    assert!(value_of("return bit.band()").contains(error));
}

#[test]
fn structures_are_packed_and_unpacked() {
    for (script, reply) in [
        ("return struct.pack('>I2', 258)", "$2\r\n\u{1}\u{2}\r\n"),
        ("return struct.pack('<I2', 258)", "$2\r\n\u{2}\u{1}\r\n"),
        ("return struct.pack('s', 'ab')", "$3\r\nab\0\r\n"),
        (
            "return {struct.unpack('>i2', '\\255\\254')}",
            "*2\r\n:-2\r\n:3\r\n",
        ),
        (
            "return {struct.unpack('Bc0', '\\2abc')}",
            "*2\r\n$2\r\nab\r\n:4\r\n",
        ),
        (
            "return {struct.unpack('s', 'ab\\0c')}",
            "*2\r\n$2\r\nab\r\n:4\r\n",
        ),
        ("return struct.size('!i1i8')", ":16\r\n"),
        ("return struct.size('bhld')", ":19\r\n"),
        (
            "return {struct.unpack('d', struct.pack('d', 1.5))}",
            "*2\r\n:1\r\n:9\r\n",
        ),
    ] {
        assert_eq!(value_of(script), reply, "{script}");
    }
    for (script, error) in [
        ("struct.pack('q', 1)", "invalid format option 'q'"),
        (
            "struct.pack('i33', 1)",
            "integral size 33 is larger than limit of 32",
        ),
        ("struct.pack('!3', 1)", "alignment 3 is not a power of 2"),
        ("struct.unpack('I4', 'abc')", "data string too short"),
        ("struct.unpack('I4', 'abc', 100)", "data string too short"),
        (
            "struct.unpack('b', 'abc', 0)",
            "offset must be 1 or greater",
        ),
        (
            "struct.unpack('i99999999999', 'abc')",
            "integral size overflow",
        ),
        (
            "struct.unpack('c0', 'abc')",
            "format 'c0' needs a previous size",
        ),
        ("struct.size('s')", "option 's' has no fixed size"),
    ] {
        assert!(
            value_of(script).contains(error),
            "{script}: {}",
            value_of(script)
        );
    }
}

#[test]
fn message_pack_is_written_and_read() {
    for (value, hex) in [
        ("1", "01"),
        ("-1", "ff"),
        ("255", "ccff"),
        ("-1099511627776", "d3ffffff0000000000"),
        ("0.1", "cb3fb999999999999a"),
        ("1.5", "ca3fc00000"),
        ("'a'", "a161"),
        ("true", "c3"),
        ("nil", "c0"),
        ("{1, 2}", "920102"),
        ("{}", "90"),
        ("{a=1}", "81a16101"),
    ] {
        let script = format!(
            "return (cmsgpack.pack({value}):gsub('.', function(c) \
             return bit.tohex(c:byte(), 2) end))"
        );
        assert_eq!(text_of(&script), hex, "{value}");
    }
    for (script, reply) in [
        ("return {cmsgpack.unpack('\\1\\2')}", "*2\r\n:1\r\n:2\r\n"),
        (
            "return {cmsgpack.unpack_one('\\1\\2')}",
            "*2\r\n:1\r\n:1\r\n",
        ),
        (
            "return {cmsgpack.unpack_one('\\1\\2', 1)}",
            "*2\r\n:-1\r\n:2\r\n",
        ),
        (
            "return {cmsgpack.unpack_limit('\\1\\2\\3', 2)}",
            "*3\r\n:2\r\n:1\r\n:2\r\n",
        ),
        (
            "local a = {} a.a = a return #cmsgpack.pack(a) > 16",
            ":1\r\n",
        ),
        (
            "return cmsgpack.unpack(cmsgpack.pack({a={1, 'x'}})).a",
            "*2\r\n:1\r\n$1\r\nx\r\n",
        ),
    ] {
        assert_eq!(value_of(script), reply, "{script}");
    }
    for (script, error) in [
        ("cmsgpack.unpack('\\146\\1')", "Missing bytes in input."),
        ("cmsgpack.unpack('\\193')", "Bad data format in input."),
        (
            "cmsgpack.unpack(('\\145'):rep(100000))",
            "Bad data format in input.",
        ),
        (
            "cmsgpack.unpack('\\221\\255\\255\\255\\255')",
            "Missing bytes in input.",
        ),
        (
            "cmsgpack.unpack_one('a', 5)",
            "Start offset 5 greater than input length 1.",
        ),
        ("cmsgpack.pack()", "MessagePack pack needs input."),
    ] {
        assert!(
            value_of(script).contains(error),
            "{script}: {}",
            value_of(script)
        );
    }
}

#[test]
fn json_is_written() {
    for (value, json) in [
        ("{1, 2.5, 'a', true, cjson.null}", "[1,2.5,\"a\",true,null]"),
        ("{}", "{}"),
        ("{a={b=1}}", "{\"a\":{\"b\":1}}"),
        ("{[1]=1, [3]=3}", "[1,null,3]"),
        ("'a/b\\n\\\"\\1'", "\"a\\/b\\n\\\"\\u0001\""),
        ("1/3", "0.33333333333333"),
        ("12345678901234567", "1.2345678901235e+16"),
        ("nil", "null"),
    ] {
        assert_eq!(text_of(&format!("return cjson.encode({value})")), json);
    }
    for (script, error) in [
        (
            "cjson.encode(0/0)",
            "Cannot serialise number: must not be NaN or Inf",
        ),
        (
            "cjson.encode({[1]=1, [100]=1})",
            "Cannot serialise table: excessively sparse array",
        ),
        (
            "cjson.encode({[true]=1})",
            "Cannot serialise boolean: table key must be a number or string",
        ),
        (
            "cjson.encode(function() end)",
            "Cannot serialise function: type not supported",
        ),
        (
            "local t = {} t.t = t cjson.encode(t)",
            "Cannot serialise, excessive nesting (1001)",
        ),
        (
            "cjson.encode()",
            "bad argument #1 to 'encode' (expected 1 argument)",
        ),
    ] {
        assert!(
            value_of(script).contains(error),
            "{script}: {}",
            value_of(script)
        );
    }
    let caught = "return select(2, pcall(cjson.encode, 0/0))";
    assert_eq!(
        text_of(caught),
        "Cannot serialise number: must not be NaN or Inf"
    );
}

#[test]
fn json_is_read() {
    for (json, script, reply) in [
        (
            "[0.0, -5e3, 0.3e-3, 1023.2]",
            "table.concat(v, ' ')",
            "$21\r\n0 -5000 0.0003 1023.2\r\n",
        ),
        (
            "{\"a\": [1, {\"b\": null}]}",
            "v.a[2].b == cjson.null",
            ":1\r\n",
        ),
        (
            "\"\\u00e9\\ud83d\\ude00\\n\"",
            "v",
            "$7\r\n\u{e9}\u{1f600}\n\r\n",
        ),
        ("true", "v", ":1\r\n"),
        (" [] ", "#v", ":0\r\n"),
        ("0x10", "v", ":16\r\n"),
    ] {
        let script = format!("local v = cjson.decode(ARGV[1]) return {script}");
        let got = Rig::new().run_words(&["EVAL", &script, "0", json]);
        assert_eq!(got, reply, "{json}");
    }
    for (json, error) in [
        ("", "Expected value but found T_END at character 1"),
        ("x", "Expected value but found invalid token at character 1"),
        (
            "[1 2]",
            "Expected comma or array end but found T_NUMBER at character 4",
        ),
        (
            "{1:2}",
            "Expected object key string but found T_NUMBER at character 2",
        ),
        (
            "{\"a\" 1}",
            "Expected colon but found T_NUMBER at character 6",
        ),
        (
            "[1]x",
            "Expected the end but found invalid token at character 4",
        ),
        (
            "\"abc",
            "Expected value but found unexpected end of string at character 5",
        ),
        (
            "\"\\q\"",
            "Expected value but found invalid escape code at character 2",
        ),
        (
            "\"\\ud800\"",
            "Expected value but found invalid unicode escape code at character 2",
        ),
    ] {
        let got = Rig::new().run_words(&["EVAL", "return cjson.decode(ARGV[1])", "0", json]);
        assert!(got.contains(error), "{json}: {got}");
    }
    let deep = "return cjson.decode(('['):rep(100000))";
    let error = "Found too many nested data structures (1001) at character 1001";
    assert!(value_of(deep).contains(error), "{}", value_of(deep));
}
