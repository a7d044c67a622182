//! Lending a value to code that cannot keep a borrow of it: the callbacks of an interpreter live as
//! long as the interpreter does, and what they work on is there only while a script runs.
//!
//! Whoever has the value lends it for the length of a call ([`Loan::lend`]); a callback that runs
//! meanwhile gets it, and nobody else at the same time ([`Loan::with`]).

use std::cell::Cell;
use std::ptr::NonNull;

/// Stands for a type with a lifetime, as long as nobody says which.
pub trait Lendable {
    /// The type.
    type Of<'a>;
}

/// The place through which a value is lent.
pub struct Loan<L: Lendable> {
    lent: Cell<Option<NonNull<L::Of<'static>>>>,
}

impl<L: Lendable> Default for Loan<L> {
    fn default() -> Loan<L> {
        Loan {
            lent: Cell::new(None),
        }
    }
}

impl<L: Lendable> Loan<L> {
    /// Lends a value while `run` runs.
    pub fn lend<R>(&self, value: &mut L::Of<'_>, run: impl FnOnce() -> R) -> R {
        let lent = NonNull::from(value).cast::<L::Of<'static>>();
        let _back = Back {
            cell: &self.lent,
            before: self.lent.replace(Some(lent)),
        };
        run()
    }

    /// Works on what is lent; none if nothing is, or somebody works on it.
    pub fn with<R>(&self, work: impl for<'a> FnOnce(&mut L::Of<'a>) -> R) -> Option<R> {
        let lent = self.lent.take()?;
        let _back = Back {
            cell: &self.lent,
            before: Some(lent),
        };
        // SAFETY: the pointer was made from a `&mut` that `lend` holds until it returns, which
        // takes the pointer out of the cell first; so the value lives, and its owner cannot touch
        // it. The pointer is out of the cell while `work` runs, so there is no second reference.
        // `work` has to be right for any lifetime, so it can keep nothing of the value.
        Some(work(unsafe { lent.cast::<L::Of<'_>>().as_mut() }))
    }
}

/// Puts back what the cell had before, also when a panic unwinds.
struct Back<'a, T> {
    cell: &'a Cell<Option<NonNull<T>>>,
    before: Option<NonNull<T>>,
}

impl<T> Drop for Back<'_, T> {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text;

    impl Lendable for Text {
        type Of<'a> = &'a mut String;
    }

    #[test]
    fn a_value_is_lent_for_the_length_of_a_call_and_to_one_at_a_time() {
        let loan = Loan::<Text>::default();
        assert!(loan.with(|_| ()).is_none());
        let mut owned = String::from("a");
        let inner = loan.lend(&mut &mut owned, || {
            loan.with(|text| {
                text.push('b');
                loan.with(|_| ()).is_none()
            })
        });
        assert_eq!(inner, Some(true));
        assert!(loan.with(|_| ()).is_none());
        assert_eq!(owned, "ab");
    }

    #[test]
    fn it_comes_back_when_the_borrower_panics() {
        let loan = Loan::<Text>::default();
        let mut owned = String::new();
        let run = || loan.lend(&mut &mut owned, || panic!("on purpose"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        assert!(loan.with(|_| ()).is_none());
    }
}
