//! What stands around commands: scripts, transactions, and those who limit or watch them.

use sha1::{Digest as _, Sha1};

use crate::speed::{Case, Group};
use crate::workload::{BLANK, Workload};

/// Keys of these data sets.
const KEYS: u64 = 100_000;

const GET: &str = "return redis.call('get',KEYS[1])";

const FIVE_CALLS: &str = "redis.call('get',KEYS[1]) redis.call('set',KEYS[2],ARGV[1]) \
     redis.call('exists',KEYS[1]) redis.call('get',KEYS[2]) return redis.call('get',KEYS[1])";

const LIBRARY: &str = "#!lua name=bench\nredis.register_function('bench', function(keys) \
     return redis.call('get',keys[1]) end)";

fn hash(script: &str) -> String {
    let digits = |byte: &u8| format!("{byte:02x}");
    Sha1::digest(script.as_bytes()).iter().map(digits).collect()
}

fn group(cases: Vec<Workload>) -> Group {
    Group {
        fill: vec![Workload::set("fill", KEYS, 3)],
        cases: cases.into_iter().map(Case::steady).collect(),
        only_deepest: false,
        watched: false,
        tls: None,
    }
}

/// All groups.
pub fn groups() -> Vec<Group> {
    let (one, other) = (format!("key:{BLANK}"), format!("other:{BLANK}"));
    let eval = Workload::of_words("eval", &["EVAL", GET, "1", &one], 2, KEYS);
    let sha = hash(FIVE_CALLS);
    let evalsha = ["EVALSHA", &sha, "2", &one, &other, "xyz"];
    let evalsha = Workload::of_words("evalsha5", &evalsha, 2, KEYS);
    let get = format!("GET {one}");
    let set = format!("SET {other} xyz");
    let multi: [(&str, usize); 7] = [
        ("MULTI", 1),
        (&get, 1),
        (&set, 1),
        (&get, 1),
        (&set, 1),
        (&get, 1),
        ("EXEC", 1 + 3 * 2 + 2),
    ];
    let fcall = ["FCALL", "bench", "1", &one];
    let fcall = Workload::of_words("fcall", &fcall, 2, KEYS);
    let multi = Workload::joined("multi5", &multi, KEYS);
    let mut scripts = group(vec![eval, evalsha, fcall, multi]);
    let load = ["SCRIPT", "LOAD", FIVE_CALLS];
    scripts.fill.push(Workload::of_words("load", &load, 2, 1));
    let library = ["FUNCTION", "LOAD", "REPLACE", LIBRARY];
    scripts
        .fill
        .push(Workload::of_words("library", &library, 2, 1));
    let tracking = "HELLO 3\r\nCLIENT TRACKING on\r\n";
    let tracking = Workload::get("tracking", KEYS).greeting_with(tracking);
    // The clients of the load are the user `default`, whose rights end here.
    let mut narrow = group(vec![Workload::get("acl", KEYS)]);
    let rights = "ACL SETUSER default resetkeys ~key:* resetchannels -@all +get +acl|setuser";
    narrow.fill.push(Workload::new("narrow", rights, 1, 1));
    let mut monitored = group(vec![Workload::get("monitor", KEYS)]);
    monitored.watched = true;
    vec![scripts, group(vec![tracking]), narrow, monitored]
}
