//! Files go both ways between our server and stock Redis, under every setting that shapes them.

use crate::harness::*;

/// Who writes the files or reads them.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Ours,
    Stock,
}

impl Kind {
    fn options(self) -> Options {
        let options = match self {
            Kind::Ours => Options::ours().readable_by_stock(),
            Kind::Stock => Options::stock(),
        };
        options.config("appendonly yes")
    }
}

/// How far a file has come when it is read by the other.
#[derive(Clone, Copy, Debug)]
enum Age {
    /// No rewrite yet: an empty base and one increment.
    Fresh,
    /// A rewrite, more commands, and two rewrites that failed: several increments.
    Grown,
    /// A rewrite at the very end.
    Rewritten,
}

const AGES: [Age; 3] = [Age::Fresh, Age::Grown, Age::Rewritten];

/// Sends commands on all types, in transactions and in several databases.
fn write_some(conn: &mut Conn, rng: &mut Rng) {
    for _ in 0..8 {
        let commands: Vec<Command> = (0..60)
            .flat_map(|_| random_write_of_any_type(rng))
            .collect();
        conn.send(&commands.iter().flat_map(|c| encode(c)).collect::<Vec<u8>>());
        for _ in &commands {
            conn.read_value().expect("a reply");
        }
    }
}

fn grow(server: &Server, age: Age, rng: &mut Rng) {
    let mut conn = server.connect();
    write_some(&mut conn, rng);
    match age {
        Age::Fresh => {}
        Age::Grown => {
            rewrite(server);
            write_some(&mut conn, rng);
            for _ in 0..2 {
                rewrite_in_vain(server);
                write_some(&mut conn, rng);
            }
        }
        Age::Rewritten => rewrite(server),
    }
}

/// Lets one server write under these settings and end; the other, and it too, must then hold what
/// it held.
fn pass_on(writer: Kind, settings: &[String], age: Age, rng: &mut Rng) {
    println!("{writer:?} writes, {age:?}: {settings:?}");
    let with = |kind: Kind| settings.iter().fold(kind.options(), |o, s| o.config(s));
    let mut source = with(writer).start();
    grow(&source, age, rng);
    let held = Contents::settled(&source);
    assert!(held.data.len() > 20, "{}", held.data.len());
    assert_eq!(source.shutdown("NOSAVE").code(), 0);
    let files = files_in(&aof_folder(&source));

    let reader = match writer {
        Kind::Ours => Kind::Stock,
        Kind::Stock => Kind::Ours,
    };
    let mut sink = Server::prepare(with(reader));
    copy_files(&aof_folder(&source), &aof_folder(&sink));
    sink.start_again();
    held.assert_held_by(&sink);
    assert_eq!(sink.log_count("CRITICAL"), 0, "{}", sink.log_tail());
    // It goes on with what it found, and hands that back.
    write_some(&mut sink.connect(), rng);
    let held = Contents::settled(&sink);
    assert_eq!(sink.shutdown("NOSAVE").code(), 0);
    assert!(files.len() <= files_in(&aof_folder(&sink)).len());
    copy_files(&aof_folder(&sink), &aof_folder(&source));
    source.start_again();
    held.assert_held_by(&source);
    assert_eq!(source.log_count("CRITICAL"), 0, "{}", source.log_tail());
}

/// Every setting, each with one of the ages.
fn pass_all_on(writer: Kind, seed: u64) {
    let mut rounds = Vec::new();
    for (f, policy) in ["always", "everysec", "no"].into_iter().enumerate() {
        for (s, (preamble, stamps)) in [("yes", "no"), ("no", "no"), ("yes", "yes"), ("no", "yes")]
            .into_iter()
            .enumerate()
        {
            let settings = [
                format!("appendfsync {policy}"),
                format!("aof-use-rdb-preamble {preamble}"),
                format!("aof-timestamp-enabled {stamps}"),
            ];
            let seed = seed + rounds.len() as u64;
            rounds.push((settings, AGES[(f + s) % AGES.len()], seed));
        }
    }
    run_side_by_side(&rounds, 4, |(settings, age, seed)| {
        pass_on(writer, settings, *age, &mut Rng::new(*seed));
    });
}

#[test]
fn stock_redis_loads_what_we_wrote_and_goes_on_with_it() {
    pass_all_on(Kind::Ours, 8100);
}

#[test]
fn we_load_what_stock_redis_wrote_and_go_on_with_it() {
    pass_all_on(Kind::Stock, 8200);
}

/// Every type in every encoding, in a base of either format.
fn pass_every_encoding_on(writer: Kind) {
    for preamble in ["yes", "no"] {
        let preamble = format!("aof-use-rdb-preamble {preamble}");
        let mut source = writer.options().config(&preamble).start();
        populate(&mut source.connect(), &mut Rng::new(803));
        rewrite(&source);
        let held = Contents::of(&source);
        assert_eq!(source.shutdown("NOSAVE").code(), 0);
        for reader in [Kind::Ours, Kind::Stock] {
            let mut sink = Server::prepare(reader.options());
            copy_files(&aof_folder(&source), &aof_folder(&sink));
            sink.start_again();
            held.assert_held_by(&sink);
        }
    }
}

#[test]
fn a_base_of_ours_makes_every_encoding_again() {
    pass_every_encoding_on(Kind::Ours);
}

#[test]
fn a_base_of_stock_redis_makes_every_encoding_again() {
    pass_every_encoding_on(Kind::Stock);
}

#[test]
fn times_of_expiry_are_absolute_in_the_file() {
    for writer in [Kind::Ours, Kind::Stock] {
        let mut source = writer.options().start();
        let mut conn = source.connect();
        conn.ask("SET gone v PX 150");
        conn.ask("SET lasting v EX 1000");
        conn.ask("RPUSH list a");
        conn.ask("PEXPIRE list 2000000");
        let list = conn.call("PEXPIRETIME list").int();
        let lasting = conn.call("PEXPIRETIME lasting").int();
        // Nobody looks at the key any more: its end is in the file only as its time.
        conn.ask("DEBUG SET-ACTIVE-EXPIRE 0");
        source.kill();
        let mut sink = Server::prepare(match writer {
            Kind::Ours => Kind::Stock.options(),
            Kind::Stock => Kind::Ours.options(),
        });
        copy_files(&aof_folder(&source), &aof_folder(&sink));
        sink.start_again();
        wait_until("the key is gone", || sink.ask("EXISTS gone") == "0");
        assert_eq!(sink.call("PEXPIRETIME list").int(), list);
        assert_eq!(sink.call("PEXPIRETIME lasting").int(), lasting);
    }
}

#[test]
fn the_files_have_the_names_and_the_manifest_that_stock_redis_gives_them() {
    let life = |options: Options| {
        let server = options.config("rdb-key-save-delay 0").start();
        let mut seen = vec![(names_in(&aof_folder(&server)), manifest_of(&server))];
        let mut note = || seen.push((names_in(&aof_folder(&server)), manifest_of(&server)));
        server.ask("SET a 1");
        rewrite_in_vain(&server);
        note();
        rewrite(&server);
        let gone = || names_in(&aof_folder(&server)).len() == 3;
        wait_until("what is no longer needed is removed", gone);
        note();
        server.ask("CONFIG SET aof-use-rdb-preamble no");
        rewrite(&server);
        wait_until("what is no longer needed is removed", gone);
        note();
        seen
    };
    assert_eq!(life(Kind::Ours.options()), life(Kind::Stock.options()));
}

#[test]
fn an_increment_is_what_stock_redis_writes_byte_by_byte() {
    let life = |options: Options| {
        let mut server = options.start();
        let mut conn = server.connect();
        for line in [
            "SET a 1",
            "MSET b 2 c 3",
            "SELECT 3",
            "INCRBYFLOAT f 0.5",
            "MULTI",
            "LPUSH l x y",
            "SELECT 0",
            "SADD s 1 2",
            "EXEC",
            "SPOP s 2",
            "SET t v EXAT 33177117420",
            "EXPIREAT a 33177117420",
            "DEL b nothing",
            "FLUSHALL",
            "SET d 1",
            "GETEX d PXAT 33177117420000",
            "RENAME d e",
            "COPY e g DB 5",
        ] {
            conn.ask(line);
        }
        assert_eq!(server.shutdown("NOSAVE").code(), 0);
        let bytes = std::fs::read(increment_of(&server)).expect("an increment");
        String::from_utf8_lossy(&bytes).replace("\r\n", " ")
    };
    assert_eq!(life(Kind::Ours.options()), life(Kind::Stock.options()));
}
