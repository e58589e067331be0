//! Memory that one value leaves to the next of its thread.
//!
//! Who reads many values would ask for the same memory for each, and be the first to touch it: of a
//! value of some MiB that takes longer than to read it.

use std::cell::Cell;
use std::thread::LocalKey;

/// Bytes of a vector that are kept at most.
const KEPT_MOST: usize = 8 << 20;

/// Where a thread keeps a vector.
pub type Spare<T> = LocalKey<Cell<Vec<T>>>;

/// The vector that is kept, without members, or a new one.
pub fn take<T>(spare: &'static Spare<T>) -> Vec<T> {
    // A thread that ends keeps nothing any more.
    spare.try_with(Cell::take).unwrap_or_default()
}

/// Keeps the memory of `used` for the next.
pub fn keep<T>(spare: &'static Spare<T>, mut used: Vec<T>) {
    if used.capacity() > 0 && used.capacity() * size_of::<T>() <= KEPT_MOST {
        used.clear();
        let _ = spare.try_with(|kept| kept.set(used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }

    #[test]
    fn memory_is_kept_once_and_only_up_to_a_bound() {
        assert_eq!(take(&BYTES).capacity(), 0);
        keep(&BYTES, vec![1; 100]);
        let kept = take(&BYTES);
        assert_eq!((kept.len(), kept.capacity()), (0, 100));
        assert_eq!(take(&BYTES).capacity(), 0);
        keep(&BYTES, Vec::with_capacity(KEPT_MOST + 1));
        assert_eq!(take(&BYTES).capacity(), 0);
    }
}
