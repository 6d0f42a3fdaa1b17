//! Rechecks that guarantees are broken, by their definitions and by nothing that was inferred.
//!
//! A proof is a circle of links, each from a read or write to another, that end where the next
//! begins:
//! - *leads*: a path, each step of which is a read of what was written, or a pair of one session
//!   that a guarantee makes count. So the first is visible to the last; of two writes it is older;
//! - *older*: a path that leads from a write to a read of the same register, which read another
//!   write. So the first write is older than that one, where the link ends.
//!
//! A circle of these would make a write older than itself; there is a write in each, since within a
//! session steps only go on, and what leads from one to another is a write. Or the proof is a path
//! from a write to a read of the same register that read nothing. `O(length of the proof)`.

use super::Guarantees;
use super::sessions::{PartId, Sessions, What};

/// Why guarantees can't all have been kept.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// From a write to a read of nothing.
    Initial(Vec<PartId>),
    /// All the way round.
    Circle(Vec<Link>),
}

/// A step of a circle.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// From the first of the path to the last.
    Leads(Vec<PartId>),
    /// From the first of the path to what the last, a read, read.
    Older(Vec<PartId>),
}

/// Is this a proof?
pub(super) fn holds(sessions: &Sessions<'_>, keeps: Guarantees, proof: &Proof) -> bool {
    match proof {
        Proof::Initial(path) => {
            let ends = leads(sessions, keeps, path);
            ends.is_some_and(|(write, read)| {
                let [write, read] = [write, read].map(|id| sessions.part(id));
                write.is_write() && read.what == What::Read(None) && write.key == read.key
            })
        }
        Proof::Circle(links) => {
            let ends: Option<Vec<(PartId, PartId)>> =
                links.iter().map(|link| ends(sessions, keeps, link)).collect();
            ends.is_some_and(|ends| {
                let next = ends.iter().cycle().skip(1);
                let closed = ends.iter().zip(next).all(|((_, to), (from, _))| to == from);
                closed && !ends.is_empty()
            })
        }
    }
}

/// Where a link begins and ends, if it is right.
fn ends(sessions: &Sessions<'_>, keeps: Guarantees, link: &Link) -> Option<(PartId, PartId)> {
    let path = match link {
        Link::Leads(path) => return leads(sessions, keeps, path),
        Link::Older(path) => path,
    };
    let (older, read) = leads(sessions, keeps, path)?;
    let What::Read(Some(newer)) = sessions.part(read).what else { return None };
    let [first, last] = [older, read].map(|id| sessions.part(id));
    (first.is_write() && first.key == last.key && older != newer).then_some((older, newer))
}

/// The ends of a path, if each step of it is right.
fn leads(sessions: &Sessions<'_>, keeps: Guarantees, path: &[PartId]) -> Option<(PartId, PartId)> {
    let known = |id: &PartId| (*id as usize) < sessions.parts.len();
    let right = path.len() > 1
        && path.iter().all(known)
        && path.windows(2).all(|pair| counts(sessions, keeps, pair[0], pair[1]));
    right.then(|| (path[0], path[path.len() - 1]))
}

/// Is what is visible to the one visible to the other, and is the one visible to it if it is a
/// write?
fn counts(sessions: &Sessions<'_>, keeps: Guarantees, from: PartId, to: PartId) -> bool {
    let [first, second] = [from, to].map(|id| sessions.part(id));
    if second.what == What::Read(Some(from)) {
        return true;
    }
    // What has not returned is followed by nothing but the write of the same compare-and-set.
    let follows = !first.is_open() || first.op.invoked.index == second.op.invoked.index;
    let guaranteed = match (first.is_write(), second.is_write()) {
        (true, false) => keeps.read_your_writes,
        (false, false) => keeps.monotonic_reads,
        (true, true) => keeps.monotonic_writes,
        (false, true) => keeps.writes_follow_reads,
    };
    first.session == second.session && from < to && follows && guaranteed
}

#[cfg(test)]
mod tests {
    use super::super::sessions::Sessions;
    use super::super::{Answer, Guarantees, explain, search};
    use super::{Link, Proof, holds};
    use crate::build::{Did, history, ok};
    use crate::tally::Tally;
    use schism_core::api::register::{Call, Register, RegisterOp, Reply};
    use schism_core::limits::Limits;

    fn did(process: u64, at: u64, op: RegisterOp, reply: Reply) -> Did<Register> {
        ok("n1", at * 10..at * 10 + 5, Call { key: None, op }, reply).by(process)
    }

    fn wrote(process: u64, at: u64, value: i64) -> Did<Register> {
        did(process, at, RegisterOp::Write(value), Reply::Written)
    }

    fn read(process: u64, at: u64, value: Option<i64>) -> Did<Register> {
        did(process, at, RegisterOp::Read, Reply::Read(value))
    }

    /// The proof for this history, and whether it holds under the guarantees, after a change.
    fn after(ops: Vec<Did<Register>>, change: impl Fn(&mut Proof)) -> [bool; 2] {
        let history = history(ops);
        let sessions = Sessions::gather(&history, &mut Tally::default());
        let keeps = Guarantees::CAUSAL;
        let Answer::Broken(why) = search(&sessions, keeps, &Limits::default()) else {
            panic!("a history that breaks them");
        };
        let mut proof = explain::proof(&sessions, keeps, &why);
        let before = holds(&sessions, keeps, &proof);
        change(&mut proof);
        [before, holds(&sessions, keeps, &proof)]
    }

    fn back() -> Vec<Did<Register>> {
        vec![
            wrote(0, 0, 1),
            read(1, 1, Some(1)),
            wrote(0, 2, 2),
            read(1, 3, Some(2)),
            read(1, 4, Some(1)),
        ]
    }

    #[test]
    fn a_circle_that_was_tampered_with_is_rejected() {
        assert_eq!(after(back(), |_| {}), [true, true]);
        let links = |change: fn(&mut Vec<Link>)| {
            after(back(), move |proof| match proof {
                Proof::Circle(links) => change(links),
                Proof::Initial(_) => panic!("a circle"),
            })
        };
        assert_eq!(links(Vec::clear), [true, false]);
        assert_eq!(links(|links| links.truncate(1)), [true, false]);
        assert_eq!(
            links(|links| {
                for link in links {
                    let (Link::Leads(path) | Link::Older(path)) = link;
                    path.reverse();
                }
            }),
            [true, false]
        );
        assert_eq!(
            links(|links| {
                for link in links {
                    let (Link::Leads(path) | Link::Older(path)) = link;
                    path.fill(u32::MAX);
                }
            }),
            [true, false]
        );
    }

    #[test]
    fn a_read_of_nothing_that_saw_nothing_is_no_proof() {
        let ops = || vec![wrote(0, 0, 1), read(0, 1, None), wrote(1, 2, 3)];
        assert_eq!(after(ops(), |_| {}), [true, true]);
        let other = |proof: &mut Proof| *proof = Proof::Initial(vec![2, 1]);
        assert_eq!(after(ops(), other), [true, false]);
    }

    #[test]
    fn a_guarantee_that_is_not_kept_proves_nothing() {
        let history = history(back());
        let sessions = Sessions::gather(&history, &mut Tally::default());
        let all = Guarantees::CAUSAL;
        let Answer::Broken(why) = search(&sessions, all, &Limits::default()) else {
            panic!("a history that breaks them");
        };
        let proof = explain::proof(&sessions, all, &why);
        assert!(holds(&sessions, all, &proof));
        assert!(!holds(&sessions, Guarantees::NONE, &proof));
    }
}
