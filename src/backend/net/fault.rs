//! What went wrong on the way to a server, in words that an operator can act on.
//!
//! Nothing here has seen a password: labels are made without one.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::address::Place;
use super::stream::{Handshake, TooMuch};
use crate::backend::{Error, ErrorKind, Options};

/// How a protocol is called, and its schemes, for advice.
pub struct Schemes {
    /// Whose it is.
    pub protocol: &'static str,
    /// In the clear.
    pub clear: &'static str,
    /// Under TLS.
    pub tls: &'static str,
}

impl Schemes {
    /// What came was something else.
    #[must_use]
    pub fn not_spoken(&self) -> String {
        format!("it does not answer in {} protocol: another kind of server listens there", self.protocol)
    }
}

/// The connection could not be made, or was lost.
#[must_use]
pub fn lost(label: &str, error: &io::Error, options: &Options, place: &Place, schemes: &Schemes) -> Error {
    let inner = error.get_ref();
    if inner.is_some_and(|inner| inner.is::<TooMuch>()) {
        return Error::new(ErrorKind::Limit, format!("a reply of {label} is {}", options.limits.exceeded("stored")));
    }
    let (kind, why) = match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => secured(error, schemes),
        None if error.kind() == io::ErrorKind::InvalidData => (ErrorKind::Unreachable, schemes.not_spoken()),
        None => plain(error, options.timeout, place, schemes),
    };
    Error::new(kind, format!("no connection to {label}: {why}"))
}

fn plain(error: &io::Error, timeout: Duration, place: &Place, schemes: &Schemes) -> (ErrorKind, String) {
    let unix = matches!(place, Place::Unix(_));
    let why = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let during = match error.get_ref() {
                Some(inner) if inner.is::<Handshake>() => " during the TLS handshake: does it speak TLS?",
                _ => "",
            };
            format!("no answer within {timeout:?}{during} (--timeout allows more)")
        }
        io::ErrorKind::ConnectionRefused => "connection refused: no server listens there".to_owned(),
        io::ErrorKind::NotFound if unix => "there is no such socket: is the server running?".to_owned(),
        io::ErrorKind::PermissionDenied if unix => {
            return (ErrorKind::Denied, "this user may not open the socket".to_owned());
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => match place {
            Place::Tcp(..) => {
                format!("the server closed the connection (one that wants TLS does: try {})", schemes.tls)
            }
            _ => "the server closed the connection".to_owned(),
        },
        _ => error.to_string(),
    };
    (ErrorKind::Unreachable, why)
}

fn secured(error: &rustls::Error, schemes: &Schemes) -> (ErrorKind, String) {
    let why = match error {
        rustls::Error::InvalidCertificate(fault) => certificate(fault),
        rustls::Error::InvalidMessage(_) => format!("the server does not speak TLS: try {}", schemes.clear),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => {
            let why = "the server wants a client certificate that it trusts: --tls-cert and --tls-key name one";
            return (ErrorKind::Denied, format!("{why} ({error})"));
        }
        _ => format!("TLS failed: {error}"),
    };
    (ErrorKind::Unreachable, why)
}

fn certificate(fault: &CertificateError) -> String {
    let why = match fault {
        CertificateError::UnknownIssuer => {
            return "the server's certificate is signed by an authority that is not trusted here: \
                    --tls-ca FILE trusts it"
                .to_owned();
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name than the URL's"
        }
        CertificateError::Revoked => "is revoked",
        _ => return format!("the server's certificate is not valid: {fault} (--tls-insecure does without the check)"),
    };
    let details = match fault {
        CertificateError::ExpiredContext { .. } | CertificateError::NotValidForNameContext { .. } => {
            format!(": {fault}")
        }
        _ => String::new(),
    };
    format!("the server's certificate {why}{details} (--tls-insecure does without the check)")
}
