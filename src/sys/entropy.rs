//! Entropy, from the one place that has it: the kernel.

use std::io;

/// Random bytes that nobody can predict, to seed a generator with.
///
/// # Errors
///
/// Those of `getrandom(2)`.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut out = [0; 32];
    let mut filled = 0;
    while filled < out.len() {
        let rest = &mut out[filled..];
        // SAFETY: `rest` is valid for as many bytes as it has.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => filled += got,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_differ_from_call_to_call() {
        assert_ne!(super::seed().unwrap(), super::seed().unwrap());
    }
}
