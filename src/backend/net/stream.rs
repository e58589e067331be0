//! A connection to a server, in the clear or under TLS.
//!
//! The `redis` crate's connection reads what a server sends to the end, whatever it claims or is: a
//! list of huge members, or a server that never stops, would fill the memory before any limit is
//! looked at. So connections are ours, and each protocol reads its replies from them within a limit.
//! That also gives the whole way to a session (name, addresses, TLS) one deadline, and trusts a
//! given authority beside the system's instead of in their place. This file knows no commands.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};

use super::address::{Place, Tls};
use super::line::Line;
use super::secured::Secured;
use super::wire::{Socket, Wire};
use crate::backend::Options;

/// Bytes taken from the socket at once. All of the buffer is cleared before its first use, and what is
/// longer goes past it.
const READ_MOST: usize = 16 << 10;

/// An open connection.
pub struct Stream {
    channel: BufReader<Channel>,
    timeout: Duration,
}

enum Channel {
    Clear(Wire),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

/// The time was up before both sides had agreed on their keys.
#[derive(Debug)]
pub struct Handshake;

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no end of the TLS handshake")
    }
}

impl std::error::Error for Handshake {}

/// A reply is larger than its budget.
#[derive(Debug)]
pub struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is too large")
    }
}

impl std::error::Error for TooMuch {}

impl Stream {
    /// Connects, TLS included, within the timeout.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`], with [`Handshake`] inside when that was the reason; or what the
    /// system or TLS says.
    pub fn connect(place: &Place, tls: &Tls, options: &Options) -> io::Result<Stream> {
        let (place, timeout, start) = (place.clone(), options.timeout, Instant::now());
        let tls = match &place {
            Place::Tls(host, _) => Some((Arc::new(config(tls, options)?), host.clone())),
            _ => None,
        };
        let socket = if ends_by_itself(&place) { dial(&place, timeout) } else { dial_aside(place, timeout) }?;
        let wire = Wire::new(socket, start, timeout);
        let channel = match tls {
            Some((config, host)) => Channel::Tls(Box::new(agree(wire, config, host)?)),
            None => Channel::Clear(wire),
        };
        Ok(Stream { channel: BufReader::with_capacity(READ_MOST, channel), timeout })
    }

    /// The connection for who waits for many at once.
    ///
    /// # Errors
    /// The system's; or there is something to read, which nobody asked for.
    pub fn into_line(self) -> io::Result<Line> {
        if !self.channel.buffer().is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match self.channel.into_inner() {
            Channel::Clear(wire) => Line::new(wire.into_socket(), None),
            Channel::Tls(session) => {
                let (session, wire) = session.into_parts();
                Line::new(wire.into_socket(), Some(session))
            }
        }
    }

    /// What TLS is, where there is any.
    #[must_use]
    pub fn secured(&self) -> Option<Secured> {
        match self.channel.get_ref() {
            Channel::Clear(_) => None,
            Channel::Tls(session) => Some(Secured::of(&session.conn)),
        }
    }

    /// Whether the other side has closed the connection, as far as the system knows yet: what is sent then is not
    /// read by anybody.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.channel.get_ref() {
            Channel::Clear(wire) => wire.is_over(),
            Channel::Tls(session) => session.sock.is_over(),
        }
    }

    /// Sends commands and has a whole timeout for it. A large one has longer: see [`Wire`].
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, commands: &[u8]) -> io::Result<()> {
        let channel = self.channel.get_mut();
        channel.wire().arm(self.timeout);
        channel.write_all(commands)?;
        channel.flush()
    }

    /// Where what the server sends by itself comes from, which has so long.
    pub fn within(&mut self, time: Duration) -> &mut impl BufRead {
        self.channel.get_mut().wire().arm(time);
        &mut self.channel
    }

    /// Where the next reply comes from, which has a whole timeout.
    pub fn reply(&mut self) -> &mut impl BufRead {
        self.channel.get_mut().wire().arm(self.timeout);
        &mut self.channel
    }
}

impl Channel {
    fn wire(&mut self) -> &mut Wire {
        match self {
            Channel::Clear(wire) => wire,
            Channel::Tls(session) => &mut session.sock,
        }
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Clear(wire) => wire.read(buffer),
            Channel::Tls(session) => session.read(buffer),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Channel::Clear(wire) => wire.write(bytes),
            Channel::Tls(session) => session.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Channel::Clear(wire) => wire.flush(),
            Channel::Tls(session) => session.flush(),
        }
    }
}

/// Whether [`dial`] keeps to the timeout: there is no name to look up, and no socket whose queue may
/// be full.
fn ends_by_itself(place: &Place) -> bool {
    matches!(place, Place::Tcp(host, _) | Place::Tls(host, _) if host.parse::<IpAddr>().is_ok())
}

/// [`dial`] in a thread of its own. Nobody listens to it any more when it took too long.
fn dial_aside(place: Place, timeout: Duration) -> io::Result<Socket> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || drop(sender.send(dial(&place, timeout))))?;
    receiver.recv_timeout(timeout).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn dial(place: &Place, timeout: Duration) -> io::Result<Socket> {
    match place {
        Place::Tcp(host, port) | Place::Tls(host, port) => {
            let socket = first(host, *port, timeout)?;
            socket.set_nodelay(true)?;
            Ok(Socket::Tcp(socket))
        }
        #[cfg(unix)]
        Place::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path)?)),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}

/// The TLS handshake.
fn agree(mut wire: Wire, config: Arc<ClientConfig>, host: String) -> io::Result<StreamOwned<ClientConnection, Wire>> {
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut wire).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, Handshake),
            _ => error,
        })?;
    }
    Ok(StreamOwned::new(session, wire))
}

/// The first of a host's addresses that answers; they share the timeout.
fn first(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let start = Instant::now();
    let mut last = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What TLS is to trust and to show: the options' files; where they name none, those of the URL.
fn config(tls: &Tls, options: &Options) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let builder = if options.tls_insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(algorithms)))
    } else {
        builder.with_root_certificates(roots(options.tls_ca.as_ref().or(tls.ca.as_ref()).map(AsRef::as_ref))?)
    };
    let of_url = tls.certificate.as_ref().map(|path| (path, tls.key.as_ref().unwrap_or(path)));
    let Some((file, key)) = options.tls_client.as_ref().map(|(file, key)| (file, key)).or(of_url) else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    builder.with_client_auth_cert(certificates(file)?, key).map_err(io::Error::other)
}

fn roots(authority: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One odd certificate in the system's store must not keep every server out.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = authority {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(io::Error::other)?;
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| unreadable(path, &error))?;
    match all.is_empty() {
        true => Err(io::Error::other(format!("no certificate in {}", path.display()))),
        false => Ok(all),
    }
}

fn unreadable(path: &Path, error: &dyn fmt::Display) -> io::Error {
    io::Error::other(format!("cannot read {}: {error}", path.display()))
}

/// Trusts any certificate (`--tls-insecure`), but not a server that has not its key.
#[derive(Debug)]
struct Unchecked(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
