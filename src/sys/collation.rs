//! In what order a language puts texts.
//!
//! The C library knows; it is asked through a locale of our own, so that nothing else in the
//! process depends on it. Texts end at their first NUL there.

use std::cmp::Ordering;
use std::ffi::{CStr, CString};

use libc::{c_char, c_int, locale_t};

unsafe extern "C" {
    // In POSIX since 2008, and not in the `libc` crate.
    fn strcoll_l(a: *const c_char, b: *const c_char, locale: locale_t) -> c_int;
}

/// An order of texts.
#[derive(Debug)]
pub enum Collation {
    /// That of their bytes.
    Bytes,
    /// That of a locale.
    Locale(Locale),
}

/// A locale of the C library.
#[derive(Debug)]
pub struct Locale(locale_t);

impl Collation {
    /// The order of a locale with this name; an empty name stands for the one that the
    /// environment asks for. None if there is no such locale.
    pub fn named(name: &[u8]) -> Option<Collation> {
        if matches!(name, b"C" | b"POSIX") {
            return Some(Collation::Bytes);
        }
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends in NUL, and no locale is to be changed.
        let locale =
            unsafe { libc::newlocale(libc::LC_COLLATE_MASK, name.as_ptr(), std::ptr::null_mut()) };
        (!locale.is_null()).then(|| Collation::Locale(Locale(locale)))
    }

    /// Which of two texts comes first.
    pub fn compare(&self, a: &CStr, b: &CStr) -> Ordering {
        match self {
            Collation::Bytes => a.cmp(b),
            Collation::Locale(Locale(locale)) => {
                // SAFETY: both texts end in NUL, and the locale lives until it is dropped.
                unsafe { strcoll_l(a.as_ptr(), b.as_ptr(), *locale) }.cmp(&0)
            }
        }
    }
}

impl Drop for Locale {
    fn drop(&mut self) {
        // SAFETY: the locale came from `newlocale`, and nobody else has it.
        unsafe { libc::freelocale(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_knows_some_orders() {
        assert!(Collation::named(b"no_such.locale").is_none());
        assert!(Collation::named(b"a\0b").is_none());
        for name in [&b""[..], b"C", b"POSIX"] {
            let order = Collation::named(name).expect("a locale");
            assert_eq!(order.compare(c"a", c"a"), Ordering::Equal);
            assert_eq!(order.compare(c"a", c"b"), Ordering::Less);
            assert_eq!(order.compare(c"b", c"a"), Ordering::Greater);
        }
        assert_eq!(Collation::Bytes.compare(c"B", c"a"), Ordering::Less);
    }
}
