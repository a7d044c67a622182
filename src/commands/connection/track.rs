//! `CLIENT TRACKING` and its kin: how a client wants to hear of keys that it keeps.

use super::super::context::{CmdResult, Ctx};
use super::super::error::CmdError;
use super::super::host::ClientFilter;
use super::super::operand::integer;
use super::super::row::Arg;
use super::super::tracking::registry::{Choice, TrackingOptions};
use super::super::wording;
use crate::resp::args::Args;

/// The documented arguments of `CLIENT TRACKING`.
pub(super) const TRACKING_ARGS: &[Arg] = &[
    Arg::one_of("status", &[Arg::pure("on", "ON"), Arg::pure("off", "OFF")]),
    Arg::integer("client-id").token("REDIRECT").optional(),
    Arg::string("prefix")
        .token("PREFIX")
        .optional()
        .multiple()
        .multiple_token(),
    Arg::pure("bcast", "BCAST").optional(),
    Arg::pure("optin", "OPTIN").optional(),
    Arg::pure("optout", "OPTOUT").optional(),
    Arg::pure("noloop", "NOLOOP").optional(),
];

/// What `CLIENT TRACKING` was given.
#[derive(Default)]
struct Request<'a> {
    options: TrackingOptions,
    opt_in: bool,
    opt_out: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn parse(ctx: &mut Ctx<'_>, args: &'a Args<'_>) -> Result<Request<'a>, CmdError> {
        let mut request = Request::default();
        let mut at = 3;
        while at < args.len() {
            let is = |name: &str| args[at].eq_ignore_ascii_case(name.as_bytes());
            let value = args.get(at + 1);
            match value {
                Some(id) if is("redirect") => {
                    if request.options.redirect.is_some() {
                        return Err(CmdError::err(
                            "A client can only redirect to a single other client",
                        ));
                    }
                    request.options.redirect = Some(existing_client(ctx, id)?);
                    at += 1;
                }
                _ if is("bcast") => request.options.broadcast = true,
                _ if is("optin") => request.opt_in = true,
                _ if is("optout") => request.opt_out = true,
                _ if is("noloop") => request.options.no_loop = true,
                Some(prefix) if is("prefix") => {
                    request.prefixes.push(prefix);
                    at += 1;
                }
                _ => return Err(CmdError::Syntax),
            }
            at += 1;
        }
        Ok(request)
    }

    /// Whether this makes sense, and fits how the client tracks keys now.
    fn check(&self, ctx: &Ctx<'_>) -> CmdResult {
        let TrackingOptions { broadcast, .. } = self.options;
        if !broadcast && !self.prefixes.is_empty() {
            return refuse("PREFIX option requires BCAST mode to be enabled");
        }
        let now = ctx.env.tracking.of(ctx.session.id);
        if now.is_some_and(|now| now.options.broadcast != broadcast) {
            return refuse(
                "You can't switch BCAST mode on/off before disabling tracking for this client, \
                 and then re-enabling it with a different mode.",
            );
        }
        if broadcast && (self.opt_in || self.opt_out) {
            return refuse("OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.opt_in && self.opt_out {
            return refuse("You can't specify both OPTIN mode and OPTOUT mode");
        }
        let choice = now.map_or(Choice::All, |now| now.options.choice);
        if self.opt_in && choice == Choice::OptOut || self.opt_out && choice == Choice::OptIn {
            return refuse(
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, \
                 and then re-enabling it with a different mode.",
            );
        }
        if broadcast {
            let own = now.into_iter().flat_map(|now| now.prefixes());
            check_prefixes(&self.prefixes, &own.collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

fn refuse(why: &'static str) -> CmdResult {
    Err(CmdError::err(why))
}

/// The client of this number, who must be there now.
fn existing_client(ctx: &mut Ctx<'_>, id: &[u8]) -> Result<u64, CmdError> {
    let id = integer(id)? as u64;
    let filter = ClientFilter {
        ids: Some(vec![id]),
        ..ClientFilter::default()
    };
    if ctx
        .host
        .describe_clients(ctx.env, ctx.session, &filter)
        .is_empty()
    {
        return Err(CmdError::err(
            "The client ID you want redirect to does not exist",
        ));
    }
    Ok(id)
}

/// Of two prefixes of a client none may be the beginning of the other: it would be told twice.
fn check_prefixes(wanted: &[&[u8]], own: &[&[u8]]) -> CmdResult {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let rule = "'. Prefixes for a single client must not overlap.";
    for (at, prefix) in wanted.iter().enumerate() {
        if let Some(other) = own.iter().find(|other| overlap(prefix, other)) {
            let texts = ["Prefix '", "' overlaps with an existing prefix '", rule];
            return Err(wording::quoting_both(texts, [prefix, other]));
        }
        let rest = &wanted[at + 1..];
        if let Some(other) = rest.iter().find(|other| overlap(prefix, other)) {
            let texts = [
                "Prefix '",
                "' overlaps with another provided prefix '",
                rule,
            ];
            return Err(wording::quoting_both(texts, [prefix, other]));
        }
    }
    Ok(())
}

/// `CLIENT TRACKING`.
pub(super) fn tracking(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mut request = Request::parse(ctx, args)?;
    let client = ctx.session.id;
    match &args[2] {
        word if word.eq_ignore_ascii_case(b"on") => {
            request.check(ctx)?;
            request.options.choice = match (request.opt_in, request.opt_out) {
                (true, _) => Choice::OptIn,
                (_, true) => Choice::OptOut,
                _ => Choice::All,
            };
            if request.options.broadcast && request.prefixes.is_empty() {
                request.prefixes.push(b"");
            }
            let Request {
                options, prefixes, ..
            } = request;
            ctx.env.tracking.enable(client, options, prefixes);
            ctx.env.renew_observers();
        }
        word if word.eq_ignore_ascii_case(b"off") => ctx.env.stop_tracking(client),
        _ => return Err(CmdError::Syntax),
    }
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT CACHING`.
pub(super) fn caching(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some(tracker) = ctx.env.tracking.of_mut(ctx.session.id) else {
        return refuse(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
             OPTOUT mode enabled",
        );
    };
    let choice = tracker.options.choice;
    match &args[2] {
        word if word.eq_ignore_ascii_case(b"yes") => {
            if choice != Choice::OptIn {
                return refuse(
                    "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
                );
            }
        }
        word if word.eq_ignore_ascii_case(b"no") => {
            if choice != Choice::OptOut {
                return refuse(
                    "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
                );
            }
        }
        _ => return Err(CmdError::Syntax),
    }
    tracker.choose();
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT GETREDIR`.
pub(super) fn get_redir(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let redirection = ctx.env.tracking.redirection(ctx.session.id);
    ctx.reply.int(redirection);
    Ok(())
}

/// `CLIENT TRACKINGINFO`.
pub(super) fn tracking_info(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let tracker = ctx.env.tracking.of(ctx.session.id);
    let mut flags = vec![if tracker.is_some() { "on" } else { "off" }];
    if let Some(tracker) = tracker {
        let options = &tracker.options;
        let (opt_in, opt_out) = (
            options.choice == Choice::OptIn,
            options.choice == Choice::OptOut,
        );
        let chosen = tracker.has_chosen();
        let all = [
            (options.broadcast, "bcast"),
            (opt_in, "optin"),
            (opt_in && chosen, "caching-yes"),
            (opt_out, "optout"),
            (opt_out && chosen, "caching-no"),
            (options.no_loop, "noloop"),
            (tracker.redirect_is_broken, "broken_redirect"),
        ];
        flags.extend(all.iter().filter(|(on, _)| *on).map(|(_, name)| *name));
    }
    let prefixes: Vec<&[u8]> = tracker.into_iter().flat_map(|t| t.prefixes()).collect();
    let reply = &mut *ctx.reply;
    reply.map(3);
    reply.bulk("flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("redirect");
    reply.int(ctx.env.tracking.redirection(ctx.session.id));
    reply.bulk("prefixes");
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
