//! How operations, nodes and counts are put into sentences.

use schism_core::api::Api;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::time::Nanos;
use std::fmt::Display;

/// The node asked, or the process where the history doesn't say which node that was.
pub(crate) fn asked<A: Api>(op: &Op<A>) -> String {
    op.node.as_deref().map_or_else(|| format!("process {}", op.process), str::to_owned)
}

/// When it ended, or was last heard of.
pub(crate) fn ended<A: Api>(op: &Op<A>) -> Nanos {
    op.completed.map_or(op.invoked.time, |stamp| stamp.time)
}

/// `a, b and c`
pub(crate) fn and<T: Display>(items: &[T]) -> String {
    match items {
        [] => "nobody".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(T::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// `1 key`, `2 keys`
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// A value read from a register; nothing was ever written is `nothing`.
pub(crate) fn value(value: Option<i64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

/// The first few of a list, with how many more there are.
pub(crate) fn some<T: Display>(items: &[T]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = items.iter().take(SHOWN).map(T::to_string).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => and(&shown),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Why a checker that stopped at a limit can't say more.
pub(crate) fn stopped(limits: &Limits) -> Option<String> {
    let limit = limits.exceeded()?;
    Some(format!("{limit} was exceeded; nothing wrong was found until then"))
}
