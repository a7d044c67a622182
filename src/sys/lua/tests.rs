//! Functions and scripts in an interpreter of their own.

use super::*;

/// Gives back how its arguments look, and panics or goes on by the other half when told so.
struct Shows;

impl Native for Shows {
    fn call(&self, arguments: &Arguments<'_>, out: &mut Vec<u8>) -> Returned {
        let mut shown: Vec<String> = Vec::new();
        for argument in arguments.iter() {
            match argument {
                Argument::Text(b"panic") => panic!("on purpose"),
                Argument::Text(b"rest") => return Returned::Rest,
                Argument::Text(b"false") => return Returned::False,
                Argument::Text(text) => shown.push(text.escape_ascii().to_string()),
                Argument::Number(number) => return Returned::Number(number + 1.0),
                Argument::Other => shown.push("other".to_owned()),
            }
        }
        out.extend(shown.join(",").into_bytes());
        match arguments.len() {
            1 => Returned::Tagged(0..out.len()),
            _ => Returned::Text(0..out.len()),
        }
    }

    fn rest(&self, _: &Lua) -> mlua::Result<Value> {
        Err(mlua::Error::RuntimeError("raised".to_owned()))
    }
}

fn with_shows() -> Lua {
    let lua = Lua::new();
    let field = lua.create_string("ok").expect("memory");
    let shows = function(&lua, Shows, &field).expect("memory");
    lua.globals().set("shows", shows).expect("memory");
    lua
}

#[test]
fn a_function_reads_its_arguments_and_gives_plain_values_back() {
    let lua = with_shows();
    let eval = |text: &str| lua.load(text).eval::<String>().expect("a text");
    assert_eq!(eval("return shows()"), "");
    assert_eq!(
        eval("return shows('a\\0b', {}, nil)"),
        "a\\x00b,other,other"
    );
    assert_eq!(eval("return shows('only').ok"), "only");
    assert_eq!(eval("return tostring(shows(41))"), "42");
    assert_eq!(eval("return tostring(shows('false'))"), "false");
    assert_eq!(eval("return tostring(pcall(shows, 'rest'))"), "false");
    assert_eq!(
        eval("local s = '' for i = 1, 1e5 do s = shows('x', 'y') end return s"),
        "x,y"
    );
    let many = eval("local t = {} for i = 1, 5000 do t[i] = 'a' end return shows(unpack(t))");
    assert_eq!(many.len(), 9999);
}

#[test]
fn a_framed_function_leaves_the_line_of_whoever_returns_its_call() {
    let lua = Lua::new();
    let raises: Function = lua
        .load("return function(...) if ... then return ... end error('raised', 3) end")
        .eval()
        .expect("it is Lua");
    let framed = framed(&lua, raises.clone()).expect("memory");
    lua.globals().set("framed", framed).expect("memory");
    let raised = lua.load("\nreturn framed()").set_name("=script").exec();
    let text = raised.expect_err("it raises").to_string();
    assert!(text.contains("script:2: raised"), "{text}");
    let passed: (i32, String) = lua.load("return framed(1, 'a')").eval().expect("values");
    assert_eq!(passed, (1, "a".to_owned()));
}

#[test]
fn a_panic_comes_out_where_the_script_was_called() {
    let lua = with_shows();
    let run = || lua.load("shows('panic')").exec();
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let after: String = lua.load("return shows('a', 'b')").eval().expect("a text");
    assert_eq!(after, "a,b");
}

#[test]
fn a_script_gets_its_lists_and_ends() {
    let lua = with_shows();
    let entry = Entry::new(&lua, "=skipped", Value::Table(lua.globals())).expect("memory");
    let ended = |script: &str| {
        let script = lua.load(script).into_function().expect("it is Lua");
        let script = lua.create_registry_value(script).expect("memory");
        let mut text = Vec::new();
        let (keys, argv): ([&[u8]; 2], [&[u8]; 1]) = ([b"a", b"b"], [b"c"]);
        let lists = (keys.into_iter(), argv.into_iter());
        let ended = run(&lua, &entry, &script, lists.0, lists.1, &mut text);
        (ended, text)
    };
    let (end, text) = ended("return KEYS[1] .. KEYS[2] .. ARGV[1] .. #KEYS .. #ARGV");
    assert_eq!((end, &text[..]), (Ended::Text, &b"abc21"[..]));
    assert_eq!(ended("return 1.5").0, Ended::Number(1.5));
    assert_eq!(ended("return 2 > 1").0, Ended::Boolean(true));
    assert_eq!(ended("return").0, Ended::Value(Value::Nil));
    assert!(matches!(
        ended("return {}").0,
        Ended::Value(Value::Table(_))
    ));
    assert!(matches!(
        ended("error({})").0,
        Ended::Failed(Value::Table(_))
    ));
    assert!(matches!(ended("error()").0, Ended::Failed(Value::Nil)));
    assert_eq!(entry.take_place().and_then(|place| place.line), Some(1));
    let panics = || ended("shows('panic')");
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(ended("return 2 > 1").0, Ended::Boolean(true));
}

#[test]
fn the_place_of_an_error_is_the_innermost_one_in_a_script() {
    let lua = with_shows();
    let globals = lua.globals();
    let skipped = lua
        .load("return function() error('there') end")
        .set_name("=skipped");
    let skipped: Function = skipped.eval().expect("it is Lua");
    globals.set("skipped", skipped).expect("memory");
    let entry = Entry::new(&lua, "=skipped", Value::Table(globals)).expect("memory");
    let script = lua
        .load("local function f()\n skipped()\n end\n\n f()")
        .set_name("@script");
    let script = script.into_function().expect("it is Lua");
    let script = lua.create_registry_value(script).expect("memory");
    let none = || std::iter::empty::<&[u8]>();
    let ended = run(&lua, &entry, &script, none(), none(), &mut Vec::new());
    assert!(matches!(ended, Ended::Failed(Value::String(_))));
    let place = entry.take_place().expect("it was in a script");
    assert_eq!((&place.source[..], place.line), (&b"@script"[..], Some(2)));
    assert_eq!(entry.take_place(), None);
}
