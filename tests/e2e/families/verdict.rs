//! What counts as the same answer.

/// Which differences are let pass.
#[derive(Clone, Copy)]
pub struct Rules {
    /// The peer is of our own version: nothing but the order of hash tables may differ.
    pub strict: bool,
    /// Nodes of lists are compressed, and two compressors may find different matches.
    pub compressed_lists: bool,
}

impl Rules {
    /// Whether a template may be used. Since 7.2 `ZRANGESTORE` chooses the encoding of what it
    /// stores differently, doubles (distances are) have the shortest text that is exact, and
    /// `XSETID` never goes below an id that was deleted.
    pub fn allow(self, template: &str) -> bool {
        let changed = template.starts_with("ZRANGESTORE")
            || template.ends_with("STOREDIST")
            || template == "XSETID {any} {id}";
        self.strict || !changed
    }

    /// What is sent before a command so that both versions come to the same.
    pub fn prelude(self, command: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        if self.strict {
            return None;
        }
        // Since 7.2 a consumer is made even when there is nothing to read or claim.
        let words: Vec<String> = command
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let text = |at: usize| words.get(at).map_or("", String::as_str);
        let (key, group, consumer) = match text(0).to_uppercase().as_str() {
            "XREADGROUP" => {
                let streams = words.iter().position(|word| word == "STREAMS")?;
                (text(streams + 1), text(2), text(3))
            }
            "XAUTOCLAIM" | "XCLAIM" => (text(1), text(2), text(3)),
            _ => return None,
        };
        let made = ["XGROUP", "CREATECONSUMER", key, group, consumer];
        Some(made.map(|word| word.as_bytes().to_vec()).to_vec())
    }
}

/// Commands that answer in the order of a hash table.
const UNORDERED: &[&str] = &[
    "HGETALL",
    "HKEYS",
    "HVALS",
    "HRANDFIELD",
    "HSCAN",
    "SMEMBERS",
    "SPOP",
    "SRANDMEMBER",
    "SINTER",
    "SUNION",
    "SDIFF",
    "SSCAN",
    "ZSCAN",
    "ZRANDMEMBER",
    "KEYS",
    "SCAN",
];

/// Whether two replies to a command say the same.
pub fn agree(command: &[Vec<u8>], ours: &[u8], stock: &[u8], rules: Rules) -> bool {
    if ours == stock {
        return true;
    }
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    if UNORDERED.contains(&name.as_str()) && lines(ours) == lines(stock) {
        return true;
    }
    match name.as_str() {
        // A set is not sorted by `BY nosort`, so it comes in the order of its table.
        "SORT" | "SORT_RO" if lines(ours) == lines(stock) => true,
        _ if rules.strict => false,
        "OBJECT" | "EXEC" => without_encodings(ours) == without_encodings(stock),
        // 7.2 words some refusals differently.
        _ => is_error(ours) && is_error(stock) && first_word(ours) == first_word(stock),
    }
}

/// A reply with the names of encodings blurred: since 7.2 small sets of strings are listpacks, and
/// short lists too; sorted sets grow by what a command names, members that come twice included.
fn without_encodings(raw: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(raw).into_owned();
    for name in ["hashtable", "quicklist", "skiplist", "listpack"] {
        text = text.replace(&format!("${}\r\n{name}\r\n", name.len()), "$encoding");
    }
    text
}

fn is_error(raw: &[u8]) -> bool {
    raw.first() == Some(&b'-')
}

fn first_word(raw: &[u8]) -> &[u8] {
    raw.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// The lines of a reply, sorted.
fn lines(raw: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = raw.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The bytes of a `DUMP` without version and checksum.
pub fn payload(dump: &[u8]) -> &[u8] {
    &dump[..dump.len().saturating_sub(10)]
}
