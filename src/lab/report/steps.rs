//! The steps of the script, numbered, and what came of those that waited.

use super::history::History;
use crate::lab::model::{UnixUs, What};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// When it was asked for.
    pub at_us: UnixUs,
    /// Its words.
    pub words: String,
    /// Of one that waited: when that ended, and whether what it waited for came true.
    pub awaited: Option<(UnixUs, bool)>,
}

/// All steps by time. One that waited without having been written down as a step is one as well,
/// at the time at which its waiting ended.
pub fn of(history: &History) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in &history.events {
        match &event.what {
            What::Step { words } => steps.push(Step {
                number: steps.len() + 1,
                at_us: event.at_us,
                words: words.clone(),
                awaited: None,
            }),
            // What a program waits for by itself has no words, and is no step.
            What::Awaited { words, .. } if words.is_empty() => {}
            What::Awaited { words, held } => {
                let is_it = |step: &&mut Step| step.awaited.is_none() && step.words == *words;
                let awaited = Some((event.at_us, *held));
                match steps.iter_mut().rev().take(8).find(is_it) {
                    Some(step) => step.awaited = awaited,
                    None => steps.push(Step {
                        number: steps.len() + 1,
                        at_us: event.at_us,
                        words: words.clone(),
                        awaited,
                    }),
                }
            }
            _ => {}
        }
    }
    steps
}
