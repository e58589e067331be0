//! What every server needs on the way to it: an address, a socket or TLS, deadlines, and words for
//! what went wrong there. It knows no protocol.

mod address;
mod fault;
mod line;
mod secured;
mod stream;
mod wire;

pub use self::address::{Authority, Place, TRUST, Tls, host_and_port, socket, switch};
pub use self::fault::{Schemes, lost};
pub use self::line::Line;
pub use self::secured::{Certificate, Secured};
pub use self::stream::{Stream, TooMuch};
