//! What a server answers to a command of its own, whichever protocol it came in.

/// A reply, typed as far as the protocol types it: RESP2 has no maps, sets, doubles and truths.
/// Lists in lists go no deeper than whoever read them has let them.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A word such as `OK`.
    Status(Vec<u8>),
    /// An error inside a list: that of one command among several.
    Error(String),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer of any size, in decimal.
    Big(Vec<u8>),
    /// A float.
    Double(f64),
    /// A truth.
    Bool(bool),
    /// Data.
    Bytes(Vec<u8>),
    /// In order.
    List(Vec<Reply>),
    /// In the server's order.
    Set(Vec<Reply>),
    /// In the server's order.
    Map(Vec<(Reply, Reply)>),
}
