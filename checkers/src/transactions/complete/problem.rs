//! What an order of transactions has to fulfil, as nodes, chains and reads.

use super::{Isolation, Order};
use crate::transactions::history::{KeyId, TxnHistory, TxnId};
use crate::transactions::registers::Registers;

/// A node: a transaction, or for snapshot isolation its start or its commit.
pub(super) type Node = u32;

/// A transaction that happened: its place in the order of invocations of those.
pub(super) type Member = u32;

/// A read of another's version, or (`None`) of the initial state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) key: KeyId,
    pub(super) reader: Member,
    pub(super) from: Option<Member>,
}

/// Who left a key written, and where it is: its chain, and its place in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Writer {
    pub(super) chain: u32,
    pub(super) place: u32,
    pub(super) member: Member,
}

/// The transactions that happened, with what they read and wrote.
#[derive(Debug)]
pub(super) struct Problem<'h> {
    pub(super) history: &'h TxnHistory,
    pub(super) isolation: Isolation,
    pub(super) order: Order,
    pub(super) members: Vec<TxnId>,
    /// By member.
    pub(super) chains: Vec<(u32, u32)>,
    pub(super) chain_count: u32,
    /// In the order of members.
    pub(super) reads: Vec<Read>,
    pub(super) read_starts: Vec<u32>,
    /// By key, then in the order of chains.
    pub(super) writers: Vec<Writer>,
    pub(super) writer_starts: Vec<u32>,
    /// By member, the keys that it left written.
    pub(super) keys: Vec<KeyId>,
    pub(super) key_starts: Vec<u32>,
}

impl<'h> Problem<'h> {
    pub(super) fn new(registers: &Registers<'h>, isolation: Isolation, order: Order) -> Self {
        let history = registers.history();
        let members: Vec<TxnId> = history.txns().filter(|txn| registers.happened(*txn)).collect();
        let mut of_txn = vec![u32::MAX; history.len()];
        for (member, txn) in (0..).zip(&members) {
            of_txn[*txn as usize] = member;
        }
        let mut problem = Self {
            history,
            isolation,
            order,
            chains: Vec::with_capacity(members.len()),
            members,
            chain_count: 0,
            reads: Vec::new(),
            read_starts: vec![0],
            writers: Vec::new(),
            writer_starts: vec![0; history.keys().len() + 1],
            keys: Vec::new(),
            key_starts: Vec::new(),
        };
        match order {
            Order::None => {
                let count = u32::try_from(problem.members.len()).unwrap_or(u32::MAX);
                problem.chains = (0..count).map(|chain| (chain, 0)).collect();
                problem.chain_count = count;
            }
            Order::Session => {
                problem.chain_up(|txn, last| history.session(txn) == history.session(last));
            }
            Order::Real => problem.chain_up(|_, _| true),
        }
        for (reader, txn) in (0..).zip(&problem.members) {
            for (key, from) in registers.external_reads_from(*txn) {
                let from = from.map(|from| of_txn[from as usize]);
                problem.reads.push(Read { key, reader, from });
            }
            let end = u32::try_from(problem.reads.len()).unwrap_or(u32::MAX);
            problem.read_starts.push(end);
        }
        problem.place_writers(registers, &of_txn);
        problem
    }

    /// Puts each transaction on a chain whose last one precedes it, if `may` allows that.
    fn chain_up(&mut self, may: impl Fn(TxnId, TxnId) -> bool) {
        let mut lasts: Vec<(TxnId, u32)> = Vec::new();
        // Sessions keep their chain, so that it is found at once.
        let mut of_session: Vec<u32> = vec![u32::MAX; self.history.session_count()];
        for txn in &self.members {
            let session = self.history.session(*txn) as usize;
            let fits = |chain: &u32| {
                let last = lasts.get(*chain as usize);
                last.is_some_and(|(last, _)| may(*txn, *last) && self.history.precedes(*last, *txn))
            };
            let own = Some(of_session[session]).filter(fits);
            let any = || match self.order {
                Order::Real => (0..u32::try_from(lasts.len()).unwrap_or(0)).find(fits),
                _ => None,
            };
            let chain =
                own.or_else(any).unwrap_or_else(|| u32::try_from(lasts.len()).unwrap_or(u32::MAX));
            if chain as usize == lasts.len() {
                lasts.push((*txn, 0));
            } else {
                lasts[chain as usize].0 = *txn;
                lasts[chain as usize].1 += 1;
            }
            of_session[session] = chain;
            self.chains.push((chain, lasts[chain as usize].1));
        }
        self.chain_count = u32::try_from(lasts.len()).unwrap_or(u32::MAX);
    }

    fn place_writers(&mut self, registers: &Registers<'_>, of_txn: &[u32]) {
        let mut counts = vec![0_u32; self.members.len() + 1];
        for (key, txn) in registers.left_behind() {
            let member = of_txn[txn as usize];
            let (chain, place) = self.chains[member as usize];
            self.writers.push(Writer { chain, place, member });
            self.writer_starts[key as usize + 1] += 1;
            counts[member as usize + 1] += 1;
        }
        for key in 1..self.writer_starts.len() {
            self.writer_starts[key] += self.writer_starts[key - 1];
        }
        for member in 1..counts.len() {
            counts[member] += counts[member - 1];
        }
        let mut ends = counts.clone();
        self.keys = vec![0; self.writers.len()];
        for (key, txn) in registers.left_behind() {
            let end = &mut ends[of_txn[txn as usize] as usize];
            self.keys[*end as usize] = key;
            *end += 1;
        }
        self.key_starts = counts;
        for pair in self.writer_starts.windows(2) {
            self.writers[pair[0] as usize..pair[1] as usize].sort_unstable();
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        match self.isolation {
            Isolation::Serializable => self.members.len(),
            Isolation::Snapshot => 2 * self.members.len(),
        }
    }

    /// Where a transaction takes its snapshot.
    pub(super) fn start(&self, member: Member) -> Node {
        match self.isolation {
            Isolation::Serializable => member,
            Isolation::Snapshot => 2 * member,
        }
    }

    /// Where a transaction's writes show.
    pub(super) fn commit(&self, member: Member) -> Node {
        match self.isolation {
            Isolation::Serializable => member,
            Isolation::Snapshot => 2 * member + 1,
        }
    }

    pub(super) fn member(&self, node: Node) -> Member {
        match self.isolation {
            Isolation::Serializable => node,
            Isolation::Snapshot => node / 2,
        }
    }

    /// Is it where a transaction's writes show, and where it takes its snapshot?
    pub(super) fn is_start(&self, node: Node) -> bool {
        self.isolation == Isolation::Serializable || node.is_multiple_of(2)
    }

    pub(super) fn is_commit(&self, node: Node) -> bool {
        self.isolation == Isolation::Serializable || !node.is_multiple_of(2)
    }

    /// A node's chain, and how many of that chain's nodes lead up to it, with itself.
    pub(super) fn up_to(&self, node: Node) -> (u32, u32) {
        let (chain, place) = self.chains[self.member(node) as usize];
        let up_to = match self.isolation {
            Isolation::Serializable => place + 1,
            Isolation::Snapshot => 2 * place + 1 + node % 2,
        };
        (chain, up_to)
    }

    pub(super) fn reads_of(&self, member: Member) -> &[Read] {
        let range = self.read_starts[member as usize]..self.read_starts[member as usize + 1];
        &self.reads[range.start as usize..range.end as usize]
    }

    pub(super) fn writers_of(&self, key: KeyId) -> &[Writer] {
        let range = self.writer_starts[key as usize]..self.writer_starts[key as usize + 1];
        &self.writers[range.start as usize..range.end as usize]
    }

    pub(super) fn keys_of(&self, member: Member) -> &[KeyId] {
        let range = self.key_starts[member as usize]..self.key_starts[member as usize + 1];
        &self.keys[range.start as usize..range.end as usize]
    }

    /// When a member was invoked, and when it returned, as indices.
    pub(super) fn times(&self, member: Member) -> (u64, u64) {
        let txn = self.members[member as usize];
        let invoked = if self.history.began(txn) { self.history.invoked(txn).index } else { 0 };
        (invoked, self.history.returned(txn).unwrap_or(u64::MAX))
    }

    /// What must be before what, whatever the order of versions: sessions, writers and readers.
    pub(super) fn known(&self) -> Vec<(Node, Node)> {
        let mut known = Vec::new();
        if self.isolation == Isolation::Snapshot {
            known.extend((0..).zip(&self.members).map(|(m, _)| (self.start(m), self.commit(m))));
        }
        if self.order == Order::Session {
            let mut lasts: Vec<Option<Member>> = vec![None; self.chain_count as usize];
            for (member, (chain, _)) in (0..).zip(&self.chains) {
                if let Some(last) = lasts[*chain as usize].replace(member) {
                    known.push((self.commit(last), self.start(member)));
                }
            }
        }
        for read in &self.reads {
            if let Some(from) = read.from {
                known.push((self.commit(from), self.start(read.reader)));
            }
        }
        known
    }
}
