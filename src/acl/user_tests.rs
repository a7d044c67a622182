//! Rules: how they are read and shown, and what they open.

use super::super::catalog::testing::{Few, id};
use super::super::selector::KeyUse;
use super::super::users::{self, BadRules};
use super::*;
use crate::resp::args::OwnedArgs;

const RULES: Rules<'static> = Rules {
    catalog: &Few,
    all_channels: false,
};

fn apply(rights: Rights, line: &str) -> Result<Rights, BadRules> {
    let words = line.split(' ').map(str::as_bytes);
    users::changed(rights, words, RULES)
}

/// A user with these rules.
fn user(line: &str) -> Rights {
    apply(Rights::new(false), line).expect("good rules")
}

fn shown(rights: &Rights) -> String {
    String::from_utf8(rights.rules()).expect("text")
}

/// What becomes of a command whose words with a mark are keys: `r:` read, `w:` written, `x:` both,
/// `e:` only looked at; `c:` is a channel, `p:` a pattern of channels.
fn check(rights: &Rights, line: &str) -> Result<(), Denied> {
    let (mut words, mut keys, mut channels, mut patterns) = (Vec::new(), Vec::new(), 0..0, false);
    for (index, word) in line.split(' ').enumerate() {
        let (mark, rest) = word.split_once(':').unwrap_or(("", word));
        let access = match mark {
            "r" => Some(Access::READ),
            "w" => Some(Access::WRITE),
            "x" => Some(Access::all()),
            "e" => Some(Access::empty()),
            _ => None,
        };
        keys.extend(access.map(|access| KeyUse { index, access }));
        if matches!(mark, "c" | "p") {
            channels = 1..index + 1;
            patterns = mark == "p";
        }
        words.push(rest);
    }
    let name = match words[..] {
        ["config", member, ..] => format!("config|{member}"),
        _ => words[0].to_owned(),
    };
    let args = OwnedArgs::new(&words);
    rights.check(&Request {
        id: id(&name),
        is_open: false,
        args: &args.args(),
        keys: &keys,
        channels,
        patterns,
    })
}

#[test]
fn rules_are_read_back_as_rules() {
    for (line, rules) in [
        ("", "off sanitize-payload resetchannels -@all"),
        (
            "on nopass allkeys allchannels allcommands",
            "on nopass sanitize-payload ~* &* +@all",
        ),
        (
            "skip-sanitize-payload ~a %R~b %w~c %rW~d ~a &x &x &y*",
            "off skip-sanitize-payload ~a %R~b %W~c ~d resetchannels &x &y* -@all",
        ),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all"),
        (
            "+GET +@READ -mget",
            "off sanitize-payload resetchannels -@all +get +@read -mget",
        ),
        (
            "+get -get +get",
            "off sanitize-payload resetchannels -@all +get",
        ),
        (
            "+config|get -config|set +select|0 +SELECT|1",
            "off sanitize-payload resetchannels -@all +config|get -config|set +select|0 +select|1",
        ),
        (
            "+config|get +select|0 +config +select",
            "off sanitize-payload resetchannels -@all +config +select",
        ),
        (
            "+get +@all -@write",
            "off sanitize-payload resetchannels +@all -@write",
        ),
        (
            "+get (+set ~a) (&c ) ~b",
            "off sanitize-payload ~b resetchannels -@all +get (~a resetchannels -@all +set) \
             (resetchannels &c -@all)",
        ),
        (
            "on nopass ~* +@all (~a) reset",
            "off sanitize-payload resetchannels -@all",
        ),
        (
            "(~a) clearselectors",
            "off sanitize-payload resetchannels -@all",
        ),
    ] {
        let made = user(line);
        assert_eq!(shown(&made), rules, "{line}");
        assert_eq!(user(rules), made, "{rules}");
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_told() {
    use RuleError::*;
    for (line, error) in [
        ("+nothing", Unknown),
        ("-nothing", Unknown),
        ("+@nothing", Unknown),
        ("-get|x", Unknown),
        ("+get|x|y", Unknown),
        ("+config|nothing", Unknown),
        ("-config|nothing", Unknown),
        ("+config|get|x", ArgumentOfMember),
        ("+select|", Syntax),
        ("nothing", Syntax),
        (")", Syntax),
        ("%~a", Syntax),
        ("%X~a", Syntax),
        ("%RR~a", Syntax),
        ("~a\tb", Syntax),
        ("&a\tb", Syntax),
        ("~* ~a", AllKeys),
        ("&* &a", AllChannels),
        ("<pass", NoSuchPassword),
        ("#pass", BadHash),
        ("!pass", BadHash),
        ("(nothing)", Syntax),
    ] {
        let rule = line.rsplit(' ').next().expect("a rule").into();
        let error = Err(BadRules::Rule(rule, error));
        assert_eq!(apply(Rights::new(false), line).map(|_| ()), error, "{line}");
    }
    assert_eq!(
        apply(Rights::new(false), "on (+get ~a").map(|_| ()),
        Err(BadRules::Unmatched(b"(+get".to_vec()))
    );
    let text = BadRules::Rule(b"+x".to_vec(), Unknown).text();
    assert_eq!(
        text,
        b"Error in ACL SETUSER modifier '+x': Unknown command or category name in ACL"
    );
}

#[test]
fn commands_are_open_one_by_one_by_category_or_by_argument() {
    let rights = user("+@read -mget +select|0 +config|set ~*");
    for (line, open) in [
        ("get r:a", true),
        ("mget r:a", false),
        ("set w:a b", false),
        ("select 0", true),
        ("select 1", false),
        ("select", false),
        ("config get", true),
        ("config set", true),
    ] {
        let result = if open { Ok(()) } else { Err(Denied::Command) };
        assert_eq!(check(&rights, line), result, "{line}");
    }
    let all_but_one = user("+@all -config|set ~*");
    assert_eq!(check(&all_but_one, "config set"), Err(Denied::Command));
    assert_eq!(check(&all_but_one, "config get"), Ok(()));
    assert_eq!(
        check(&user("+@all -config"), "config get"),
        Err(Denied::Command)
    );
}

#[test]
fn keys_are_open_for_reading_for_writing_or_for_both() {
    let rights = user("+@all %R~r* %W~w* ~x*");
    for (line, denied) in [
        ("get r:r", None),
        ("get r:w", Some(Denied::Key(1))),
        ("set w:w a", None),
        ("set w:r a", Some(Denied::Key(1))),
        ("set x:x a", None),
        ("set x:r a", Some(Denied::Key(1))),
        ("get e:r", None),
        ("get e:w", None),
        ("get e:other", Some(Denied::Key(1))),
        ("copy r:r w:w", None),
        ("copy r:r w:r", Some(Denied::Key(2))),
        ("copy r:w w:r", Some(Denied::Key(1))),
    ] {
        assert_eq!(check(&rights, line).err(), denied, "{line}");
    }
}

#[test]
fn channels_match_patterns_and_patterns_only_themselves() {
    let rights = user("+@all &a:* &b");
    for (line, open) in [
        ("publish c:a:1 x", true),
        ("publish c:b x", true),
        ("publish c:c x", false),
        ("psubscribe p:a:*", true),
        ("psubscribe p:a:b*", false),
        ("psubscribe p:b", true),
    ] {
        assert_eq!(check(&rights, line).is_ok(), open, "{line}");
    }
    assert_eq!(check(&rights, "publish c:c x"), Err(Denied::Channel(1)));
}

#[test]
fn one_selector_has_to_open_all_of_a_command() {
    let rights = user("(+@read %R~r*) (+@write %W~w*) (+mget ~a ~b)");
    for (line, denied) in [
        ("get r:r", None),
        ("set w:w x", None),
        ("copy r:r w:w", Some(Denied::Key(1))),
        ("mget r:a r:b", None),
        ("mget r:a r:c", Some(Denied::Key(2))),
        ("select 0", Some(Denied::Command)),
    ] {
        assert_eq!(check(&rights, line).err(), denied, "{line}");
    }
}

#[test]
fn only_the_passwords_of_who_is_enabled_are_right() {
    let rights = user(">a >b");
    assert!(!rights.accept(b"a"));
    let rights = apply(rights, "on").expect("a good rule");
    assert!(rights.accept(b"a") && rights.accept(b"b") && !rights.accept(b"c"));
    let rights = apply(rights, "<a").expect("a good rule");
    assert!(!rights.accept(b"a") && rights.accept(b"b"));
    let rights = apply(rights, "nopass").expect("a good rule");
    assert!(rights.accept(b"whatever") && rights.passwords().is_empty());
    let rights = apply(rights, "resetpass").expect("a good rule");
    assert!(!rights.accept(b""));
}

#[test]
fn who_may_do_everything_is_not_asked() {
    for (line, unrestricted) in [
        ("+@all ~* &*", true),
        ("+@all ~*", false),
        ("+@all ~* &* -get", false),
        ("+@all ~* &* -get +get", false),
        ("+get (+@all ~* &*)", true),
    ] {
        let user = User::new(b"u", user(line));
        assert_eq!(user.is_unrestricted(), unrestricted, "{line}");
        user.set_rights(Rights::new(false));
        assert!(!user.is_unrestricted());
    }
}

#[test]
fn every_key_is_open_by_the_pattern_for_all() {
    for (line, every) in [
        ("~*", true),
        ("%R~*", true),
        ("%W~*", false),
        ("~a*", false),
    ] {
        let rights = user(&format!("+get {line}"));
        let args = OwnedArgs::new(["get", "a"]);
        let request = Request {
            id: id("get"),
            is_open: false,
            args: &args.args(),
            keys: &[],
            channels: 0..0,
            patterns: false,
        };
        let open = rights.check_with_every_key(&request, Access::READ);
        assert_eq!(open, every, "{line}");
    }
}
