//! Who a client is: authentication.

use super::super::acl::refusal;
use super::super::context::{CmdResult, Ctx};
use super::super::error::CmdError;
use crate::acl::users::DEFAULT;
use crate::resp::args::Args;

/// Whether a word of `HELLO` is a name or password behind `AUTH`.
pub fn is_secret_of_hello(args: &Args<'_>, at: usize) -> bool {
    let mut option = 2;
    while option < args.len() {
        match &args[option] {
            word if word.eq_ignore_ascii_case(b"auth") => {
                if (option + 1..=option + 2).contains(&at) {
                    return true;
                }
                option += 3;
            }
            word if word.eq_ignore_ascii_case(b"setname") => option += 2,
            _ => return false,
        }
    }
    false
}

/// `AUTH`.
pub fn auth(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (user, password): (&[u8], &[u8]) = match args.len() {
        2 if ctx.env.users.default_user().rights().any_password => {
            return Err(CmdError::Fixed(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT, &args[1]),
        3 => (&args[1], &args[2]),
        _ => return Err(CmdError::Syntax),
    };
    authenticate(ctx, &args[0], user, password)?;
    ctx.reply.ok();
    Ok(())
}

/// Logs the client in if user and password are right; `command` is what it did that with.
pub fn authenticate(ctx: &mut Ctx<'_>, command: &[u8], user: &[u8], password: &[u8]) -> CmdResult {
    let Some(found) = ctx.env.users.authenticate(user, password) else {
        refusal::note_failed_login(ctx, command, user);
        return Err(CmdError::WrongPass);
    };
    ctx.session.user = found;
    ctx.session.authenticated = true;
    Ok(())
}
