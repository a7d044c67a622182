//! What the command line says about configuration.
//!
//! The first argument names a file unless it begins with a dash. `-`, first or last, asks for
//! standard input. Everything else is options: they become lines of a configuration text that is
//! read after the file and standard input, so that the last word is the command line's.
//! `--port 7777 --replicaof 127.0.0.1 8888` becomes
//!
//! ```text
//! port "7777"
//! replicaof "127.0.0.1" "8888"
//! ```
//!
//! An argument that begins with two dashes starts a new line only if the line before has a value:
//! a value may look like an option, as in `--logfile --odd--name`. `--save` is the exception: an
//! option right behind it, or nothing, means `save ""`.

use crate::base::quoting;

/// Where a configuration is read from; later sources have the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Path of a file.
    pub file: Option<Vec<u8>>,
    /// Whether standard input is read.
    pub stdin: bool,
    /// Lines made of the options.
    pub options: Vec<u8>,
}

impl Sources {
    /// Reads the arguments behind the program's name.
    pub fn from_args<A: AsRef<[u8]>>(args: &[A]) -> Sources {
        let mut sources = Sources::default();
        let mut args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let mut dash_may_stand_first = true;
        if args.first().is_some_and(|first| !first.starts_with(b"-")) {
            sources.file = Some(args.remove(0).to_vec());
            dash_may_stand_first = false;
        }
        let mut has_value = true;
        for (position, arg) in args.iter().enumerate() {
            let next = args.get(position + 1).copied();
            let is_outermost = (position == 0 && dash_may_stand_first) || next.is_none();
            if *arg == b"-" && is_outermost {
                sources.stdin = true;
            } else if let (true, Some(option)) = (has_value, arg.strip_prefix(b"--")) {
                has_value = sources.start_line(option, next);
            } else {
                quoting::quote(arg, &mut sources.options);
                sources.options.push(b' ');
                has_value = true;
            }
        }
        sources
    }

    /// Begins the line of an option, and tells whether it already has what it needs.
    fn start_line(&mut self, option: &[u8], next: Option<&[u8]>) -> bool {
        if !self.options.is_empty() {
            self.options.push(b'\n');
        }
        self.options.extend_from_slice(option);
        self.options.push(b' ');
        let is_name_alone = quoting::split_args(option).is_some_and(|args| args.len() <= 1);
        if !is_name_alone {
            return true;
        }
        let option_follows = next.is_some_and(|next| next.starts_with(b"--"));
        if option.eq_ignore_ascii_case(b"save") && (option_follows || next.is_none()) {
            self.options.extend_from_slice(b"\"\"");
            return true;
        }
        option.eq_ignore_ascii_case(b"sentinel") && option_follows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(args: &[&str]) -> (Option<String>, bool, String) {
        let text = |bytes| String::from_utf8(bytes).expect("tests speak ASCII");
        let sources = Sources::from_args(args);
        (sources.file.map(text), sources.stdin, text(sources.options))
    }

    #[test]
    fn options_become_lines_of_a_configuration() {
        let cases: &[(&[&str], &str)] = &[
            (&[], ""),
            (
                &["--port", "7777", "--replicaof", "127.0.0.1", "8888"],
                "port \"7777\" \nreplicaof \"127.0.0.1\" \"8888\" ",
            ),
            (&["--port 7777"], "port 7777 "),
            (
                &["--port 7777", "--loglevel", "debug"],
                "port 7777 \nloglevel \"debug\" ",
            ),
            (&["--bind", "a", "b"], "bind \"a\" \"b\" "),
            (&["--save", ""], "save \"\" "),
            (&["--save"], "save \"\""),
            (&["--save", "--port", "1"], "save \"\"\nport \"1\" "),
            (&["--SAVE", "--port", "1"], "SAVE \"\"\nport \"1\" "),
            (
                &["--port", "--loglevel", "verbose"],
                "port \"--loglevel\" \"verbose\" ",
            ),
            (
                &["--port", "--bla", "--loglevel", "x"],
                "port \"--bla\" \nloglevel \"x\" ",
            ),
            (
                &["--logfile", "--odd--name", "--port", "1"],
                "logfile \"--odd--name\" \nport \"1\" ",
            ),
            (&["--sentinel", "--port", "1"], "sentinel \nport \"1\" "),
            (&["--port"], "port "),
        ];
        for (args, options) in cases {
            assert_eq!(
                sources(args),
                (None, false, options.to_string()),
                "{args:?}"
            );
        }
    }

    #[test]
    fn the_first_argument_may_be_a_file_and_a_dash_asks_for_standard_input() {
        let cases: &[(&[&str], Option<&str>, bool, &str)] = &[
            (&["a.conf"], Some("a.conf"), false, ""),
            (
                &["a.conf", "--port", "1"],
                Some("a.conf"),
                false,
                "port \"1\" ",
            ),
            (&["-"], None, true, ""),
            (&["-", "--port", "1"], None, true, "port \"1\" "),
            (&["--port", "1", "-"], None, true, "port \"1\" "),
            (&["a.conf", "-"], Some("a.conf"), true, ""),
            (
                &["a.conf", "-", "--port", "1"],
                Some("a.conf"),
                false,
                "\"-\" \nport \"1\" ",
            ),
        ];
        for (args, file, stdin, options) in cases {
            let expected = (file.map(str::to_owned), *stdin, options.to_string());
            assert_eq!(sources(args), expected, "{args:?}");
        }
    }
}
