//! Well-known things as the calls that CPython 3.11 pickles them as: the way back from [`super::known`].
//!
//! Each function adds to a value what the call needs, and gives the object, which is not added yet.

use super::known::{Date, Time, TimeDelta};
use super::{How, Node, Object, Step, Value};

/// The call that a pickle of this `datetime.date` is.
pub fn date(value: &mut Value, date: Date) -> Object {
    let state = Node::Bytes(value.push_text(&date_bytes(date)));
    call(value, "datetime", "date", &[state])
}

/// The call that a pickle of this `datetime.time` is. The zone is a node, or `None`.
pub fn time(value: &mut Value, time: Time, zone: Node) -> Object {
    let mut bytes = time_bytes(time);
    bytes[0] |= u8::from(time.fold) << 7;
    let state = Node::Bytes(value.push_text(&bytes));
    call(value, "datetime", "time", &[state, zone][..1 + usize::from(zone != Node::None)])
}

/// The call that a pickle of this `datetime.datetime` is. The zone is a node, or `None`.
pub fn date_time(value: &mut Value, date: Date, time: Time, zone: Node) -> Object {
    let mut bytes = [date_bytes(date).as_slice(), &time_bytes(time)].concat();
    bytes[2] |= u8::from(time.fold) << 7;
    let state = Node::Bytes(value.push_text(&bytes));
    call(value, "datetime", "datetime", &[state, zone][..1 + usize::from(zone != Node::None)])
}

/// The call that a pickle of this `datetime.timedelta` is.
pub fn time_delta(value: &mut Value, delta: TimeDelta) -> Object {
    let TimeDelta { days, seconds, microseconds } = delta;
    call(value, "datetime", "timedelta", &[Node::Int(days), Node::Int(seconds), Node::Int(microseconds)])
}

/// The call that a pickle of this `datetime.timezone` is. The name is a text, or `None`.
pub fn time_zone(value: &mut Value, offset: TimeDelta, name: Node) -> Object {
    let delta = time_delta(value, offset);
    let delta = Node::Object(value.push_object(delta));
    call(value, "datetime", "timezone", &[delta, name][..1 + usize::from(name != Node::None)])
}

/// The call that a pickle of this `zoneinfo.ZoneInfo` is.
pub fn zone_info(value: &mut Value, key: Node) -> Object {
    let class = value.global_named("zoneinfo", "ZoneInfo");
    let name = Node::Str(value.push_text(b"_unpickle"));
    let method = call(value, "builtins", "getattr", &[class, name]);
    let callable = Node::Object(value.push_object(method));
    let args = Node::Tuple(value.container(&[key, Node::Int(1)]));
    Object { how: How::Call, callable, args, kwargs: Node::None, steps: Vec::new() }
}

/// What a pickle of this `uuid.UUID` is, from protocol 2 on.
pub fn uuid(value: &mut Value, number: u128) -> Object {
    let key = Node::Str(value.push_text(b"int"));
    let number = value.integer(&number.into());
    let state = Node::Dict(value.container(&[key, number]));
    let object = call(value, "uuid", "UUID", &[]);
    Object { how: How::New, steps: vec![Step::State(state)], ..object }
}

/// The call of `module.name` with these arguments.
pub fn call(value: &mut Value, module: &str, name: &str, args: &[Node]) -> Object {
    let callable = value.global_named(module, name);
    let args = Node::Tuple(value.container(args));
    Object { how: How::Call, callable, args, kwargs: Node::None, steps: Vec::new() }
}

fn date_bytes(Date { year, month, day }: Date) -> [u8; 4] {
    let [high, low] = year.to_be_bytes();
    [high, low, month, day]
}

fn time_bytes(Time { hour, minute, second, microsecond, .. }: Time) -> [u8; 6] {
    let [_, high, middle, low] = microsecond.to_be_bytes();
    [hour, minute, second, high, middle, low]
}
