//! Streams: nodes, counters, then groups with what is pending. [`Restore`] judges the parts; here
//! those are gathered that belong together.

use crate::data::stream::{Counters, Restore, StreamId};
use crate::keyspace::Object;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};
use crate::persist::rdb::structure::{Number, Of, Text, Token};

/// A stream in the making.
#[derive(Default)]
pub(in super::super) struct StreamBuilder {
    restore: Restore,
    /// The id of the node that comes next.
    node_id: Vec<u8>,
    counters: Counters,
    /// Ids that came since the counters, or the group, began; the last one may lack its sequence.
    ids: Vec<StreamId>,
    group: Vec<u8>,
    entries_read: Option<u64>,
    /// The pending entry that is not complete.
    pending: StreamId,
    consumer: Vec<u8>,
    /// Times that came since the pending entry, or the consumer, began.
    times: Vec<i64>,
}

impl StreamBuilder {
    pub(super) fn take(&mut self, token: Token<'_>) -> Result<(), RdbErrorKind> {
        match token {
            Token::Text(text, raw) => {
                let bytes = raw.into_vec()?;
                return self.text(text, bytes);
            }
            Token::Number(number, value) => self.number(number, value)?,
            Token::Repeat(of, _) => self.repeat(of)?,
            Token::Id(Of::Owned, id) => self.restore.owned(id).map_err(Flaw::Stream)?,
            Token::Id(_, id) => {
                self.pending = id;
                self.times.clear();
            }
            Token::Time(time_ms) => self.times.push(time_ms),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: Text, bytes: Vec<u8>) -> Result<(), RdbErrorKind> {
        match text {
            Text::NodeId => self.node_id = bytes,
            Text::Node => {
                let node = self.restore.node(&self.node_id, bytes);
                node.map_err(Flaw::Stream)?;
            }
            Text::Group => {
                self.group = bytes;
                self.entries_read = None;
                self.ids.clear();
            }
            _ => {
                self.consumer = bytes;
                self.times.clear();
            }
        }
        Ok(())
    }

    fn number(&mut self, number: Number, value: u64) -> Result<(), RdbErrorKind> {
        match number {
            Number::Entries => self.counters.len = value,
            Number::IdMs => self.ids.push(StreamId::new(value, 0)),
            Number::IdSeq => {
                if let Some(id) = self.ids.last_mut() {
                    id.seq = value;
                }
            }
            Number::EntriesAdded => {
                let max_deleted = self.ids.last().copied().unwrap_or_default();
                self.counters.history = Some((max_deleted, value));
            }
            Number::EntriesRead => self.entries_read = Some(value),
            Number::Deliveries => {
                let delivered_ms = self.times.last().copied().unwrap_or_default();
                let pending = self.restore.pending(self.pending, delivered_ms, value);
                pending.map_err(Flaw::Stream)?;
            }
            Number::Container => {}
        }
        Ok(())
    }

    /// What was gathered is complete when the next sequence begins.
    fn repeat(&mut self, of: Of) -> Result<(), Flaw> {
        let first_id = self.ids.first().copied().unwrap_or_default();
        match of {
            Of::Groups => {
                self.counters.last_id = first_id;
                self.restore.counters(self.counters)?;
            }
            Of::Pending => {
                let read = self.entries_read;
                self.restore.group(&self.group, first_id, read)?;
            }
            Of::Owned => {
                let seen_ms = self.times.first().copied().unwrap_or_default();
                let active_ms = self.times.get(1).copied();
                self.restore.consumer(&self.consumer, seen_ms, active_ms)?;
            }
            Of::Members | Of::Nodes | Of::Consumers => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Object, RdbErrorKind> {
        let stream = self.restore.finish().map_err(Flaw::Stream)?;
        Ok(Object::from(Box::new(stream)))
    }
}
