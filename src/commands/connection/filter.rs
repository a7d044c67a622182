//! Which connections `CLIENT LIST` and `CLIENT KILL` mean.

use super::super::error::CmdError;
use super::super::host::{ClientClass, ClientFilter};
use super::super::row::Arg;
use super::super::wording;
use crate::acl::Users;
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

/// The documented arguments of `CLIENT KILL`.
pub(super) const KILL_ARGS: &[Arg] = &[Arg::one_of(
    "filter",
    &[
        Arg::string("old-format")
            .display("ip:port")
            .deprecated_since("2.8.12"),
        Arg::one_of(
            "new-format",
            &[
                Arg::integer("client-id")
                    .token("ID")
                    .since("2.8.12")
                    .optional(),
                Arg::one_of(
                    "client-type",
                    &[
                        Arg::pure("normal", "NORMAL"),
                        Arg::pure("master", "MASTER").since("3.2.0"),
                        Arg::pure("slave", "SLAVE"),
                        Arg::pure("replica", "REPLICA").since("5.0.0"),
                        Arg::pure("pubsub", "PUBSUB"),
                    ],
                )
                .token("TYPE")
                .since("2.8.12")
                .optional(),
                Arg::string("username").token("USER").optional(),
                Arg::string("addr")
                    .display("ip:port")
                    .token("ADDR")
                    .optional(),
                Arg::string("laddr")
                    .display("ip:port")
                    .token("LADDR")
                    .since("6.2.0")
                    .optional(),
                Arg::one_of("skipme", &[Arg::pure("yes", "YES"), Arg::pure("no", "NO")])
                    .token("SKIPME")
                    .optional(),
            ],
        )
        .multiple(),
    ],
)];

/// Reads what stands behind `CLIENT LIST`.
pub(super) fn for_list(args: &Args<'_>) -> Result<ClientFilter, CmdError> {
    let mut filter = ClientFilter::default();
    match args.get(2) {
        None => {}
        Some(word) if word.eq_ignore_ascii_case(b"type") && args.len() == 4 => {
            filter.class = Some(parse_class(&args[3])?);
        }
        Some(word) if word.eq_ignore_ascii_case(b"id") && args.len() > 3 => {
            // A negative number is no error: it is an id that nobody has.
            let parse = |word: &[u8]| {
                parse_i64(word)
                    .map(|id| id as u64)
                    .ok_or(CmdError::Fixed("ERR Invalid client ID"))
            };
            filter.ids = Some(args.iter_from(3).map(parse).collect::<Result<_, _>>()?);
        }
        Some(_) => return Err(CmdError::Syntax),
    }
    Ok(filter)
}

/// Reads what stands behind `CLIENT KILL`, in its form with options.
pub(super) fn for_kill(args: &Args<'_>, users: &Users) -> Result<ClientFilter, CmdError> {
    let mut filter = ClientFilter {
        skip_me: true,
        ..ClientFilter::default()
    };
    for at in (2..args.len()).step_by(2) {
        let (option, value) = (&args[at], args.get(at + 1).ok_or(CmdError::Syntax)?);
        if option.eq_ignore_ascii_case(b"id") {
            let id = parse_i64(value).filter(|id| *id >= 1).map(|id| id as u64);
            let id = id.ok_or_else(|| CmdError::err("client-id should be greater than 0"))?;
            filter.ids = Some(vec![id]);
        } else if option.eq_ignore_ascii_case(b"type") {
            filter.class = Some(parse_class(value)?);
        } else if option.eq_ignore_ascii_case(b"addr") {
            filter.addr = Some(value.to_vec());
        } else if option.eq_ignore_ascii_case(b"laddr") {
            filter.local_addr = Some(value.to_vec());
        } else if option.eq_ignore_ascii_case(b"user") {
            if users.get(value).is_none() {
                return Err(wording::quoting("No such user '", value, "'"));
            }
            filter.user = Some(value.to_vec());
        } else if option.eq_ignore_ascii_case(b"skipme") {
            filter.skip_me = match value {
                _ if value.eq_ignore_ascii_case(b"yes") => true,
                _ if value.eq_ignore_ascii_case(b"no") => false,
                _ => return Err(CmdError::Syntax),
            };
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(filter)
}

fn parse_class(word: &[u8]) -> Result<ClientClass, CmdError> {
    const NAMES: [(&[u8], ClientClass); 5] = [
        (b"normal", ClientClass::Normal),
        (b"slave", ClientClass::Replica),
        (b"replica", ClientClass::Replica),
        (b"pubsub", ClientClass::Pubsub),
        (b"master", ClientClass::Master),
    ];
    let named = NAMES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name));
    let unknown = || wording::quoting("Unknown client type '", word, "'");
    named.map(|(_, class)| *class).ok_or_else(unknown)
}
