//! The words that rules are made of.

/// The words of a user's definition as rules: a selector whose parentheses were torn apart by
/// blanks is one rule again.
///
/// # Errors
///
/// A parenthesis is never closed; it is returned with what stands behind it in its word.
pub fn merge<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let closes = word.ends_with(b")");
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if closes {
                    rules.extend(open.take().map(|(_, selector)| selector));
                }
            }
            None if word.starts_with(b"(") && !closes => open = Some((word, word.to_vec())),
            None => rules.push(word.to_vec()),
        }
    }
    match open {
        Some((word, _)) => Err(word),
        None => Ok(rules),
    }
}

/// Whether a name or pattern can stand in a line of words.
pub fn is_plain(word: &[u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, 0 | b' ' | b'\t'..=b'\r');
    !word.iter().any(is_blank)
}

/// Adds a word to a line of words.
pub fn push(line: &mut Vec<u8>, word: &[u8]) {
    if !line.is_empty() {
        line.push(b' ');
    }
    line.extend_from_slice(word);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(line: &str) -> Result<Vec<String>, &[u8]> {
        let rules = merge(line.split(' ').map(str::as_bytes))?;
        let text = |rule| String::from_utf8(rule).expect("text");
        Ok(rules.into_iter().map(text).collect())
    }

    #[test]
    fn selectors_are_put_together_again() {
        assert_eq!(merged("on +get"), Ok(vec!["on".into(), "+get".into()]));
        assert_eq!(
            merged("(~a +get) on"),
            Ok(vec!["(~a +get)".into(), "on".into()])
        );
        assert_eq!(merged("() ( ~a )"), Ok(vec!["()".into(), "( ~a )".into()]));
        assert_eq!(merged("on (~a (~b"), Err(&b"(~a"[..]));
        assert_eq!(merged("("), Err(&b"("[..]));
        assert_eq!(merged(")"), Ok(vec![")".into()]));
    }
}
