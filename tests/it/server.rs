//! Real servers for the suites, and small false ones: each owned by a guard that ends it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(20);

/// A `redis-server` of our own: on a Unix socket always, and on a free loopback port.
pub struct Server {
    child: Child,
    directory: TempDir,
    /// The loopback port, in the clear or under TLS.
    pub port: u16,
}

impl Server {
    /// Starts one in the clear, with more arguments, such as `--requirepass`.
    pub fn start(arguments: &[&str]) -> Server {
        Server::launch("--port", None, arguments)
    }

    /// Starts a sentinel that takes the primary of `service` for dead after half a second, with more lines for its
    /// configuration.
    pub fn start_sentinel(service: &str, primary: &Server, more: &str) -> Server {
        Server::launch("--port", Some(&watching(service, primary, more)), &["--sentinel"])
    }

    /// The same under TLS, on its side too.
    pub fn start_sentinel_tls(certificates: &Certificates, service: &str, primary: &Server, more: &str) -> Server {
        let more = format!("tls-replication yes\n{more}");
        let arguments = &["--sentinel", "--tls-auth-clients", "no"];
        Server::launch_tls(certificates, "good", Some(&watching(service, primary, &more)), arguments)
    }

    /// Starts one under TLS, with the certificate `name` of [`Certificates`].
    pub fn start_tls(certificates: &Certificates, name: &str, arguments: &[&str]) -> Server {
        Server::launch_tls(certificates, name, None, arguments)
    }

    fn launch_tls(certificates: &Certificates, name: &str, file: Option<&str>, arguments: &[&str]) -> Server {
        let (certificate, key) = certificates.pair(name);
        let authority = certificates.file("ca.pem");
        let mut all = vec!["--port", "0", "--tls-cert-file", text(&certificate), "--tls-key-file", text(&key)];
        all.extend(["--tls-ca-cert-file", text(&authority)]);
        all.extend(arguments);
        Server::launch("--tls-port", file, &all)
    }

    fn launch(port_option: &str, file: Option<&str>, arguments: &[&str]) -> Server {
        // Another process may take the free port before the server does: then it ends, and we go on.
        for _ in 0..5 {
            let directory = tempfile::tempdir().unwrap();
            let port = free_port();
            let mut command = Command::new("redis-server");
            if let Some(file) = file {
                let path = directory.path().join("redis.conf");
                fs::write(&path, file).unwrap();
                command.arg(path);
            }
            command.args([port_option, &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command.arg("--unixsocket").arg(directory.path().join("redis.sock")).arg("--dir").arg(directory.path());
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap_or_else(|error| {
                panic!("redis-server does not start ({error}): `apt-get install redis-server`, or run `tests/run`")
            });
            let mut server = Server { child, directory, port };
            if server.answers() {
                return server;
            }
        }
        panic!("redis-server {arguments:?} ended before it answered, five times");
    }

    /// Waits until the server answers anything; false when it ended instead.
    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut socket) = UnixStream::connect(self.socket()) {
                socket.set_read_timeout(Some(START)).unwrap();
                let mut byte = [0];
                if socket.write_all(b"PING\r\n").is_ok() && socket.read_exact(&mut byte).is_ok() {
                    return true;
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server did not answer within {START:?}");
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Its URL over TCP.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its URL over TLS.
    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}/0", self.port)
    }

    /// Its URL over the socket.
    pub fn unix_url(&self) -> String {
        format!("redis+unix://{}?db=0", self.socket().display())
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        crate::pty::signal(&self.child, name);
    }

    /// What it says of itself in a section of INFO.
    pub fn info(&self, section: &str) -> String {
        match self.command(&[b"INFO", section.as_bytes()]) {
            redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// What it answers in text to a command of the test's own.
    pub fn says(&self, command: &[&str]) -> String {
        let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        match self.command(&command) {
            redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            redis::Value::VerbatimString { text, .. } => text,
            other => panic!("{other:?}"),
        }
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A command of the test's own, past the code under test.
    pub fn command(&self, arguments: &[&[u8]]) -> redis::Value {
        self.command_in(0, arguments)
    }

    /// The same in another database.
    pub fn command_in(&self, db: i64, arguments: &[&[u8]]) -> redis::Value {
        let url = format!("redis+unix://{}?db={db}", self.socket().display());
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(*argument);
        }
        command.query(&mut connection).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }
}

/// Nodes of a Redis Cluster of our own: primaries, and after them a replica of each of the first ones.
pub struct Cluster {
    pub nodes: Vec<Server>,
    primaries: usize,
}

/// A node is taken for dead after a second; it may be restarted under the same name.
const NODE: &[&str] = &["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];

impl Cluster {
    /// Starts one of so many primaries in the clear.
    pub fn start(primaries: usize, replicas: usize) -> Cluster {
        Cluster::of(primaries, replicas, Server::start)
    }

    /// Starts one of three primaries under TLS.
    pub fn start_tls(certificates: &Certificates) -> Cluster {
        Cluster::of(3, 0, |arguments| {
            let tls = [&["--tls-auth-clients", "no", "--tls-cluster", "yes"], arguments].concat();
            Server::start_tls(certificates, "good", &tls)
        })
    }

    /// As `redis-cli --cluster create` does, which waits longer.
    fn of(primaries: usize, replicas: usize, start: impl Fn(&[&str]) -> Server) -> Cluster {
        let start = |_| {
            let bus = free_port().to_string();
            (start(&[NODE, &["--cluster-port", &bus]].concat()), bus)
        };
        let (nodes, buses): (Vec<Server>, Vec<String>) = (0..primaries + replicas).map(start).unzip();
        for (at, node) in nodes.iter().enumerate() {
            node.command(&[b"CLUSTER", b"SET-CONFIG-EPOCH", (at + 1).to_string().as_bytes()]);
            if at < primaries {
                let slot = |at: usize| at * 16384 / primaries;
                let (first, last) = (slot(at).to_string(), (slot(at + 1) - 1).to_string());
                node.command(&[b"CLUSTER", b"ADDSLOTSRANGE", first.as_bytes(), last.as_bytes()]);
            }
            if at > 0 {
                let port = node.port.to_string();
                nodes[0].command(&[b"CLUSTER", b"MEET", b"127.0.0.1", port.as_bytes(), buses[at].as_bytes()]);
            }
        }
        let cluster = Cluster { nodes, primaries };
        let known = format!("cluster_known_nodes:{}\r", cluster.nodes.len());
        cluster.wait(|told| told.contains(&known));
        for (replica, primary) in cluster.nodes[primaries..].iter().zip(&cluster.nodes) {
            let id = primary.says(&["CLUSTER", "MYID"]);
            replica.command(&[b"CLUSTER", b"REPLICATE", id.as_bytes()]);
            until("a replica has its primary's data", || replica.info("replication").contains("link_status:up"));
        }
        cluster.wait(|told| told.contains("cluster_state:ok"));
        until("every node knows every replica", || {
            cluster.nodes.iter().all(|node| node.says(&["CLUSTER", "NODES"]).matches("slave").count() == replicas)
        });
        cluster
    }

    /// Waits until `holds` of what CLUSTER INFO says on each node.
    fn wait(&self, holds: impl Fn(&str) -> bool) {
        until("the nodes agree", || self.nodes.iter().all(|node| holds(&node.says(&["CLUSTER", "INFO"]))));
    }

    /// The URL that names its first node.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.nodes[0].port)
    }

    /// The primary that has a key since the start.
    pub fn primary_of(&self, key: &str) -> &Server {
        let slot = self.slot(key);
        &self.nodes[(0..self.primaries).rfind(|at| at * 16384 / self.primaries <= slot).unwrap()]
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> usize {
        match self.nodes[0].command(&[b"CLUSTER", b"KEYSLOT", key.as_bytes()]) {
            redis::Value::Int(slot) => usize::try_from(slot).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// The configuration of a sentinel.
fn watching(service: &str, primary: &Server, more: &str) -> String {
    format!(
        "sentinel monitor {service} 127.0.0.1 {} 1\nsentinel down-after-milliseconds {service} 500\n\
         sentinel failover-timeout {service} 3000\n{more}\n",
        primary.port
    )
}

/// Waits until something holds that servers are about to agree on.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + START;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {START:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `memcached` of our own, on a free loopback port or on a Unix socket.
pub struct Memcached {
    child: Child,
    directory: TempDir,
    scheme: &'static str,
    /// The loopback port.
    pub port: u16,
}

impl Memcached {
    /// Starts one on a loopback port, with more arguments, such as `-I 2m`.
    pub fn start(arguments: &[&str]) -> Memcached {
        Memcached::launch("memcached", arguments)
    }

    /// Starts one on a Unix socket.
    pub fn start_unix(arguments: &[&str]) -> Memcached {
        Memcached::launch("memcached+unix", arguments)
    }

    /// Starts one under TLS, with the certificate `name` of [`Certificates`].
    pub fn start_tls(certificates: &Certificates, name: &str, arguments: &[&str]) -> Memcached {
        let (certificate, key) = certificates.pair(name);
        let files = format!("ssl_chain_cert={},ssl_key={}", text(&certificate), text(&key));
        Memcached::launch("memcacheds", &[&["-Z", "-o", &files], arguments].concat())
    }

    /// Starts one that lets in only `ada` with the password `s3cr3t@pw`.
    pub fn start_guarded() -> Memcached {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "ada:s3cr3t@pw\n").unwrap();
        Memcached::start(&["-Y", text(file.path())])
    }

    fn launch(scheme: &'static str, arguments: &[&str]) -> Memcached {
        // Another process may take the free port before the server does: then it ends, and we go on.
        for _ in 0..5 {
            let directory = tempfile::tempdir().unwrap();
            let port = free_port();
            let mut command = Command::new("memcached");
            match scheme {
                "memcached+unix" => command.arg("-s").arg(directory.path().join("memcached.sock")),
                _ => command.args(["-l", "127.0.0.1", "-p", &port.to_string()]),
            };
            // It does not run as root without saying so; for anybody else the option means nothing.
            command.args(["-u", "root", "-t", "2"]).args(arguments);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let child = child.unwrap_or_else(|error| {
                panic!("memcached does not start ({error}): `apt-get install memcached`, or run `tests/run`")
            });
            let mut server = Memcached { child, directory, scheme, port };
            if server.answers() {
                return server;
            }
        }
        panic!("memcached {arguments:?} ended before it answered, five times");
    }

    /// Waits until the server accepts; false when it ended instead.
    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let accepts = match self.scheme {
                "memcached+unix" => UnixStream::connect(self.socket()).is_ok(),
                _ => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
            };
            if accepts {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("memcached did not answer within {START:?}");
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("memcached.sock")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        match self.scheme {
            "memcached+unix" => format!("memcached+unix://{}", self.socket().display()),
            scheme => format!("{scheme}://localhost:{}", self.port),
        }
    }

    /// What it answers to a request of the test's own, in the clear, past the code under test: as many
    /// lines as `mn` ends.
    pub fn says(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(START)).unwrap();
        stream.write_all(&[request, b"mn\r\n"].concat()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"MN\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        String::from_utf8_lossy(&answer[..answer.len() - 4]).into_owned()
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Two authorities, and certificates good and bad: `good`, `ending` (in the fourth night from now), `wrong-name`,
/// `expired`, `stranger` (of the other authority) and `client`.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes them.
    pub fn new() -> Certificates {
        let certificates = Certificates { directory: tempfile::tempdir().unwrap() };
        let ours = certificates.authority("ca.pem");
        let other = certificates.authority("other-ca.pem");
        let soon = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(4);
        let (here, far) = (&["localhost", "127.0.0.1"], jiff::civil::date(2124, 1, 1));
        certificates.issue("good", here, far, &ours);
        certificates.issue("ending", here, soon, &ours);
        certificates.issue("wrong-name", &["elsewhere.example"], far, &ours);
        certificates.issue("expired", here, jiff::civil::date(2021, 1, 1), &ours);
        certificates.issue("stranger", here, far, &other);
        certificates.issue("client", &["client.example"], far, &ours);
        certificates
    }

    /// A file by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The certificate and the key called `name`.
    pub fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")))
    }

    fn authority(&self, file: &str) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        fs::write(self.file(file), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    }

    fn issue(&self, name: &str, hosts: &[&str], until: jiff::civil::Date, issuer: &Issuer<'_, KeyPair>) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        let until = date_time_ymd(until.year().into(), until.month() as u8, until.day() as u8);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), until);
        let key = KeyPair::generate().unwrap();
        let (certificate, key_file) = self.pair(name);
        fs::write(certificate, params.signed_by(&key, issuer).unwrap().pem()).unwrap();
        fs::write(key_file, key.serialize_pem()).unwrap();
    }
}

/// A server that is not Redis: each connection is handed to a closure, and kept open until the end.
pub struct Fake {
    /// Its loopback port.
    pub port: u16,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// One that reads, then says `answer` and stays.
    pub fn says(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            true
        })
    }

    /// One that reads, then says `answer` and closes.
    pub fn says_and_closes(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            false
        })
    }

    /// One that reads, says `answer`, and then never stops sending.
    pub fn floods(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            while stream.write_all(&[b'\n'; 1 << 16]).is_ok() {}
            false
        })
    }

    /// One that reads, then says `answer` byte by byte, and closes.
    pub fn drips(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.set_nodelay(true);
            for byte in answer {
                thread::sleep(Duration::from_millis(2));
                let _ = stream.write_all(&[*byte]);
            }
            false
        })
    }

    /// One that reads, says `answer`, and then one byte now and then as long as anybody listens.
    pub fn drips_on(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            false
        })
    }

    /// One that reads, and answers with so many `x` in most of a second, between `head` and `tail`.
    pub fn says_slowly(head: &'static [u8], count: usize, tail: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(head);
            for _ in 0..32 {
                thread::sleep(Duration::from_millis(25));
                let _ = stream.write_all(&vec![b'x'; count / 32]);
            }
            let _ = stream.write_all(tail);
            true
        })
    }

    /// One that says `answer` to each question, as often as anybody asks.
    pub fn always_says(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) && stream.write_all(answer).is_ok() {}
            false
        })
    }

    /// One that says OK to so many SETs, and then is gone for good.
    pub fn dies_after(answers: usize) -> Fake {
        const SET: &[u8] = b"\r\nSET\r\n";
        let left = AtomicU64::new(answers as u64);
        Fake::start(move |stream| {
            let (mut question, mut part) = (Vec::new(), [0; 1 << 16]);
            while let Ok(count @ 1..) = stream.read(&mut part) {
                question.extend_from_slice(&part[..count]);
                while let Some(at) = question.windows(SET.len()).position(|window| window == SET) {
                    question.drain(..at + SET.len());
                    let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                    if alive.is_err() || stream.write_all(b"+OK\r\n").is_err() {
                        return false;
                    }
                }
                if left.load(Ordering::SeqCst) == 0 {
                    return false;
                }
            }
            false
        })
    }

    /// One whose scans show nothing, each with a cursor that there was not yet.
    pub fn always_scans() -> Fake {
        let cursor = AtomicU64::new(1);
        Fake::asked_by_many(move |_| {
            let next = cursor.fetch_add(1, Ordering::SeqCst).to_string();
            format!("*2\r\n${}\r\n{next}\r\n*0\r\n", next.len()).into_bytes()
        })
    }

    /// One that reads commands of Redis, and says what `answer` makes of each; the number is how many SCANs
    /// came before it.
    pub fn answers(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Fake {
        Fake::start(move |stream| {
            let (mut scans, mut part) = (0, [0; 1 << 16]);
            while let Ok(count @ 1..) = stream.read(&mut part) {
                let text = String::from_utf8_lossy(&part[..count]).into_owned();
                for command in text.split("\r\n*") {
                    if stream.write_all(&answer(command, scans)).is_err() {
                        return false;
                    }
                    scans += usize::from(command.contains("SCAN"));
                }
            }
            false
        })
    }

    /// One that many may ask at the same time: it reads the commands of each connection one by one, and says
    /// what `answer` makes of their words.
    pub fn asked_by_many(answer: impl Fn(&[String]) -> Vec<u8> + Send + Sync + 'static) -> Fake {
        let answer = Arc::new(answer);
        Fake::start(move |stream| {
            let (answer, mut stream) = (Arc::clone(&answer), stream.try_clone().unwrap());
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut line = move || lines.next().and_then(Result::ok);
                while let Some(count) = line().and_then(|head| head.strip_prefix('*')?.parse::<usize>().ok()) {
                    // Of each word, its length and then itself: none that is asked here has a line end in it.
                    let words: Vec<String> = (0..count).filter_map(|_| line().and_then(|_| line())).collect();
                    if stream.write_all(&answer(&words)).is_err() {
                        break;
                    }
                }
            });
            true
        })
    }

    /// One that many may talk to at the same time, in any protocol: after each thing that it reads it says what
    /// `answer` makes of how many there were on this connection.
    pub fn says_to_many(answer: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> Fake {
        let answer = Arc::new(answer);
        Fake::start(move |stream| {
            let (answer, mut stream) = (Arc::clone(&answer), stream.try_clone().unwrap());
            thread::spawn(move || {
                let mut question = [0; 1 << 16];
                for at in 0.. {
                    if !stream.read(&mut question).is_ok_and(|count| count > 0)
                        || stream.write_all(&answer(at)).is_err()
                    {
                        break;
                    }
                }
            });
            true
        })
    }

    /// One that opens sessions as memcached does, and says `answer` to all else.
    pub fn opens_and_says(answer: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let mut stream = stream.try_clone().unwrap();
            // The next connection must not wait for this one; it ends when the other side does.
            thread::spawn(move || {
                let mut question = [0; 4096];
                while stream.read(&mut question).is_ok_and(|count| count > 0) {
                    let said = if question.starts_with(b"mn") { b"MN\r\n" } else { answer };
                    if stream.write_all(said).is_err() {
                        break;
                    }
                }
            });
            true
        })
    }

    /// One that opens sessions as memcached does, and then sends `line` for ever.
    pub fn opens_and_repeats(line: &'static [u8]) -> Fake {
        Fake::start(move |stream| {
            let mut question = [0; 4096];
            while stream.read(&mut question).is_ok_and(|count| count > 0) && question.starts_with(b"mn") {
                let _ = stream.write_all(b"MN\r\n");
            }
            let lines = line.repeat(1000);
            while stream.write_all(&lines).is_ok() {}
            false
        })
    }

    /// One that accepts and stays silent.
    pub fn silent() -> Fake {
        Fake::start(|_| true)
    }

    /// `talk` says whether the connection stays open.
    fn start(talk: impl Fn(&mut TcpStream) -> bool + Send + 'static) -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(mut stream) = stream else { continue };
                stream.set_read_timeout(Some(START)).unwrap();
                if talk(&mut stream) {
                    kept.push(stream);
                }
            }
        });
        Fake { port, ended, thread: Some(thread) }
    }

    /// Its URL as a memcached.
    pub fn memcached_url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
    }

    /// Its URL as a Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, which sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
