//! Glob patterns as `KEYS`, `SCAN`, `PSUBSCRIBE` and `CONFIG GET` know them.
//!
//! `*` any run of bytes, `?` one byte, `[a-z]` and `[^a-z]` classes, `\` takes the next byte as
//! itself. Keys are bytes, not text: nothing here decodes UTF-8.
//!
//! The matcher walks pattern and subject once and remembers only the latest `*`. When what follows
//! that star fails, the star swallows one byte more; an earlier star never needs to be
//! reconsidered, since a longer match for it would only leave less for the later one. That makes
//! the worst case the product of the two lengths, with no recursion for a hostile pattern to
//! exhaust.
//!
//! A few corners follow the reference rather than reason, because scripts may lean on them: a star
//! does not match an empty subject, an unclosed class takes the rest of the pattern, an escaped
//! byte inside a class is compared with its case, and class ranges compare signed bytes.

/// Whether all of `s` matches `pattern`; with `nocase`, ASCII letters match either case.
pub fn glob_match(pattern: &[u8], s: &[u8], nocase: bool) -> bool {
    let (mut p, mut i) = (0, 0);
    // Where to resume when the part after the latest star fails: the pattern behind the star, and
    // the first subject byte that this part was tried at.
    let mut star: Option<(usize, usize)> = None;
    while p < pattern.len() && i < s.len() {
        if pattern[p] == b'*' {
            p = skip_stars(pattern, p);
            if p == pattern.len() {
                return true;
            }
            star = Some((p, i));
            continue;
        }
        match match_one(pattern, p, s[i], nocase) {
            Some(next) => {
                p = next;
                i += 1;
                if i == s.len() {
                    p = skip_stars(pattern, p);
                }
                if p < pattern.len() || i == s.len() {
                    continue;
                }
            }
            None if star.is_none() => return false,
            None => {}
        }
        // A mismatch, or a pattern that ended before the subject did.
        let Some((after, tried)) = star else {
            return false;
        };
        star = Some((after, tried + 1));
        (p, i) = (after, tried + 1);
    }
    p == pattern.len() && i == s.len()
}

fn skip_stars(pattern: &[u8], mut p: usize) -> usize {
    while pattern.get(p) == Some(&b'*') {
        p += 1;
    }
    p
}

/// Matches the one-byte element at `p` (never a star) against `c`; gives the position behind the
/// element, or `None` on a mismatch.
fn match_one(pattern: &[u8], mut p: usize, c: u8, nocase: bool) -> Option<usize> {
    match pattern[p] {
        b'?' => Some(p + 1),
        b'[' => {
            let (matched, next) = match_class(pattern, p + 1, c, nocase);
            matched.then_some(next)
        }
        b'\\' if p + 1 < pattern.len() => {
            p += 1;
            same(pattern[p], c, nocase).then_some(p + 1)
        }
        literal => same(literal, c, nocase).then_some(p + 1),
    }
}

/// Matches the class whose body starts at `p`; gives the verdict and the position behind `]`.
fn match_class(pattern: &[u8], mut p: usize, c: u8, nocase: bool) -> (bool, usize) {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut matched = false;
    loop {
        match pattern.get(p..).unwrap_or_default() {
            [] => break,
            [b'\\', escaped, ..] => {
                matched |= *escaped == c;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [from, b'-', to, ..] => {
                matched |= in_range(*from, *to, c, nocase);
                p += 3;
            }
            [literal, ..] => {
                matched |= same(*literal, c, nocase);
                p += 1;
            }
        }
    }
    (matched != negated, p)
}

fn in_range(from: u8, to: u8, c: u8, nocase: bool) -> bool {
    let (low, high) = if from as i8 > to as i8 {
        (to, from)
    } else {
        (from, to)
    };
    if nocase {
        (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&c.to_ascii_lowercase())
    } else {
        (low as i8..=high as i8).contains(&(c as i8))
    }
}

#[inline]
fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, s: &str, expected: bool) {
        let got = glob_match(pattern.as_bytes(), s.as_bytes(), false);
        assert_eq!(got, expected, "pattern {pattern:?} subject {s:?}");
    }

    #[test]
    fn patterns_that_match() {
        for (pattern, s) in [
            ("", ""),
            ("*", "anything"),
            ("***", "x"),
            ("foo*", "foo"),
            ("foo*", "foobar"),
            ("*bar", "foobar"),
            ("*o*b*", "foobar"),
            ("f?o", "fxo"),
            ("[a-c]x", "bx"),
            ("[c-a]x", "bx"),
            ("[^a-c]x", "dx"),
            ("[abc]", "c"),
            ("[a\\]b]", "]"),
            ("[x", "x"),
            ("[^", "a"),
            ("[a-", "-"),
            ("\\*", "*"),
            ("a\\?c", "a?c"),
            ("a\\", "a\\"),
            ("*a*b*c*", "xxaxxbxxcxx"),
            ("a**", "a"),
            ("*.*.example", "a.b.c.example"),
        ] {
            check(pattern, s, true);
        }
    }

    #[test]
    fn patterns_that_do_not_match() {
        for (pattern, s) in [
            ("", "x"),
            ("x", ""),
            ("*", ""),
            ("foo", "foobar"),
            ("foobar", "foo"),
            ("f?o", "fo"),
            ("?", ""),
            ("[abc]", "d"),
            ("[]", "x"),
            ("[", "a"),
            ("[^abc]", "a"),
            ("\\*", "x"),
            ("*a*b*c", "xxaxxbxxcxx"),
            ("a*b", "ac"),
        ] {
            check(pattern, s, false);
        }
    }

    #[test]
    fn case_is_ignored_only_when_asked_and_never_for_escapes_in_classes() {
        assert!(glob_match(b"FOO*", b"fooBAR", true));
        assert!(!glob_match(b"FOO*", b"fooBAR", false));
        assert!(glob_match(b"[A-C]x", b"bX", true));
        assert!(glob_match(b"\\Ax", b"aX", true));
        assert!(!glob_match(b"[\\A]", b"a", true));
    }

    #[test]
    fn bytes_above_ascii_compare_as_signed_in_ranges() {
        assert!(glob_match(b"[\x80-\x05]", b"\xff", false));
        assert!(glob_match(b"[\x80-\xff]", b"\x90", false));
        assert!(!glob_match(b"[\x05-\x80]", b"\x10", false));
    }

    #[test]
    fn a_hostile_pattern_ends_in_reasonable_time() {
        let pattern = "a*".repeat(5_000) + "b";
        let subject = vec![b'a'; 20_000];
        assert!(!glob_match(pattern.as_bytes(), &subject, false));
    }

    /// The definition, by recursion over the pattern, for elements without classes.
    fn slow_match(p: &[u8], s: &[u8]) -> bool {
        match (p, s) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                (0..=s.len()).any(|skip| slow_match(rest, &s[skip..])) && !s.is_empty()
                    || slow_tail(p, s)
            }
            ([b'?', p @ ..], [_, s @ ..]) => slow_match(p, s),
            ([a, p @ ..], [b, s @ ..]) if a == b => slow_match(p, s),
            _ => false,
        }
    }

    fn slow_tail(p: &[u8], s: &[u8]) -> bool {
        s.is_empty() && p.iter().all(|&c| c == b'*')
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_definition(p in "[ab*?]{0,8}", s in "[ab]{1,10}") {
            proptest::prop_assert_eq!(
                glob_match(p.as_bytes(), s.as_bytes(), false),
                slow_match(p.as_bytes(), s.as_bytes())
            );
        }

        #[test]
        fn never_panics(p: Vec<u8>, s: Vec<u8>, nocase: bool) {
            glob_match(&p, &s, nocase);
        }
    }
}
