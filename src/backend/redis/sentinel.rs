//! The primary of a service, or a replica of it, as its sentinels know them.
//!
//! The first sentinel that knows decides (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>), and the
//! server is asked for its role, as sentinels hear late of a failover. While one goes on there is no
//! primary: they are asked again within the timeout.

use redis::Value;

use super::link::Link;
use super::patience::Patience;
use super::url::{Sentinels, Target, Topology};
use super::{command, info, read};
use crate::backend::{Error, ErrorKind, Options};

/// Has `enter` go to the primary of a service, or with `--replica` to a replica; to another one when it cannot.
///
/// # Errors
/// When none was found within the timeout: why not, at last. That a user is refused is told at once.
pub fn find(
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
                readonly: false,
                db: 0,
                username: sentinels.username.clone(),
                password: sentinels.password.clone(),
                resp3: false,
                tls: sentinels.tls.clone(),
            };
            let ask = if options.replica { replicas } else { primary };
            let entered = ask(&target, &sentinels.service, options).and_then(|servers| {
                named = true;
                let mut entered = Ok(());
                for (host, port) in servers {
                    entered = enter(host, port);
                    if entered.is_ok() {
                        break;
                    }
                }
                entered
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

/// Where the sentinel at `target` says that the primary is.
fn primary(target: &Target, service: &str, options: &Options) -> Result<Vec<(String, u16)>, Error> {
    let question = command("SENTINEL", &[b"GET-MASTER-ADDR-BY-NAME", service.as_bytes()]);
    let reply = ask(target, question, options)?;
    if reply == Value::Nil {
        let message = format!("the sentinel at {} watches no service `{service}`", target.place);
        return Err(Error::new(ErrorKind::Failed, message));
    }
    let mut parts = read::array(reply)?.into_iter().map(read::bytes);
    let mut next = || Ok(String::from_utf8_lossy(&parts.next().transpose()?.unwrap_or_default()).into_owned());
    let (host, port): (String, String) = (next()?, next()?);
    match port.parse() {
        Ok(port) if !host.is_empty() => Ok(vec![(host, port)]),
        _ => {
            Err(Error::new(ErrorKind::Failed, format!("the answer of the sentinel at {} is no address", target.place)))
        }
    }
}

/// Where it says that replicas are which are up.
fn replicas(target: &Target, service: &str, options: &Options) -> Result<Vec<(String, u16)>, Error> {
    let reply = ask(target, command("SENTINEL", &[b"REPLICAS", service.as_bytes()]), options)?;
    let all = read::array(reply)?.into_iter().map(info::pairs);
    // What is down, or was not heard of yet, has more flags than that.
    let up = all.filter(|replica| replica.text("flags") == Some("slave"));
    let up: Vec<_> =
        up.filter_map(|replica| Some((replica.word("ip")?, replica.text("port")?.parse().ok()?))).collect();
    match up.is_empty() {
        true => {
            let message = format!(
                "the sentinel at {} knows no replica of `{service}` that is up: without --replica its primary is read",
                target.place
            );
            Err(Error::new(ErrorKind::Failed, message))
        }
        false => Ok(up),
    }
}

fn ask(target: &Target, question: redis::Cmd, options: &Options) -> Result<Value, Error> {
    let options = Options { password_from: Some("`sentinel_password` in the URL".to_owned()), ..options.clone() };
    let mut link = Link::connect(target, &options)?;
    link.ask_one("cannot ask the sentinel", question).map_err(|error| match error.kind {
        ErrorKind::Unsupported => {
            Error { message: format!("{} is no sentinel: {}", link.place(), error.message), ..error }
        }
        _ => error,
    })
}
