//! The family's behaviour, as clients and replicas see it.

use crate::commands::testing::Rig;
use crate::resp::writer::Protocol;

/// A rig with two towns on Sicily.
fn sicily() -> Rig {
    let mut rig = Rig::new();
    rig.run("GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    rig
}

/// Runs a dialogue: each line's reply must be exactly the one beside it.
/// What is refused, and how.
const REFUSALS: &[(&str, &str)] = &[
    (
        "GEOADD s 1 1",
        "ERR wrong number of arguments for 'geoadd' command",
    ),
    ("GEOADD s NX XX 1 1 a", "ERR syntax error"),
    (
        "GEOADD s 181 1 a",
        "ERR invalid longitude,latitude pair 181.000000,1.000000",
    ),
    (
        "GEOADD s 1 86 a",
        "ERR invalid longitude,latitude pair 1.000000,86.000000",
    ),
    ("GEOADD s x 1 a", "ERR value is not a valid float"),
    (
        "GEOADD str 1 1 a",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ),
    (
        "GEODIST s a b yd",
        "ERR unsupported unit provided. please use M, KM, FT, MI",
    ),
    ("GEODIST s a b m m", "ERR syntax error"),
    (
        "GEOSEARCH s FROMMEMBER none BYRADIUS 1 m",
        "ERR could not decode requested zset member",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 1 m BYBOX 1 1 m",
        "ERR syntax error",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 1 m",
        "ERR syntax error",
    ),
    (
        "GEOSEARCH s BYRADIUS 1 m ASC DESC WITHDIST",
        "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
    ),
    (
        "GeoSearch s FROMLONLAT 15 37 ASC DESC WITHDIST",
        "ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearch",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS -1 m",
        "ERR radius cannot be negative",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS x m",
        "ERR need numeric radius",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYBOX 1 -1 m",
        "ERR height or width cannot be negative",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYBOX x 1 m",
        "ERR need numeric width",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYBOX 1 x m",
        "ERR need numeric height",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0",
        "ERR COUNT must be > 0",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 1 m COUNT x",
        "ERR value is not an integer or out of range",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 1 m ANY",
        "ERR the ANY argument requires COUNT argument",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 1 m STORE d",
        "ERR syntax error",
    ),
    (
        "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 1 m WITHDIST",
        "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
    ),
    (
        "GEORADIUS s 15 37 1 m STORE d WITHHASH",
        "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD \
         options",
    ),
    ("GEORADIUS_RO s 15 37 1 m STORE d", "ERR syntax error"),
    (
        "GEORADIUSBYMEMBER s none 1 m",
        "ERR could not decode requested zset member",
    ),
];

/// Questions about the two towns.
const ANSWERS: &[(&str, &str)] = &[
    ("GEODIST s Palermo Catania", "$11\r\n166274.1516\r\n"),
    ("GEODIST s Palermo Catania KM", "$8\r\n166.2742\r\n"),
    ("GEODIST s Palermo Palermo", "$6\r\n0.0000\r\n"),
    ("GEODIST s Palermo none", "$-1\r\n"),
    ("GEODIST none a b", "$-1\r\n"),
    (
        "GEOHASH s Palermo none Catania",
        "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsqdtr74hyu0\r\n",
    ),
    (
        "GEOPOS s Palermo none",
        "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC",
        "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km DESC WITHCOORD WITHDIST WITHHASH",
        "*2\r\n*4\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:3479099956230698\r\n*2\r\n$20\r\n\
            13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*4\r\n$7\r\nCatania\r\n$7\r\n\
            56.4413\r\n:3479447370796909\r\n*2\r\n$20\r\n15.08726745843887329\r\n$20\r\n\
            37.50266842333162032\r\n",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHDIST",
        "*2\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n",
    ),
    (
        "GEOSEARCH s FROMMEMBER Palermo BYRADIUS 100 mi COUNT 1",
        "*1\r\n$7\r\nPalermo\r\n",
    ),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY",
        "*1\r\n$7\r\nPalermo\r\n",
    ),
    ("GEOSEARCH none FROMMEMBER x BYRADIUS 1 m", "*0\r\n"),
    (
        "GEORADIUS s 15 37 200 km COUNT 1",
        "*1\r\n$7\r\nCatania\r\n",
    ),
    (
        "GEORADIUS_RO s 15 37 100 km WITHDIST",
        "*1\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n",
    ),
    (
        "GEORADIUSBYMEMBER s Palermo 200 km DESC",
        "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n",
    ),
    ("GEORADIUSBYMEMBER none x y z", "*0\r\n"),
    ("GEOADD s CH 13 38 Palermo 2 2 new", ":2\r\n"),
    ("GEOADD s NX 1 1 Palermo", ":0\r\n"),
    ("GEOADD s XX CH 1 1 none", ":0\r\n"),
];

/// Results under other keys.
const STORING: &[(&str, &str)] = &[
    (
        "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km",
        ":2\r\n",
    ),
    (
        "ZRANGE d 0 -1 WITHSCORES",
        "*4\r\n$7\r\nPalermo\r\n$16\r\n3479099956230698\r\n$7\r\nCatania\r\n$16\r\n\
            3479447370796909\r\n",
    ),
    (
        "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST ASC COUNT 1",
        ":1\r\n",
    ),
    (
        "ZRANGE d 0 -1 WITHSCORES",
        "*2\r\n$7\r\nCatania\r\n$16\r\n56.4412578701582\r\n",
    ),
    ("GEORADIUS s 15 37 200 km STOREDIST d", ":2\r\n"),
    (
        "ZRANGE d 0 -1 WITHSCORES",
        "*4\r\n$7\r\nCatania\r\n$16\r\n56.4412578701582\r\n$7\r\nPalermo\r\n$18\r\n\
            190.44242984775784\r\n",
    ),
    ("GEORADIUSBYMEMBER s Palermo 1 m STORE d", ":1\r\n"),
    ("ZRANGE d 0 -1", "*1\r\n$7\r\nPalermo\r\n"),
    ("GEOSEARCHSTORE d s FROMLONLAT 0 0 BYRADIUS 1 m", ":0\r\n"),
    ("EXISTS d", ":0\r\n"),
];

/// Coordinates are doubles, distances are not.
const IN_RESP3: &[(&str, &str)] = &[
    (
        "GEOPOS s Palermo none",
        "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n",
    ),
    ("GEODIST s Palermo Catania", "$11\r\n166274.1516\r\n"),
    (
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 100 km WITHCOORD WITHDIST",
        "*1\r\n*3\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n*2\r\n,15.08726745843887329\r\n\
            ,37.50266842333162032\r\n",
    ),
];

#[test]
fn refusals_are_worded_like_the_references() {
    let mut rig = sicily();
    rig.run("SET str x");
    rig.expect_refusals(REFUSALS);
}

#[test]
fn places_are_shown_and_found() {
    sicily().expect(ANSWERS);
}

#[test]
fn results_are_stored() {
    sicily().expect(STORING);
}

#[test]
fn resp3_shows_doubles() {
    let mut rig = sicily();
    rig.session.protocol = Protocol::Resp3;
    rig.expect(IN_RESP3);
}

#[test]
fn replicas_get_scores() {
    let mut rig = Rig::new();
    rig.run("GEOADD s NX CH 13.361389 38.115556 Palermo");
    rig.run("GEOADD s NX 1 1 Palermo");
    let sent = ["SELECT 0", "zadd s NX CH 3479099956230698 Palermo"];
    assert_eq!(rig.propagated(), sent);
    rig.run("GEOSEARCHSTORE d s FROMLONLAT 13 38 BYRADIUS 100 km");
    assert_eq!(
        rig.propagated(),
        ["GEOSEARCHSTORE d s FROMLONLAT 13 38 BYRADIUS 100 km"]
    );
}
