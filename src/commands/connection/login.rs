//! Who a client is: authentication.
//!
//! There is one user, `default`, whose password is `requirepass`; without one, any password is
//! right.

use super::super::context::{CmdResult, Ctx};
use super::super::error::CmdError;
use crate::resp::args::Args;

/// The only user.
pub const DEFAULT_USER: &[u8] = b"default";

/// `AUTH`.
pub fn auth(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (user, password): (&[u8], &[u8]) = match args.len() {
        2 if ctx.env.config.requirepass.is_none() => {
            return Err(CmdError::Fixed(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, &args[1]),
        3 => (&args[1], &args[2]),
        _ => return Err(CmdError::Syntax),
    };
    authenticate(ctx, user, password)?;
    ctx.reply.ok();
    Ok(())
}

/// Marks the session authenticated if user and password are right.
pub fn authenticate(ctx: &mut Ctx<'_>, user: &[u8], password: &[u8]) -> CmdResult {
    let right = user == DEFAULT_USER
        && match &ctx.env.config.requirepass {
            None => true,
            Some(wanted) => same_secret(wanted, password),
        };
    if !right {
        ctx.env.stats.acl_access_denied_auth += 1;
        return Err(CmdError::WrongPass);
    }
    ctx.session.authenticated = true;
    Ok(())
}

/// Compares without telling by its duration where the first difference is.
fn same_secret(wanted: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(wanted.len() != given.len());
    for (i, byte) in given.iter().enumerate() {
        difference |= byte ^ wanted.get(i).copied().unwrap_or_default();
    }
    std::hint::black_box(difference) == 0
}
