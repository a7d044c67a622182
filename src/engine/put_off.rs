//! What has to wait for the end of a script that takes long ([`super::busy`]).

use super::world::Event;

/// What has to wait for the end of a script.
#[derive(Default)]
pub struct PutOff {
    events: Vec<Event>,
    /// The readiness that was told before the script began was looked at again.
    has_looked: bool,
}

impl PutOff {
    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether everybody is to be looked at, for the first time in this tick.
    pub fn must_look(&mut self) -> bool {
        !std::mem::replace(&mut self.has_looked, true)
    }

    /// A tick begins.
    pub fn begin_tick(&mut self) {
        self.has_looked = false;
    }

    /// What there is, in the order in which it happened.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Keeps an event. Of what may be told any number of times, one is kept.
    pub fn push(&mut self, event: Event) {
        for kept in &mut self.events {
            if is_merged(kept, &event) {
                return;
            }
        }
        self.events.push(event);
    }
}

/// Whether an event that is kept says what another one says, too.
fn is_merged(kept: &mut Event, event: &Event) -> bool {
    match (kept, event) {
        (
            Event::Ready {
                wake: kept,
                readable,
                writable,
                ended,
            },
            &Event::Ready {
                wake,
                readable: more_readable,
                writable: more_writable,
                ended: has_ended,
            },
        ) if *kept == wake => {
            *readable |= more_readable;
            *writable |= more_writable;
            *ended |= has_ended;
            true
        }
        (
            Event::ChildReport { pid: kept, report },
            &Event::ChildReport {
                pid,
                report: renewed,
            },
        ) if *kept == pid => {
            *report = renewed;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::world::{ChildReport, Wake};

    fn ready(wake: Wake, writable: bool) -> Event {
        Event::Ready {
            wake,
            readable: !writable,
            writable,
            ended: false,
        }
    }

    #[test]
    fn what_is_told_again_and_again_is_kept_once() {
        let mut put_off = PutOff::default();
        for keys in 0..1000 {
            put_off.push(ready(Wake::Outgoing(1), keys == 500));
            put_off.push(ready(Wake::Outgoing(2), false));
            let report = ChildReport {
                keys,
                copied_bytes: 0,
            };
            put_off.push(Event::ChildReport { pid: 7, report });
        }
        let kept = format!("{:?}", put_off.take());
        assert_eq!(kept.matches("Outgoing(").count(), 2, "{kept}");
        assert_eq!(kept.matches("writable: true").count(), 1, "{kept}");
        assert!(
            kept.contains("keys: 999") && !kept.contains("keys: 998"),
            "{kept}"
        );
        assert!(put_off.is_empty());
    }
}
