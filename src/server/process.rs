//! What this process is to the system: on which processors it runs, how many descriptors it may
//! have, what the list of processes shows of it.

use std::path::Path;

use crate::commands::table::Mode;
use crate::config::{Reason, Settings};
use crate::sys;

/// Descriptors that the server needs besides its clients': files, pipes, listeners, the poll.
const RESERVED_DESCRIPTORS: u64 = 32;

/// What a process is, as the list of processes shows it where that is worth a word.
fn title_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Server => "",
        Mode::Sentinel => "[sentinel]",
    }
}

/// Keeps the calling thread, and what it makes, to the processors of a list; `directive` has it.
pub fn pin(list: Option<&[u8]>, directive: &str) {
    if let Some(list) = list.and_then(|list| std::str::from_utf8(list).ok())
        && let Some(cpus) = sys::affinity::parse_cpu_list(list)
        && let Err(e) = sys::affinity::set_affinity(&cpus)
    {
        log::warn!("Cannot set the processors of {directive}: {e}");
    }
}

/// Raises the limit on descriptors to what the settings need.
///
/// # Errors
///
/// The system does not let us.
pub fn grow_descriptors(settings: &Settings) -> Result<(), Reason> {
    let wanted = u64::from(settings.maxclients) + RESERVED_DESCRIPTORS;
    let raised = sys::limits::raise_descriptors(wanted);
    if raised.reached >= wanted {
        return Ok(());
    }
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {}",
        raised.reached.saturating_sub(RESERVED_DESCRIPTORS)
    )
    .into())
}

/// Raises the descriptor limit to what `maxclients` needs, or lowers `maxclients` to what the
/// limit allows.
///
/// # Errors
///
/// Not even one client fits.
pub fn adjust_descriptor_limit(settings: &mut Settings) -> Result<(), String> {
    let wanted = u64::from(settings.maxclients) + RESERVED_DESCRIPTORS;
    let (soft, _) = match sys::limits::descriptors() {
        Ok(limits) => limits,
        Err(e) => {
            log::warn!(
                "Unable to obtain the current NOFILE limit ({e}), assuming 1024 and setting the \
                 max clients configuration accordingly."
            );
            settings.maxclients = 1024 - RESERVED_DESCRIPTORS as u32;
            return Ok(());
        }
    };
    if soft >= wanted {
        return Ok(());
    }
    let raised = sys::limits::raise_descriptors(wanted);
    let reached = raised.reached;
    if reached >= wanted {
        log::info!(
            "Increased maximum number of open files to {wanted} (it was originally set to {soft})."
        );
        return Ok(());
    }
    if reached <= RESERVED_DESCRIPTORS {
        return Err(format!(
            "Your current 'ulimit -n' of {soft} is not enough for the server to start. Please \
             increase your open file limit to at least {}. Exiting.",
            RESERVED_DESCRIPTORS + 1
        ));
    }
    let old = settings.maxclients;
    settings.maxclients = (reached - RESERVED_DESCRIPTORS) as u32;
    log::warn!(
        "You requested maxclients of {old} requiring at least {wanted} max file descriptors."
    );
    let why = raised
        .refused
        .map_or("an unknown error".to_owned(), |e| e.to_string());
    log::warn!("Server can't set maximum open files to {wanted} because of OS error: {why}.");
    log::warn!(
        "Current maximum open files is {reached}. maxclients has been reduced to {} to compensate \
         for low ulimit. If you need higher maxclients increase 'ulimit -n'.",
        settings.maxclients
    );
    Ok(())
}

/// What the list of processes shows.
pub fn process_title(settings: &Settings, name: &str, mode: Mode, file: Option<&Path>) -> String {
    let socket = String::from_utf8_lossy(settings.unixsocket.as_deref().unwrap_or_default());
    let address = settings
        .bind
        .0
        .first()
        .map_or("*", |a| a.trim_start_matches('-'));
    let listen = if settings.main_port() != 0 {
        format!("{address}:{}", settings.main_port())
    } else {
        format!("unixsocket:{socket}")
    };
    let file = file.map_or("-".to_owned(), |path| path.display().to_string());
    String::from_utf8_lossy(&settings.proc_title_template)
        .replace("{title}", name)
        .replace("{listen-addr}", &listen)
        .replace("{server-mode}", title_of(mode))
        .replace("{port}", &settings.port.to_string())
        .replace("{tls-port}", &settings.tls_port.to_string())
        .replace("{unixsocket}", &socket)
        .replace("{config-file}", &file)
        .trim_matches(' ')
        .to_owned()
}
