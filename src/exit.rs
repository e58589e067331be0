//! Exit statuses: an interface that scripts rely on.
//!
//! One list, and one function from an error to its status.

use crate::backend::ErrorKind;
use crate::url::UrlError;
use crate::value::print::PrintError;
use crate::{backend, cache, codec, layout, limits};

/// What a run ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Yes: done, there, found.
    Yes = 0,
    /// The answer is no: a miss, nothing matched.
    No = 1,
    /// The command line, or a value typed on it, means nothing.
    Usage = 2,
    /// Bytes cannot be decoded, or something would be lost by writing.
    Data = 3,
    /// Authentication or permission.
    Denied = 4,
    /// Cannot connect, TLS, timeout; or the server or store failed.
    Unreachable = 5,
    /// Refused by our own guard: nobody confirmed.
    Refused = 6,
    /// Partly done.
    Partial = 7,
    /// A bug in cachectl.
    Bug = 70,
    /// Interrupted.
    Interrupted = 130,
}

/// The table of statuses, for the help.
pub const STATUSES: &[(Exit, &str)] = &[
    (Exit::Yes, "yes: done, there, found"),
    (Exit::No, "the answer is no: a miss, nothing matched"),
    (Exit::Usage, "usage: the command line, or a value typed on it, means nothing"),
    (Exit::Data, "cannot decode, or would lose data"),
    (Exit::Denied, "authentication or permission"),
    (Exit::Unreachable, "cannot connect, TLS, timeout; or the server or store failed"),
    (Exit::Refused, "refused by a guard: confirmation is missing"),
    (Exit::Partial, "partly done"),
    (Exit::Bug, "a bug in cachectl"),
    (Exit::Interrupted, "interrupted"),
];

/// A sentence that ends a run with a status of its own.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Stop {
    /// The status.
    pub exit: Exit,
    /// The sentence.
    pub message: String,
}

impl Stop {
    /// Ends the run as a usage error.
    pub fn usage(message: impl Into<String>) -> Stop {
        Stop { exit: Exit::Usage, message: message.into() }
    }

    /// Ends the run because something would be lost.
    pub fn data(message: impl Into<String>) -> Stop {
        Stop { exit: Exit::Data, message: message.into() }
    }

    /// Ends the run at a guard.
    pub fn refused(message: impl Into<String>) -> Stop {
        Stop { exit: Exit::Refused, message: message.into() }
    }
}

impl Exit {
    /// The status of a question's answer.
    #[must_use]
    pub fn answer(yes: bool) -> Exit {
        if yes { Exit::Yes } else { Exit::No }
    }

    /// The status that an error ends with: that of the first cause that has one, and before all causes that
    /// of a [`Stop`] that was added to them.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Exit {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return stop.exit;
        }
        error.chain().find_map(Exit::of_cause).unwrap_or(Exit::Unreachable)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
        if let Some(stop) = cause.downcast_ref::<Stop>() {
            return Some(stop.exit);
        }
        if cause.is::<UrlError>() || cause.is::<layout::Error>() {
            return Some(Exit::Usage);
        }
        if cause.is::<codec::Error>() || cause.is::<cache::Unread>() || cause.is::<limits::Exceeded>() {
            return Some(Exit::Data);
        }
        if let Some(error) = cause.downcast_ref::<backend::Error>() {
            return Some(Exit::of_backend(error.kind));
        }
        if let Some(error) = cause.downcast_ref::<cache::Error>() {
            return match error {
                cache::Error::Backend(error) => Some(Exit::of_backend(error.kind)),
                cache::Error::Name { .. } => Some(Exit::Usage),
                cache::Error::Codec { .. } | cache::Error::Loss { .. } => Some(Exit::Data),
            };
        }
        match cause.downcast_ref::<PrintError>()? {
            PrintError::Io(error) => Exit::of_cause(error),
            PrintError::Limit(_) | PrintError::Unfit(_) => Some(Exit::Data),
        }
    }

    fn of_backend(kind: ErrorKind) -> Exit {
        match kind {
            ErrorKind::Denied => Exit::Denied,
            ErrorKind::Unreachable | ErrorKind::Failed | ErrorKind::Unsupported => Exit::Unreachable,
            ErrorKind::Limit => Exit::Data,
            ErrorKind::Unfit => Exit::Usage,
            ErrorKind::Partial => Exit::Partial,
        }
    }
}

/// Whether the reader of our output went away, which is no failure.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = match cause.downcast_ref::<PrintError>() {
            Some(PrintError::Io(error)) => Some(error),
            _ => cause.downcast_ref::<std::io::Error>(),
        };
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
