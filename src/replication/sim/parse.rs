//! The little of the protocol that simulated servers read.

type Command = Vec<Vec<u8>>;

/// The command at the front of `input`, if it is all there, and its length. A lone newline is a
/// command of no words.
pub(super) fn command(input: &[u8]) -> Option<(Command, usize)> {
    let (head, mut at) = line(input, 0)?;
    let Some(count) = head.strip_prefix(b"*") else {
        let words = head
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        return Some((words.map(<[u8]>::to_vec).collect(), at));
    };
    let mut args = Vec::new();
    for _ in 0..number(count) {
        let (size, body) = line(input, at)?;
        let end = body + number(size.strip_prefix(b"$").expect("a bulk string"));
        if input.len() < end + 2 {
            return None;
        }
        assert_eq!(
            &input[end..end + 2],
            b"\r\n",
            "a bulk string ends with a line end"
        );
        args.push(input[body..end].to_vec());
        at = end + 2;
    }
    Some((args, at))
}

/// The command at the front of `input`, or the whole transaction that begins there.
pub(super) fn unit(input: &[u8]) -> Option<(Vec<Command>, usize)> {
    let (first, mut at) = command(input)?;
    let is = |args: &Command, name: &[u8]| args.len() == 1 && args[0] == name;
    let mut commands = vec![first];
    if is(&commands[0], b"MULTI") {
        while !is(&commands[commands.len() - 1], b"EXEC") {
            let (next, length) = command(&input[at..])?;
            at += length;
            commands.push(next);
        }
    }
    Some((commands, at))
}

fn line(input: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let end = from + input.get(from..)?.iter().position(|byte| *byte == b'\n')?;
    let text = &input[from..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1))
}

fn number(text: &[u8]) -> usize {
    str::from_utf8(text)
        .expect("ASCII")
        .parse()
        .expect("a number")
}
