//! Lists: element by element, or node by node.

use super::means::Means;
use crate::data::list::{End, List, ListLimits};
use crate::data::listpack::Listpack;
use crate::data::quicklist::Quicklist;
use crate::keyspace::Object;
use crate::persist::rdb::cursor::RawString;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};
use crate::persist::rdb::format::container;
use crate::persist::rdb::structure::{Number, Text, Token};

use super::listpack::judge_listpack;
use super::packed::unpack_ziplist;

/// What the next node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    /// One large element.
    Plain,
    Listpack,
    Ziplist,
}

impl Container {
    fn from_number(number: u64) -> Option<Container> {
        match number {
            container::PLAIN => Some(Container::Plain),
            container::LISTPACK => Some(Container::Listpack),
            _ => None,
        }
    }
}

/// A list in the making.
pub(in super::super) struct ListBuilder {
    /// The first node, as long as it is alone and a listpack: most lists are no more than that.
    first: Option<Listpack>,
    list: Quicklist,
    next: Container,
}

impl ListBuilder {
    /// Of elements alone.
    pub(super) fn of_elements(limits: &ListLimits) -> ListBuilder {
        ListBuilder::new(limits, Container::Plain)
    }

    /// Of nodes as versions before 7.0 wrote them.
    pub(super) fn of_ziplists(limits: &ListLimits) -> ListBuilder {
        ListBuilder::new(limits, Container::Ziplist)
    }

    /// Of nodes that say what they are.
    pub(super) fn of_nodes(limits: &ListLimits) -> ListBuilder {
        ListBuilder::new(limits, Container::Listpack)
    }

    fn new(limits: &ListLimits, next: Container) -> ListBuilder {
        ListBuilder {
            first: None,
            list: Quicklist::new(limits),
            next,
        }
    }

    pub(super) fn take(
        &mut self,
        token: Token<'_>,
        means: &mut Means<'_>,
    ) -> Result<(), RdbErrorKind> {
        match token {
            Token::Number(Number::Container, number) => {
                self.next = Container::from_number(number).ok_or(Flaw::ListNode)?;
            }
            Token::Text(Text::ListNode, raw) => self.node(raw)?,
            Token::Text(_, raw) => {
                let element = raw.resolve(means.scratch)?;
                let plain_from = means.limits.list.plain_from_bytes;
                self.list.push(End::Tail, element, plain_from);
            }
            _ => {}
        }
        Ok(())
    }

    fn node(&mut self, raw: RawString<'_>) -> Result<(), RdbErrorKind> {
        let bytes = raw.into_vec()?;
        if bytes.is_empty() {
            return Err(Flaw::ListNode.into());
        }
        let pack = match self.next {
            Container::Plain => {
                self.leave_first();
                self.list.push_plain(bytes);
                return Ok(());
            }
            Container::Listpack => {
                judge_listpack(&bytes, Flaw::Listpack)?;
                Listpack::from_framed(bytes)
            }
            Container::Ziplist => unpack_ziplist(&bytes, Flaw::Ziplist)?,
        };
        // Nodes without elements were possible once.
        if pack.is_empty() {
            return Ok(());
        }
        if self.first.is_none() && self.list.is_empty() {
            self.first = Some(pack);
        } else {
            self.leave_first();
            self.list.push_pack(pack);
        }
        Ok(())
    }

    /// The first node is not alone any more.
    fn leave_first(&mut self) {
        if let Some(first) = self.first.take() {
            self.list.push_pack(first);
        }
    }

    pub(super) fn finish(mut self, limits: &ListLimits) -> Option<Object> {
        if let Some(first) = &self.first {
            let limit = limits.listpack();
            if limit.takes_back(first.framed_len(), first.len(), false) {
                return self.first.map(|first| List::Packed(first).into());
            }
        }
        self.leave_first();
        if self.list.is_empty() {
            return None;
        }
        let mut list = List::Quick(Box::new(self.list));
        list.settle_built(limits);
        Some(Object::from(list))
    }
}
