//! The backend's URL with the password in it, from wherever that is: asked for once, and only for a server.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::{Global, global};
use crate::backend;
use crate::config::{self, Origin, Profile, Setting, Value};
use crate::entry::Kind;
use crate::exit::{Exit, Stop};
use crate::render::{Answer, Printer};
use crate::secret::{Secret, holds_login, holds_password, names_user, redact, too_open, with_password};

/// Bytes of a password.
const PASSWORD_MOST: u64 = 64 << 10;

/// How often a program is looked at that has said all it will and does not end.
const LOOK: Duration = Duration::from_millis(5);

/// The URL to connect by: for who parses it, and nobody else.
///
/// # Errors
/// When the password cannot be had, or must not go there.
pub fn url<'a>(global: &'a Global, printer: &mut Printer) -> Result<&'a str> {
    if let Some(url) = global.login.get() {
        return Ok(url);
    }
    let url = global.backend_url();
    let shown = holds_password(url) && !global.quiet;
    let url = match password(global, printer)? {
        Some(password) => with_password(url, &password),
        None => url.to_owned(),
    };
    if shown && matches!(origin(&global.profile), Some(Origin::Flag(_))) {
        let why = "every user of this machine can read the password of -b in the list of processes";
        printer.warn(&format!("{why}: CACHECTL_PASSWORD, --password-file and profiles keep it out of there"));
    }
    Ok(global.login.get_or_init(|| url))
}

/// Who named the backend.
fn origin(profile: &Profile) -> Option<&Origin> {
    profile.setting("backend").map(|backend| &backend.origin)
}

/// From where the password comes that is not in the URL, if from anywhere.
pub fn source(profile: &Profile) -> Option<&Setting> {
    let names = ["password", "password_file", "password_command", "ask_password"];
    let said = names.iter().filter_map(|name| profile.setting(name));
    said.into_iter().find(|setting| setting.value != Value::Switch(false))
}

/// Who names the password that is sent, if one is: for who is refused with it.
pub fn whence(global: &Global) -> Option<String> {
    if holds_login(global.backend_url()) {
        return origin(&global.profile).map(|origin| format!("the backend URL ({origin})"));
    }
    let Setting { name, value, origin } = source(&global.profile)?;
    Some(match value {
        Value::Secret(_) => origin.to_string(),
        Value::Path(_) => format!("{value} (`{name}`, {origin})"),
        Value::Words(_) => format!("the program `{value}` (`{name}`, {origin})"),
        _ => "what was typed".to_owned(),
    })
}

/// The password to add to the URL: none where it has one already, or the backend is no server.
fn password(global: &Global, printer: &mut Printer) -> Result<Option<Secret>> {
    let url = global.backend_url();
    // A scheme that is none is for who parses the URL.
    let kind = backend::kind(url).unwrap_or(Kind::Dummy);
    let Some(setting) = source(&global.profile) else { return Ok(None) };
    if holds_login(url) || !matches!(kind, Kind::Redis | Kind::Memcached) {
        return Ok(None);
    }
    let Setting { name, value, origin: place } = setting;
    let tried = || format!("cannot have the password for {} (`{name}`, {place})", redact(url));
    let read = match value {
        // It is there for every command: one for a memcached that has no users does not mean it.
        Value::Secret(_) if kind == Kind::Memcached && !names_user(url) => return Ok(None),
        Value::Secret(password) => {
            if let Some(project @ Origin::File(..)) = origin(&global.profile).filter(|origin| origin.is_project()) {
                let why = format!("{place} is not sent to {}, which a project's file chose ({project})", redact(url));
                return Err(Stop::refused(format!("{why}: if you mean it, name the backend with -b")).into());
            }
            return Ok(Some(password.clone()));
        }
        Value::Path(path) => of_file(path),
        Value::Words(words) => of_command(words, global::time(&global.profile, "password_timeout")?),
        _ => asked(&format!("password for {}: ", redact(url)), printer),
    };
    let secret = |bytes| Secret::of_line(bytes).map_err(|why| denied(why.to_owned()));
    read.and_then(secret).with_context(tried).map(Some)
}

/// Ends the command as one that may not log in.
fn denied(message: String) -> anyhow::Error {
    Stop { exit: Exit::Denied, message }.into()
}

/// Refuses a file that others can read.
///
/// # Errors
/// When they can, or when there is none.
pub fn check_file(path: &Path) -> Result<File> {
    let shown = path.display();
    let file = config::open(path).map_err(|error| denied(format!("cannot open {shown}: {error}")))?;
    let metadata = file.metadata().map_err(|error| denied(format!("cannot look at {shown}: {error}")))?;
    if !metadata.is_file() {
        return Err(denied(format!("{shown} is no file")));
    }
    match too_open(&metadata) {
        None => Ok(file),
        Some(mode) => {
            let why = format!("others than its owner can read or write {shown} (mode {mode:04o})");
            Err(Stop::refused(format!("{why}: chmod 600 {shown}")).into())
        }
    }
}

fn of_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = check_file(path)?.take(PASSWORD_MOST).read_to_end(&mut bytes);
    read.map_err(|error| denied(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}

fn asked(question: &str, printer: &mut Printer) -> Result<Vec<u8>> {
    match printer.ask_secret(question).map_err(|error| denied(format!("the terminal does not ask: {error}")))? {
        Answer::Said(bytes) => Ok(bytes),
        Answer::Interrupted => Err(Stop { exit: Exit::Interrupted, message: "nothing was typed".to_owned() }.into()),
        Answer::Nobody => Err(denied("there is no terminal to ask on: name a file with --password-file".to_owned())),
    }
}

/// What a program prints. What it says of itself on standard error goes there; what it prints is shown nowhere,
/// also when it fails.
fn of_command(words: &[String], time: Duration) -> Result<Vec<u8>> {
    let (program, arguments) = words.split_first().expect("the file's reader takes no empty list");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    // It needs none of the secrets that are here already.
    command.env_remove("CACHECTL_PASSWORD").env_remove("CACHECTL_BACKEND");
    let mut child = command.spawn().map_err(|error| denied(format!("cannot run `{program}`: {error}")))?;
    let ended = output(&mut child, time);
    if ended.is_err() {
        // Only fails when it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended.map_err(|error| denied(format!("`{program}` {error}")))
}

/// What `child` prints until it has ended well.
fn output(child: &mut Child, time: Duration) -> Result<Vec<u8>> {
    let late = || anyhow!("is not done after {time:?} (`password_timeout` allows more)");
    let deadline = Instant::now() + time;
    let stdout = child.stdout.take().expect("it was asked for");
    let (sender, receiver) = mpsc::channel();
    // What it has started may keep the stream open for ever: nobody waits for this thread.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(PASSWORD_MOST).read_to_end(&mut bytes);
        drop(sender.send(read.map(|_| bytes)));
    });
    let read = receiver.recv_timeout(time).map_err(|_| late())?;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(read?),
            Some(status) => return Err(anyhow!("failed: {status}")),
            None if Instant::now() >= deadline => return Err(late()),
            None => thread::sleep(LOOK),
        }
    }
}
