//! Whether somebody wants this process to end: control-C, SIGTERM, or the terminal hung up.
//!
//! For commands that go on until they are told to stop, and then have something to finish: a line, a
//! summary. All others leave the signals to do what they do. It knows nothing of what is interrupted.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Set by the first signal. The second one ends the process as if nobody listened, whatever it is
/// doing. Clones are the same flag.
#[derive(Clone)]
pub struct Interrupt {
    set: Arc<AtomicBool>,
    woken: Arc<(Mutex<bool>, Condvar)>,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Interrupt> {
        const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
        let set = Arc::new(AtomicBool::new(false));
        let woken = Arc::new((Mutex::new(false), Condvar::new()));
        for signal in ENDING {
            // In this order: the first signal finds the flag unset, and sets it.
            flag::register_conditional_default(signal, Arc::clone(&set))?;
            flag::register(signal, Arc::clone(&set))?;
        }
        // A file that may not grow is an error of the write, as a full disk is.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        let mut signals = Signals::new(ENDING)?;
        let waking = Arc::clone(&woken);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                let (woken, waiting) = &*waking;
                *woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
                waiting.notify_all();
            }
        })?;
        Ok(Interrupt { set, woken })
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Waits for so long, or until a signal comes; whether one has.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (woken, waiting) = &*self.woken;
        let woken = woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = waiting.wait_timeout_while(woken, time, |woken| !*woken);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Holds signals back: while this lives none ends the process, which has something that must not be left behind.
/// Control-C and control-\ are for whoever has the terminal meanwhile, an editor, and heeded by nobody here.
pub struct Hold {
    /// Whether signals do again what they do.
    released: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Hold {
    /// From now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> io::Result<Hold> {
        let (released, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            flag::register_conditional_default(signal, Arc::clone(&released))?;
        }
        for signal in [SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&over))?;
        }
        Ok(Hold { released, over })
    }

    /// Whether the process was told to end, or its terminal is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.released.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_signal_ends_the_wait_and_stays() {
        let interrupt = Interrupt::listen().unwrap();
        assert!(!interrupt.wait(Duration::from_millis(1)) && !interrupt.is_set());
        let other = interrupt.clone();
        let waiting = thread::spawn(move || {
            let start = Instant::now();
            (other.wait(Duration::from_secs(60)), start.elapsed())
        });
        signal_hook::low_level::raise(SIGTERM).unwrap();
        let (interrupted, took) = waiting.join().unwrap();
        assert!(interrupted && took < Duration::from_secs(30), "{took:?}");
        assert!(interrupt.is_set() && interrupt.wait(Duration::ZERO));
    }
}
