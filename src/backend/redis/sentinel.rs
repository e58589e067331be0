//! The primary of a service, as its sentinels know it.
//!
//! The first sentinel that knows decides (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>), and the
//! server is asked for its role, as sentinels hear late of a failover. While one goes on there is no
//! primary: they are asked again within the timeout.

use redis::Value;

use super::link::Link;
use super::patience::Patience;
use super::url::{Sentinels, Target, Topology};
use super::{command, read};
use crate::backend::{Error, ErrorKind, Options};

/// Has `enter` go to the primary of a service, to another one when it cannot.
///
/// # Errors
/// When no primary was found within the timeout: why not, at last. That a user is refused is told at once.
pub fn primary(
    sentinels: &Sentinels,
    options: &Options,
    mut enter: impl FnMut(String, u16) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut patience = Patience::new(options.timeout);
    loop {
        let (mut last, mut named) = (None, false);
        for place in &sentinels.places {
            let target = Target {
                place: place.clone(),
                topology: Topology::Single,
                db: 0,
                username: sentinels.username.clone(),
                password: sentinels.password.clone(),
                resp3: false,
                tls: sentinels.tls.clone(),
            };
            let entered = ask(&target, &sentinels.service, options).and_then(|(host, port)| {
                named = true;
                enter(host, port)
            });
            match entered {
                Err(error) if !matches!(error.kind, ErrorKind::Denied | ErrorKind::Limit) => last = Some(error),
                ended => return ended,
            }
        }
        // Where none of them knows one, there is none to come.
        if !named || !patience.wait() {
            return Err(last.expect("a URL names one sentinel at least"));
        }
    }
}

/// What the sentinel at `target` says.
fn ask(target: &Target, service: &str, options: &Options) -> Result<(String, u16), Error> {
    let mut link = Link::connect(target, options)?;
    let doing = format!("cannot ask the sentinel for the primary of `{service}`");
    let question = command("SENTINEL", &[b"GET-MASTER-ADDR-BY-NAME", service.as_bytes()]);
    let reply = link.ask_one(&doing, question).map_err(|error| match error.kind {
        ErrorKind::Unsupported => {
            Error { message: format!("{} is no sentinel: {}", link.place(), error.message), ..error }
        }
        _ => error,
    })?;
    if reply == Value::Nil {
        let message = format!("the sentinel at {} watches no service `{service}`", link.place());
        return Err(Error::new(ErrorKind::Failed, message));
    }
    let mut parts = read::array(reply)?.into_iter().map(read::bytes);
    let (host, port) = (parts.next().transpose()?.unwrap_or_default(), parts.next().transpose()?.unwrap_or_default());
    let port = std::str::from_utf8(&port).ok().and_then(|port| port.parse().ok());
    match (String::from_utf8(host), port) {
        (Ok(host), Some(port)) if !host.is_empty() => Ok((host, port)),
        _ => Err(Error::new(ErrorKind::Failed, format!("{doing}: its answer is no address"))),
    }
}
