//! The operating system's words for its errors, as they stand in log lines and replies.

use std::io;

/// The operating system's own words for an error, without the number that Rust puts behind them.
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_left_out() {
        assert_eq!(
            os_text(&io::Error::from_raw_os_error(2)),
            "No such file or directory"
        );
        assert_eq!(os_text(&io::Error::other("odd")), "odd");
    }
}
