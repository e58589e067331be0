//! What both sides of TLS have agreed on, and what the server's certificate says.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::ClientConnection;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What TLS is on a connection.
#[derive(Clone, Debug)]
pub struct Secured {
    /// The protocol: `TLSv1_3`.
    pub version: String,
    /// The cipher suite.
    pub cipher: String,
    /// The server's certificate.
    pub certificate: Certificate,
}

/// A certificate. Where checks are switched off it may be anybody's, and anything.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its fingerprint, in hexadecimal.
    pub sha256: String,
    /// The hosts that it is for; where it names none the old way's, its common name.
    pub names: Vec<String>,
    /// Until when it is valid, in seconds since the epoch; `None` where it does not say.
    pub until_s: Option<i64>,
}

impl Secured {
    pub(super) fn of(tls: &ClientConnection) -> Secured {
        let certificate = tls.peer_certificates().and_then(<[_]>::first).map(AsRef::as_ref).unwrap_or_default();
        let suite = tls.negotiated_cipher_suite();
        Secured {
            version: tls.protocol_version().and_then(|version| version.as_str().map(str::to_owned)).unwrap_or_default(),
            cipher: suite.and_then(|suite| suite.suite().as_str().map(str::to_owned)).unwrap_or_default(),
            certificate: Certificate::of(certificate),
        }
    }
}

impl Certificate {
    fn of(der: &[u8]) -> Certificate {
        let fingerprint = ring::digest::digest(&ring::digest::SHA256, der);
        let sha256 = fingerprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Certificate {
                sha256,
                names: names(&certificate),
                until_s: Some(certificate.validity().not_after.timestamp()),
            },
            Err(_) => Certificate { sha256, names: Vec::new(), until_s: None },
        }
    }
}

fn names(certificate: &X509Certificate) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(name);
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => {
            certificate.subject().iter_common_name().filter_map(|name| Some(name.as_str().ok()?.to_owned())).collect()
        }
        false => names,
    }
}

/// A name of a host; others, such as mail addresses, are none.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_says_nothing() {
        for bytes in [&b""[..], b"0", b"\x30\x84\xff\xff\xff\xff", &[0x30; 4096]] {
            let Certificate { sha256, names, until_s } = Certificate::of(bytes);
            assert_eq!((sha256.len(), names.len(), until_s), (64, 0, None));
        }
    }
}
