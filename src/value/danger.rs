//! What a value names that should not be called: `os.system` and its like.
//!
//! Nothing is called here, whatever it is named; but whoever loads the value with its own library
//! would do so. A pickle may also drop what a call gave and end as an innocent value, so every name
//! and every call counts, not only those that are left in the value. Which modules run programs,
//! load code, open files or connections is a table; what it does not have is not thereby safe.
//!
//! `getattr` has an honest use: a nested class below protocol 4, and the method of an instance. So it
//! is judged by what it gets: from a name, as that dotted name; from an instance, as dangerous only
//! where the method is called; from anything else, as dangerous.

use std::collections::{HashMap, HashSet};

use super::known::{self, get_attribute};
use super::{Node, Object, Step, Value};

/// The names in a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// All of them, `module.name`, in the order of their first use.
    pub all: Vec<String>,
    /// Those that are dangerous.
    pub dangers: Vec<Danger>,
}

/// A dangerous name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    /// `module.name`, not escaped.
    pub name: String,
    /// Whether it would have been called, and not only looked up.
    pub called: bool,
}

impl Names {
    /// All names in `value`, those of parts that it dropped included.
    #[must_use]
    pub fn of(value: &Value) -> Names {
        let mut names = Names::default();
        if value.globals.is_empty() {
            return names;
        }
        let called: HashSet<Callee> = value.objects.iter().filter_map(|object| Callee::of(object.callable)).collect();
        let mut seen = HashSet::new();
        let mut dangers = Dangers::default();
        for (index, id) in value.global_ids().enumerate() {
            let (module, name) = value.global(id);
            let text = join(module, name);
            if is_dangerous(module, name) {
                dangers.add(text.clone(), called.contains(&Callee::Global(index)));
            }
            if seen.insert(text.clone()) {
                names.all.push(text);
            }
        }
        get_attributes(value, &called, &mut dangers);
        names.dangers = dangers.list;
        names
    }

    /// Adds the names of another part of the same stored value.
    pub fn extend(&mut self, other: Names) {
        let seen: HashSet<&String> = self.all.iter().collect();
        let new: Vec<String> = other.all.into_iter().filter(|name| !seen.contains(name)).collect();
        self.all.extend(new);
        let mut dangers = Dangers::default();
        for Danger { name, called } in self.dangers.drain(..).chain(other.dangers) {
            dangers.add(name, called);
        }
        self.dangers = dangers.list;
    }
}

/// What can be called: a global or an object, by its place.
#[derive(PartialEq, Eq, Hash)]
enum Callee {
    Global(usize),
    Object(usize),
}

impl Callee {
    fn of(node: Node) -> Option<Callee> {
        match node {
            Node::Global(id) => Some(Callee::Global(id.index())),
            Node::Object(id) => Some(Callee::Object(id.index())),
            _ => None,
        }
    }
}

/// Each name once.
#[derive(Default)]
struct Dangers {
    list: Vec<Danger>,
    places: HashMap<String, usize>,
}

impl Dangers {
    fn add(&mut self, name: String, called: bool) {
        if let Some(place) = self.places.get(&name) {
            self.list[*place].called |= called;
            return;
        }
        self.places.insert(name.clone(), self.list.len());
        self.list.push(Danger { name, called });
    }
}

/// What `getattr` is used for.
fn get_attributes(value: &Value, called: &HashSet<Callee>, dangers: &mut Dangers) {
    let is_getattr = |node: Node| value.is_global(node, "builtins", "getattr");
    if !value.globals().any(|global| global == (b"builtins", b"getattr")) {
        return;
    }
    let mut is_mentioned = value.members.iter().any(|node| is_getattr(*node));
    for (index, object) in value.objects.iter().enumerate() {
        let Object { callable, args, kwargs, steps, .. } = object;
        let state = |step: &Step| matches!(step, Step::State(state) if is_getattr(*state));
        is_mentioned |= is_getattr(*args) || is_getattr(*kwargs) || steps.iter().any(state);
        if !is_getattr(*callable) {
            continue;
        }
        let is_called = called.contains(&Callee::Object(index));
        let node = Node::Object(super::Id(super::to_u32(index)));
        match get_attribute(value, node) {
            Some((owner, name)) => match known::dotted(value, node) {
                Some(full) => {
                    let module = root_module(value, owner);
                    if is_dangerous(module, full.get(module.len() + 1..).unwrap_or_default()) {
                        dangers.add(String::from_utf8_lossy(&full).into_owned(), is_called);
                    }
                }
                None if matches!(owner, Node::Object(_)) && !is_called && !is_hidden(name) => {}
                None => dangers.add("builtins.getattr".to_owned(), true),
            },
            None => dangers.add("builtins.getattr".to_owned(), true),
        }
    }
    if is_mentioned || is_getattr(value.root) {
        dangers.add("builtins.getattr".to_owned(), false);
    }
}

/// The module that a dotted name begins with: [`known::dotted`] has said that there is one.
fn root_module(value: &Value, owner: Node) -> &[u8] {
    let mut node = owner;
    while let Some((owner, _)) = get_attribute(value, node) {
        node = owner;
    }
    if let Node::Global(id) = node { value.global(id).0 } else { &[] }
}

fn join(module: &[u8], name: &[u8]) -> String {
    format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name))
}

/// `__globals__` and its like lead from any function to all others; `__new__` is `copyreg`'s.
fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b"__") && name != b"__new__"
}

/// No honest name goes through as many others.
const PARTS_MAX: usize = 64;

/// Whether to call `module.name` may do harm.
#[must_use]
pub fn is_dangerous(module: &[u8], name: &[u8]) -> bool {
    let (Ok(module), Ok(name)) = (std::str::from_utf8(module), std::str::from_utf8(name)) else { return false };
    let mut owner = module;
    for (at, part) in name.split('.').enumerate() {
        // A dotted name may go through a module that another has imported: `posixpath.os.system`.
        if at == PARTS_MAX || is_listed(owner, part) || at > 0 && is_hidden(part.as_bytes()) {
            return true;
        }
        owner = part;
    }
    false
}

fn is_listed(module: &str, name: &str) -> bool {
    // An exception is only an exception, whatever module it is of.
    if ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end)) {
        return false;
    }
    let is_in = |module: &str, (row, _): &(&str, _)| {
        module.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    WHOLE.iter().any(|row| is_in(module, row) && !row.1.contains(&name))
        || PARTS.iter().any(|(row, names)| module == *row && names.contains(&name))
}

/// Modules, with all that is in them and below, and what of them is harmless.
#[rustfmt::skip]
const WHOLE: &[(&str, &[&str])] = &[
    // Programs and the system.
    ("os", &["path", "PathLike", "fspath", "stat_result", "statvfs_result", "terminal_size", "times_result",
    "uname_result"]),
    ("posix", &["fspath", "stat_result", "statvfs_result", "terminal_size", "times_result", "uname_result"]),
    ("nt", &["fspath", "stat_result", "statvfs_result", "terminal_size", "times_result", "uname_result"]),
    ("subprocess", &["CompletedProcess", "TimeoutExpired"]),
    ("_posixsubprocess", &[]), ("_winapi", &[]), ("asyncio.subprocess", &[]), ("asyncio.unix_events", &[]),
    ("asyncio.windows_utils", &[]), ("commands", &[]), ("popen2", &[]), ("pty", &[]), ("multiprocessing", &[]),
    ("_multiprocessing", &[]), ("signal", &["Signals", "Handlers", "Sigmasks"]), ("resource", &["struct_rusage"]),
    ("sys", &["intern", "getsizeof"]), ("_thread", &["RLock", "allocate_lock"]), ("atexit", &[]),
    ("faulthandler", &[]),
    ("gc", &[]), ("msvcrt", &[]), ("winreg", &[]), ("platform", &["uname_result"]), ("webbrowser", &[]),
    // Code.
    ("importlib", &[]), ("_frozen_importlib", &[]), ("_frozen_importlib_external", &[]), ("_imp", &[]), ("imp", &[]),
    ("runpy", &[]), ("pkgutil", &[]), ("zipimport", &[]), ("code", &[]), ("codeop", &[]), ("marshal", &[]),
    ("pdb", &[]), ("bdb", &[]), ("profile", &[]), ("cProfile", &[]), ("trace", &[]), ("timeit", &[]),
    ("doctest", &[]), ("pydoc", &[]), ("unittest", &[]), ("ctypes", &[]), ("_ctypes", &[]), ("cffi", &[]),
    ("distutils", &[]),
    ("setuptools", &[]), ("pip", &[]), ("ensurepip", &[]), ("venv", &[]), ("site", &[]), ("lib2to3", &[]),
    ("idlelib", &[]), ("py_compile", &[]), ("compileall", &[]), ("logging.config", &[]), ("cloudpickle", &[]),
    ("dill", &[]), ("numpy.f2py", &[]), ("numpy.distutils", &[]), ("numpy.testing", &[]),
    ("pandas.core.computation", &[]), ("torch.hub", &[]), ("torch._inductor", &[]),
    ("torch.utils.cpp_extension", &[]),
    // They do something when they are imported.
    ("this", &[]), ("antigravity", &[]),
    // Pickles in a pickle.
    ("pickle", &["PickleBuffer"]), ("_pickle", &["PickleBuffer"]), ("cPickle", &[]), ("shelve", &[]), ("joblib", &[]),
    ("pandas.io.pickle", &[]), ("pandas.compat.pickle_compat", &[]),
    // Files.
    ("shutil", &[]), ("tempfile", &["SpooledTemporaryFile"]), ("fileinput", &[]), ("dbm", &[]), ("mmap", &[]),
    ("linecache", &[]),
    // Connections.
    ("socket", &["AddressFamily", "AddressInfo", "MsgFlag", "SocketKind", "gaierror", "herror", "timeout"]),
    ("_socket", &["gaierror", "herror", "timeout"]), ("socketserver", &[]), ("http.client", &[]),
    ("http.server", &[]),
    ("urllib.request", &[]), ("ftplib", &[]), ("smtplib", &[]), ("poplib", &[]), ("imaplib", &[]), ("nntplib", &[]),
    ("telnetlib", &[]), ("xmlrpc", &[]), ("requests.api", &[]), ("paramiko", &[]),
];

/// Names in modules that are harmless otherwise.
#[rustfmt::skip]
const PARTS: &[(&str, &[&str])] = &[
    ("builtins", &[
        "__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "exit", "file",
        "globals",
        "help", "input", "locals", "open", "quit", "reload", "setattr", "vars",
    ]),
    ("operator", &["attrgetter", "methodcaller"]), ("_operator", &["attrgetter", "methodcaller"]),
    ("types", &["CodeType", "FunctionType", "LambdaType", "ModuleType"]),
    ("io", &["FileIO", "open", "open_code"]), ("_io", &["FileIO", "open", "open_code"]), ("codecs", &["open"]),
    ("_pyio", &["FileIO", "open", "open_code"]), ("zipfile", &["ZipFile", "PyZipFile"]), ("tarfile",
    &["TarFile", "open"]),
    ("sqlite3", &["connect"]), ("_sqlite3", &["connect"]), ("bz2", &["open"]), ("gzip", &["open"]), ("lzma",
    &["open"]),
    ("asyncio", &["create_subprocess_exec", "create_subprocess_shell", "run"]), ("asyncio.runners", &["run"]),
    ("inspect", &["getattr_static"]), ("logging", &["FileHandler"]), ("threading", &["Thread", "Timer"]),
    ("numpy", &["load", "loadtxt", "genfromtxt", "fromfile", "memmap"]),
    ("pandas", &["eval", "read_pickle"]), ("yaml", &["load", "load_all", "unsafe_load", "full_load"]),
    ("requests", &["delete", "get", "head", "patch", "post", "put", "request"]),
    ("torch", &["load"]), ("torch.jit", &["load"]), ("torch.serialization", &["load"]), ("torch.storage",
    &["_load_from_bytes"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_by_module_and_through_modules() {
        for name in [
            "os.system",
            "posix.popen",
            "subprocess.Popen",
            "builtins.eval",
            "importlib.import_module",
            "ctypes.CDLL",
            "importlib.machinery.SourceFileLoader",
            "pickle.loads",
            "operator.attrgetter",
            "posixpath.os.system",
            "app.User.__init__.__globals__",
            "this.s",
            "torch.load",
            "os.fdopen",
        ] {
            let dots = name.match_indices('.').map(|(at, _)| name.split_at(at));
            let mut splits = dots.map(|(module, name)| (module.as_bytes(), &name.as_bytes()[1..]));
            assert!(splits.any(|(module, name)| is_dangerous(module, name)), "{name}");
        }
        for (module, name) in [
            ("posixpath", "join"),
            ("builtins", "dict"),
            ("operator", "itemgetter"),
            ("subprocess", "CalledProcessError"),
            ("socket", "AddressFamily"),
            ("oslo", "system"),
            ("app.os", "Windows"),
            ("app", "Outer.Inner"),
            ("app", "User.__new__"),
            ("__main__", "__name__"),
            ("pathlib", "PosixPath"),
            ("codecs", "encode"),
        ] {
            assert!(!is_dangerous(module.as_bytes(), name.as_bytes()), "{module}.{name}");
        }
    }
}
