//! The configuration file of the Sentinel, in which it keeps its state.
//!
//! The file is read once, at the start: from then on its text is known, with all that belongs to
//! the operator, and each save makes the next text from it. So the loop never waits for the disk.

use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;

use crate::base::disk::Disk;
use crate::base::errno::os_text;
use crate::base::replace::Replacement;
use crate::commands::env::Env;
use crate::config::rewrite_sentinel;
use crate::engine::runtime::Runtime;
use crate::engine::sentinel::state::UnderWay;
use crate::engine::world::{Job, World};

impl<W: World> Runtime<W> {
    /// Reads the file that a Sentinel is started with.
    pub(super) fn read_sentinel_file(&mut self, env: &Env) -> Result<(), String> {
        let Some(path) = &env.config_file else {
            return Err("a Sentinel needs a configuration file".to_owned());
        };
        let mut text = Vec::new();
        let read = (self.world.disk().open(path)).and_then(|mut file| file.read_to_end(&mut text));
        read.map_err(|e| format!("Can't read {}: {}", path.display(), os_text(&e)))?;
        self.sentinel.saving.text = text.into();
        Ok(())
    }

    /// Writes a new id down before anybody can hear of it, the only save that is waited for: peers
    /// would go on counting a Sentinel that has forgotten its id. If that fails, it is tried again
    /// like every other save.
    pub(super) fn save_new_id(&mut self, env: &mut Env) {
        let (Some(sentinel), Some(path)) = (&mut env.sentinel, &env.config_file) else {
            return;
        };
        if !sentinel.id_is_new() {
            return;
        }
        let (number, state) = sentinel.saved_form();
        let saving = &mut self.sentinel.saving;
        let users = env.users.lines();
        let text = rewrite_sentinel(&saving.text, &env.config, &users, &state);
        let text = Bytes::from(text);
        let replacement = Replacement::new(path, text.clone());
        if replacement.run(self.world.disk()).is_ok() {
            saving.text = text;
            sentinel.on_saved(number, Ok(()), env.now);
        }
    }

    /// Begins to write the state down.
    pub(super) fn save_sentinel(&mut self, env: &mut Env) {
        let (Some(sentinel), Some(path)) = (&env.sentinel, &env.config_file) else {
            return;
        };
        let (number, state) = sentinel.saved_form();
        let path: PathBuf = path.clone();
        let saving = &mut self.sentinel.saving;
        assert!(
            saving.under_way.is_none(),
            "one save at a time is asked for"
        );
        let users = env.users.lines();
        let text = rewrite_sentinel(&saving.text, &env.config, &users, &state);
        let text = Bytes::from(text);
        saving.requests += 1;
        let request = saving.requests;
        saving.under_way = Some(UnderWay {
            request,
            number,
            text: text.clone(),
        });
        let job = Job::Replace {
            request,
            path,
            text,
        };
        self.world.submit(job);
    }

    /// The state was written down, or could not be.
    pub(in crate::engine) fn on_replaced(
        &mut self,
        env: &mut Env,
        request: u64,
        result: std::io::Result<()>,
    ) {
        let saving = &mut self.sentinel.saving;
        let is_this = |save: &mut UnderWay| save.request == request;
        let (Some(save), Some(sentinel)) = (saving.under_way.take_if(is_this), &mut env.sentinel)
        else {
            return;
        };
        if result.is_ok() {
            saving.text = save.text;
        }
        let result = result.map_err(|e| os_text(&e));
        sentinel.on_saved(save.number, result, env.now);
    }
}
