//! Instances as the call that their `repr` would be: a class, arguments by position, fields by name.
//!
//! An instance is what a pickle says of it: the class, what `__new__` was given, and a state. Where
//! the state is a dict of names (of a plain object or a dataclass), a pair of that and of
//! `__slots__`, or pydantic's, its fields read as named arguments: `app.Point(x=1, y=2)`. The class
//! is not at hand, so which of them its own `repr` would show is not known, and all are shown. What
//! has any other shape is no form, and is shown as the call it is.

use std::borrow::Cow;

use super::{Made, is_class};
use crate::value::{How, Id, Node, Object, Step, Value};

/// `name(given, field=…)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Form<'v> {
    /// Whose it is.
    pub name: Name<'v>,
    /// What stands first between the brackets.
    pub given: Given<'v>,
    /// What follows with its name: name, value, name, value …; every name is an identifier.
    pub fields: Cow<'v, [Node]>,
    /// What its `repr` has at the end.
    pub end: &'static str,
}

/// The name before the bracket.
#[derive(Clone, Debug, PartialEq)]
pub enum Name<'v> {
    /// As its `repr` has it.
    Short(&'v [u8]),
    /// A class: module and name.
    Class(Node),
}

/// What an instance was given by position.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<'v> {
    /// The arguments of a call.
    Args(Cow<'v, [Node]>),
    /// The members of a tuple of a class.
    Tuple(&'v [Node]),
    /// The members of a list of a class.
    List(&'v [Node]),
    /// Key, value, key, value … of a dict of a class.
    Dict(&'v [Node]),
    /// The members of an array of more dimensions than one, and their lengths.
    Rows(&'v [Node], Vec<usize>),
}

impl<'v> Given<'v> {
    /// The nodes, whichever way they are written.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        match self {
            Given::Args(nodes) => nodes,
            Given::Tuple(nodes) | Given::List(nodes) | Given::Dict(nodes) | Given::Rows(nodes, _) => nodes,
        }
    }
}

const NOTHING: Cow<'static, [Node]> = Cow::Borrowed(&[]);

impl<'v> Form<'v> {
    pub(super) fn call(name: &'static str, args: impl Into<Cow<'v, [Node]>>, fields: &'v [Node]) -> Form<'v> {
        Form { name: Name::Short(name.as_bytes()), given: Given::Args(args.into()), fields: fields.into(), end: "" }
    }
}

/// An instance of any class, where more is known of it than the call that makes it.
pub(super) fn instance<'v>(value: &'v Value, id: Id, made: &Made<'v>) -> Option<Form<'v>> {
    let (given, steps) = given(value, id, made)?;
    let fields = match *steps {
        [] => NOTHING,
        [Step::State(state)] => fields(value, state)?,
        _ => return None,
    };
    let name = match made.class {
        Node::Global(class) => match value.global(class) {
            (b"builtins", name) if is_exception(name) => Name::Short(name),
            _ => Name::Class(made.class),
        },
        _ => Name::Class(made.class),
    };
    // What stays is a call that is written as such without us.
    let is_plain = steps.is_empty() && matches!(given, Given::Args(_)) && matches!(name, Name::Class(_));
    let is_named = matches!(made.class, Node::Global(_)) || attribute(value, made.class).is_some();
    (is_named && !is_plain).then_some(Form { name, given, fields, end: "" })
}

fn given<'v>(value: &'v Value, id: Id, made: &Made<'v>) -> Option<(Given<'v>, &'v [Step])> {
    let args = Given::Args(made.args.into());
    match *made.steps {
        [Step::Extend(members), ref rest @ ..] if made.args.is_empty() => {
            Some((Given::List(value.members(members)), rest))
        }
        [Step::Items(items), ref rest @ ..] if made.args.is_empty() => Some((Given::Dict(value.members(items)), rest)),
        _ => match (base(value, id), made.args) {
            (Some(b"tuple"), &[Node::Tuple(members)]) => Some((Given::Tuple(value.members(members)), made.steps)),
            (Some(b"list"), &[Node::List(members)]) => Some((Given::List(value.members(members)), made.steps)),
            (Some(b"dict"), &[Node::Dict(items)]) => Some((Given::Dict(value.members(items)), made.steps)),
            // `tuple.__new__` takes one argument: with more it is a named tuple, or a class of its own.
            _ if made.how == How::New && made.args.len() > 1 && made.steps.is_empty() => {
                Some((Given::Tuple(made.args), made.steps))
            }
            _ => Some((args, made.steps)),
        },
    }
}

/// The built-in class that `copyreg._reconstructor` starts from.
fn base(value: &Value, id: Id) -> Option<&[u8]> {
    let Object { how: How::Call, callable, args: Node::Tuple(args), .. } = value.object(id) else { return None };
    let &[_, Node::Global(base), _] = value.members(*args) else { return None };
    let (module, name) = value.global(base);
    (value.is_global(*callable, "copyreg", "_reconstructor") && module == b"builtins").then_some(name)
}

/// A state as names and values.
fn fields(value: &Value, state: Node) -> Option<Cow<'_, [Node]>> {
    match state {
        Node::Dict(dict) => match pydantic(value, value.members(dict)) {
            Some(fields) => fields,
            None => named(value, value.members(dict)).map(Cow::Borrowed),
        },
        Node::Tuple(pair) => match *value.members(pair) {
            [Node::None, Node::Dict(slots)] => named(value, value.members(slots)).map(Cow::Borrowed),
            [Node::Dict(dict), Node::Dict(slots)] => {
                let (slots, dict) = (named(value, value.members(slots))?, named(value, value.members(dict))?);
                Some([slots, dict].concat().into())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The state of a pydantic model, of version 2 or 1: its fields and the extra ones, as its `repr`
/// has them. `None` for what is no such state, `Some(None)` for one that has other names.
fn pydantic<'v>(value: &'v Value, state: &'v [Node]) -> Option<Option<Cow<'v, [Node]>>> {
    let find = |wanted: &[u8]| {
        let is_wanted = |pair: &&[Node]| matches!(pair[0], Node::Str(key) if value.text(key) == wanted);
        // A state has four keys; a dict of a million is none, and not searched.
        state.chunks_exact(2).take(8).find(is_wanted).map(|pair| pair[1])
    };
    let Some(Node::Dict(dict)) = find(b"__dict__") else { return None };
    find(b"__pydantic_fields_set__").or_else(|| find(b"__fields_set__"))?;
    if state.len() > 8 {
        return None;
    }
    let fields = named(value, value.members(dict));
    Some(match find(b"__pydantic_extra__") {
        Some(Node::Dict(extra)) => match (fields, named(value, value.members(extra))) {
            (Some(fields), Some(extra)) => Some([fields, extra].concat().into()),
            _ => None,
        },
        _ => fields.map(Cow::Borrowed),
    })
}

/// The same, if every key is an identifier: any other would not read as a named argument.
pub(super) fn named<'v>(value: &Value, pairs: &'v [Node]) -> Option<&'v [Node]> {
    let is_named = |key: &Node| matches!(key, Node::Str(span) if is_identifier(value.text(*span)));
    pairs.iter().step_by(2).all(is_named).then_some(pairs)
}

fn is_identifier(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let starts = text.starts_with(|first: char| first == '_' || first.is_alphabetic());
    starts && text.chars().all(|c| c == '_' || c.is_alphanumeric())
}

fn is_exception(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_uppercase) && is_class(b"builtins", name)
}

/// How many `getattr` around one another are followed.
const ATTRIBUTES_MAX: usize = 8;

/// `module.name`, not escaped, of a global or of an attribute of one: below protocol 4 a nested class
/// is written as `getattr(Outer, "Inner")`.
#[must_use]
pub fn dotted(value: &Value, node: Node) -> Option<Vec<u8>> {
    let mut names = Vec::new();
    let mut node = node;
    loop {
        match node {
            Node::Global(global) => {
                let (module, name) = value.global(global);
                names.extend([name, module]);
                names.reverse();
                return Some(names.join(&b'.'));
            }
            _ if names.len() == ATTRIBUTES_MAX => return None,
            _ => {
                let (owner, name) = get_attribute(value, node)?;
                names.push(name);
                node = owner;
            }
        }
    }
}

/// [`dotted`], of what is not a global itself.
#[must_use]
pub fn attribute(value: &Value, node: Node) -> Option<Vec<u8>> {
    if matches!(node, Node::Object(_)) { dotted(value, node) } else { None }
}

/// Owner and name, where `node` is `getattr(owner, "name")`.
#[must_use]
pub fn get_attribute(value: &Value, node: Node) -> Option<(Node, &[u8])> {
    let Node::Object(id) = node else { return None };
    let Object { how: How::Call, callable, args: Node::Tuple(args), kwargs: Node::None, steps } = value.object(id)
    else {
        return None;
    };
    let &[owner, Node::Str(name)] = value.members(*args) else { return None };
    let name = value.text(name);
    (steps.is_empty() && value.is_global(*callable, "builtins", "getattr") && is_identifier(name))
        .then_some((owner, name))
}
