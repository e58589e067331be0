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
        let state = |step: &Step| matches!(step, Step::State(state) | Step::Call(_, state) if is_getattr(*state));
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

/// What every module has that leads to all others: `__main__.__builtins__.eval`.
const OF_MODULES: [&str; 5] = ["__builtins__", "__dict__", "__import__", "__loader__", "__spec__"];

/// No honest name goes through as many others.
const PARTS_MAX: usize = 64;

/// Whether to call `module.name` may do harm.
#[must_use]
pub fn is_dangerous(module: &[u8], name: &[u8]) -> bool {
    let (Ok(module), Ok(name)) = (std::str::from_utf8(module), std::str::from_utf8(name)) else { return false };
    // What CPython 2 calls it reaches CPython 3 unchanged from protocol 3 on.
    let mut owner = if module == "__builtin__" { "builtins" } else { module };
    for (at, part) in name.split('.').enumerate() {
        // A dotted name may go through a module that another has imported: `posixpath.os.system`,
        // and `random._os.system`, which is imported so as to look private.
        let public = if at == 0 { owner } else { owner.trim_start_matches('_') };
        let leads_on = if at == 0 { OF_MODULES.contains(&part) } else { is_hidden(part.as_bytes()) };
        if at == PARTS_MAX || leads_on || is_listed(owner, part) || is_listed(public, part) {
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
    ("_posixsubprocess", &[]), ("_bootsubprocess", &[]), ("_winapi", &[]), ("asyncio", &["QueueEmpty", "QueueFull"]),
    ("commands", &[]), ("popen2", &[]), ("pty", &[]), ("multiprocessing", &[]), ("_multiprocessing", &[]),
    ("signal", &["Signals", "Handlers", "Sigmasks"]), ("resource", &["struct_rusage"]), ("fcntl", &[]),
    ("sys", &["intern", "getsizeof"]), ("_thread", &["RLock", "allocate_lock"]), ("atexit", &[]),
    ("faulthandler", &[]), ("gc", &[]), ("msvcrt", &[]), ("winreg", &[]), ("_winreg", &[]),
    ("platform", &["uname_result"]), ("webbrowser", &[]), ("mailcap", &[]), ("pipes", &[]), ("pexpect", &[]),
    ("_aix_support", &[]), ("_osx_support", &[]), ("_pyrepl", &[]), ("_interpreters", &[]),
    ("_xxsubinterpreters", &[]), ("concurrent.interpreters", &[]),
    // Code.
    ("importlib", &[]), ("_frozen_importlib", &[]), ("_frozen_importlib_external", &[]), ("_imp", &[]), ("imp", &[]),
    ("runpy", &[]), ("pkgutil", &[]), ("zipimport", &[]), ("code", &[]), ("codeop", &[]), ("marshal", &[]),
    ("pdb", &[]), ("bdb", &[]), ("profile", &[]), ("cProfile", &[]), ("trace", &[]), ("timeit", &[]),
    ("doctest", &[]), ("pydoc", &[]), ("unittest", &[]), ("ctypes", &[]), ("_ctypes", &[]), ("cffi", &[]),
    ("distutils", &[]), ("setuptools", &[]), ("pip", &[]), ("ensurepip", &[]), ("venv", &[]), ("site", &[]),
    ("lib2to3", &[]), ("idlelib", &[]), ("py_compile", &[]), ("compileall", &[]), ("rlcompleter", &[]),
    ("cgitb", &[]), ("IPython", &[]), ("test.support", &[]), ("logging.config", &[]), ("cloudpickle", &[]),
    ("dill", &[]), ("django.utils.module_loading", &[]), ("mako", &[]),
    ("numpy.f2py", &[]), ("numpy.distutils", &[]), ("numpy.testing", &[]), ("numpy.ctypeslib", &[]),
    ("pandas.core.computation", &[]), ("torch.hub", &[]), ("torch._dynamo", &[]), ("torch._inductor", &[]),
    ("torch.fx.experimental", &[]), ("torch.jit.unsupported_tensor_ops", &[]), ("torch.utils._config_module", &[]),
    ("torch.utils.bottleneck", &[]), ("torch.utils.collect_env", &[]), ("torch.utils.cpp_extension", &[]),
    ("torch.utils.data.datapipes.utils", &[]),
    // They do something when they are imported.
    ("this", &[]), ("antigravity", &[]),
    // Pickles in a pickle.
    ("pickle", &["PickleBuffer"]), ("_pickle", &["PickleBuffer"]), ("cPickle", &[]), ("shelve", &[]), ("joblib", &[]),
    ("jsonpickle", &[]), ("pandas.io.pickle", &[]), ("pandas.compat.pickle_compat", &[]), ("sklearn.externals", &[]),
    ("numpy.lib.format", &[]), ("numpy.lib.npyio", &[]), ("numpy.lib._npyio_impl", &[]),
    // Files.
    ("shutil", &[]), ("tempfile", &["SpooledTemporaryFile"]), ("fileinput", &[]), ("dbm", &[]), ("mmap", &[]),
    ("linecache", &[]), ("readline", &[]), ("logging.handlers", &[]), ("_posixshmem", &[]),
    // Connections.
    ("socket", &["AddressFamily", "AddressInfo", "MsgFlag", "SocketKind", "gaierror", "herror", "timeout"]),
    ("_socket", &["gaierror", "herror", "timeout"]), ("socketserver", &[]), ("http.client", &[]),
    ("http.server", &[]), ("wsgiref", &[]),
    ("urllib.request", &[]), ("ftplib", &[]), ("smtplib", &[]), ("poplib", &[]), ("imaplib", &[]), ("nntplib", &[]),
    ("telnetlib", &[]), ("xmlrpc", &[]), ("requests.api", &[]), ("paramiko", &[]),
];

/// What a path does to its file.
const OF_PATHS: &[&str] = &[
    "chmod",
    "hardlink_to",
    "lchmod",
    "link_to",
    "mkdir",
    "open",
    "read_bytes",
    "read_text",
    "rename",
    "replace",
    "rmdir",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
];

/// Names in modules, or in classes where the name is dotted, that are harmless otherwise.
#[rustfmt::skip]
const PARTS: &[(&str, &[&str])] = &[
    ("builtins", &[
        "__build_class__", "__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile",
        "exit", "file", "globals", "help", "input", "locals", "open", "quit", "raw_input", "reload", "setattr", "vars",
    ]),
    ("operator", &["attrgetter", "methodcaller"]), ("_operator", &["attrgetter", "methodcaller"]),
    ("types", &["CodeType", "FunctionType", "LambdaType", "ModuleType"]),
    // They say what opcodes that name nothing stand for.
    ("copyreg", &["_extension_cache", "_extension_registry", "_inverted_registry", "add_extension"]),
    ("typing", &["_eval_type", "get_type_hints"]), ("ForwardRef", &["_evaluate"]), ("uuid", &["_get_command_stdout"]),
    ("Path", OF_PATHS), ("PosixPath", OF_PATHS), ("WindowsPath", OF_PATHS),
    ("io", &["FileIO", "open", "open_code"]), ("_io", &["FileIO", "open", "open_code"]), ("codecs", &["open"]),
    ("_pyio", &["FileIO", "open", "open_code"]), ("zipfile", &["ZipFile", "PyZipFile"]),
    ("tarfile", &["TarFile", "open"]),
    ("sqlite3", &["Connection", "connect"]), ("sqlite3.dbapi2", &["Connection", "connect"]),
    ("_sqlite3", &["Connection", "connect"]),
    ("bz2", &["BZ2File", "open"]), ("gzip", &["GzipFile", "open"]), ("lzma", &["LZMAFile", "open"]),
    ("inspect", &["getattr_static"]), ("logging", &["FileHandler"]), ("threading", &["Thread", "Timer"]),
    ("concurrent.futures.process", &["ProcessPoolExecutor"]), ("psutil", &["Popen"]), ("pytest", &["main"]),
    ("numpy", &["load", "loadtxt", "genfromtxt", "fromfile", "memmap"]), ("numpy.core.memmap", &["memmap"]),
    ("numpy._core.memmap", &["memmap"]), ("keras.models", &["load_model"]),
    ("pandas", &["eval", "read_pickle"]), ("yaml", &["load", "load_all", "unsafe_load", "full_load"]),
    ("jinja2", &["Template"]), ("jinja2.environment", &["Template"]), ("werkzeug.utils", &["import_string"]),
    ("requests", &["delete", "get", "head", "patch", "post", "put", "request"]),
    ("httpx", &["delete", "get", "head", "patch", "post", "put", "request", "stream"]),
    ("aiohttp", &["ClientSession", "request"]), ("aiohttp.client", &["ClientSession", "request"]),
    ("ssl", &["SSLSocket", "get_server_certificate", "wrap_socket"]),
    ("torch", &["load"]), ("torch.jit", &["load"]), ("torch.serialization", &["load"]),
    ("torch.storage", &["_load_from_bytes"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const DANGEROUS: &[&str] = &[
        "os.system", "posix.popen", "subprocess.Popen", "builtins.eval", "importlib.import_module", "ctypes.CDLL",
        "importlib.machinery.SourceFileLoader", "pickle.loads", "operator.attrgetter", "posixpath.os.system",
        "app.User.__init__.__globals__", "this.s", "torch.load", "os.fdopen", "nt.system", "builtins.__import__",
        "builtins.open", "__builtin__.eval", "__builtin__.raw_input", "commands.getoutput", "runpy.run_path",
        "socket.create_connection", "pty.spawn", "ctypes.util.find_library", "shutil.rmtree", "sys.modules",
        "collections._sys.modules.get", "random._os.system", "__main__.__builtins__.eval", "app.__dict__",
        "copyreg.add_extension", "operator.methodcaller", "_pickle.loads", "code.InteractiveInterpreter",
        "types.CodeType", "types.FunctionType", "asyncio.create_subprocess_shell",
        "asyncio.base_events.BaseEventLoop", "webbrowser.open", "pip._internal.main",
        "numpy.testing._private.utils.runstring", "numpy.lib.npyio.load", "torch._dynamo.guards.GuardBuilder.get",
        "test.support.script_helper.assert_python_ok", "pathlib.Path.unlink", "pathlib.io.open",
        "typing.ForwardRef._evaluate", "uuid._get_command_stdout", "timeit.timeit", "pydoc.locate",
    ];

    #[test]
    fn a_name_is_judged_by_module_and_through_modules() {
        for name in DANGEROUS {
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
            ("copyreg", "__newobj__"),
            ("pathlib", "Path"),
            ("typing", "ForwardRef"),
            ("asyncio.exceptions", "CancelledError"),
            ("app._os_names", "system"),
            ("app", "Path.join"),
            ("app", "__pyx_unpickle_Enum"),
        ] {
            assert!(!is_dangerous(module.as_bytes(), name.as_bytes()), "{module}.{name}");
        }
    }
}
