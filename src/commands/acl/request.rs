//! Commands as access control sees them: the table as a catalog, and a command with its words as a
//! request.

use crate::acl::catalog::Entry;
use crate::acl::{Access, Catalog, Denied, KeyUse, Request, User};
use crate::commands::keyspec;
use crate::commands::row::{Acl, Flags, KeyFlags, KeyRef};
use crate::commands::table::{Command, CommandTable};
use crate::resp::args::Args;

impl<Handler> Catalog for CommandTable<Handler> {
    fn count(&self) -> usize {
        self.counted()
    }

    fn entry(&self, id: usize) -> Entry {
        let command = self.by_id(id);
        Entry {
            id,
            name: command.full_name,
            categories: command.row.acl_categories().bits(),
            members: command.member_ids(),
        }
    }

    fn category(&self, name: &[u8]) -> Option<u32> {
        category(name).map(|category| category.bits())
    }
}

/// The category of this name, in any case.
pub fn category(name: &[u8]) -> Option<Acl> {
    let named = |(_, known): &&(Acl, &str)| known.as_bytes().eq_ignore_ascii_case(name);
    Acl::NAMES.iter().find(named).map(|(category, _)| *category)
}

/// The keys of the command that is being looked at; kept for their allocations.
#[derive(Debug, Default)]
pub struct Scratch {
    found: Vec<KeyRef>,
    keys: Vec<KeyUse>,
}

/// What is done with keys of these flags.
fn access(flags: KeyFlags) -> Access {
    let mut access = Access::empty();
    access.set(Access::READ, flags.contains(KeyFlags::ACCESS));
    let changes = KeyFlags::INSERT
        .union(KeyFlags::DELETE)
        .union(KeyFlags::UPDATE);
    access.set(Access::WRITE, flags.intersects(changes));
    access
}

/// Makes a request of a command, which has as many words as it must, and asks something about it.
fn with_request<Handler, T>(
    command: &Command<Handler>,
    args: &Args<'_>,
    with_keys: bool,
    scratch: &mut Scratch,
    ask: impl FnOnce(&Request<'_>) -> T,
) -> T {
    scratch.keys.clear();
    if with_keys && keyspec::has_keys(command.row) {
        keyspec::keys_of(command.row, args, &mut scratch.found);
        let keys = scratch.found.iter().map(|key| KeyUse {
            index: key.index,
            access: access(key.flags),
        });
        scratch.keys.extend(keys);
    }
    let channels = command.row.channels;
    ask(&Request {
        id: command.id,
        is_open: command.flags.contains(Flags::NO_AUTH),
        args,
        keys: &scratch.keys,
        channels: channels.map_or(0..0, |spec| spec.range(args.len())),
        patterns: channels.is_some_and(|spec| spec.patterns),
    })
}

/// Whether a user may run a command with these words.
pub fn check<Handler>(
    user: &User,
    command: &Command<Handler>,
    args: &Args<'_>,
    scratch: &mut Scratch,
) -> Result<(), Denied> {
    let rights = user.rights();
    let with_keys = rights.depend_on_keys();
    with_request(command, args, with_keys, scratch, |r| rights.check(r))
}

/// Whether a user may run a command with these words that reads keys besides which nobody knows
/// beforehand.
pub fn may_read_every_key<Handler>(
    user: &User,
    command: &Command<Handler>,
    args: &Args<'_>,
    scratch: &mut Scratch,
) -> bool {
    let rights = user.rights();
    with_request(command, args, true, scratch, |request| {
        rights.check_with_every_key(request, Access::READ)
    })
}
