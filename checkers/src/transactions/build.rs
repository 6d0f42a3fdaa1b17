//! How a [`TxnHistory`] is made, event by event.

use super::history::{Fate, KeyId, Line, LineId, Mop, NEVER, Packed, Shape, TxnHistory, TxnId};
use super::intern::{Dense, ValueId, Values};
use schism_core::api::{DecodeError, Key, list_append};
use schism_core::event::{Kind, RawEvent};
use schism_core::form::Form;
use schism_core::history::{History, Refused};
use schism_core::op::{Outcome, Process, Stamp};
use schism_core::time::Nanos;
use std::collections::HashMap;
use std::sync::Arc;

/// Pairs events while they come, as a reader finds them.
#[derive(Debug)]
pub struct TxnBuilder {
    history: TxnHistory,
    /// By session, the transactions that it has open, and their operations.
    open: Vec<Vec<(TxnId, Vec<Packed>)>>,
    /// Buffers of transactions that have ended.
    spare: Vec<Vec<Packed>>,
    nodes: HashMap<Arc<str>, u16>,
    /// By key, its lines apart, the newest last.
    lines: HashMap<KeyId, Vec<u32>>,
    last_index: Option<u64>,
}

/// How many lines apart a read is compared with before it gets its own.
const COMPARED: usize = 4;

impl TxnBuilder {
    /// For transactions over lists or over registers.
    pub fn new(shape: Shape) -> Self {
        let history = TxnHistory {
            shape,
            sessions: Vec::new(),
            processes: Dense::default(),
            nodes: Vec::new(),
            node_names: Vec::new(),
            invoked: Vec::new(),
            completed: Vec::new(),
            fates: Vec::new(),
            spans: Vec::new(),
            mops: Vec::new(),
            returns: Vec::new(),
            keys: Dense::default(),
            values: Values::default(),
            mains: Vec::new(),
            apart: Vec::new(),
        };
        Self {
            history,
            open: Vec::new(),
            spare: Vec::new(),
            nodes: HashMap::new(),
            lines: HashMap::new(),
            last_index: None,
        }
    }

    /// The history of typed events. Operations of unknown fate keep their invocation's reads
    /// unknown.
    pub fn from_lists(history: &History<list_append::ListAppend>) -> Result<TxnHistory, Refused> {
        let mut builder = Self::new(Shape::Lists);
        for op in history.ops() {
            let node = op.node.as_deref();
            let txn = builder.begin(op.process, node, op.invoked)?.0;
            let mut mops = builder.spare.pop().unwrap_or_default();
            let (fate, txn_mops) = match &op.outcome {
                Outcome::Ok(reply) => (Fate::Ok, reply),
                Outcome::Fail(_) => (Fate::Fail, &op.call),
                Outcome::Info(_) => (Fate::Info, &op.call),
            };
            for mop in txn_mops {
                mops.push(builder.typed(mop, fate)?);
            }
            builder.end(txn, fate, op.completed.unwrap_or(NEVER), mops)?;
        }
        let TxnHistory { returns, completed, .. } = &mut builder.history;
        returns.sort_unstable_by_key(|txn| completed[*txn as usize].index);
        Ok(builder.finish())
    }

    /// How many transactions it has.
    pub fn len(&self) -> usize {
        self.history.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    /// Appends an event as it stood in a file. One without an index gets the next one; one without
    /// a time gets its index as nanoseconds. What the nemesis did is passed over.
    pub fn push_raw(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let index = raw.index.unwrap_or_else(|| self.last_index.map_or(0, |last| last + 1));
        let stamp = Stamp { index, time: raw.time.unwrap_or(Nanos(index)) };
        let result = match (raw.process, raw.kind) {
            (Process::Nemesis, _) => self.grows(index),
            (Process::Client(process), Kind::Invoke) => {
                self.grows(index)?;
                self.invoke(process, raw.node, stamp, raw.asked.value)
            }
            (Process::Client(process), kind) => {
                self.grows(index)?;
                self.complete(process, raw.node, kind, stamp, raw.asked.value)
            }
        };
        self.last_index = Some(index);
        result
    }

    fn grows(&self, index: u64) -> Result<(), Refused> {
        match self.last_index {
            Some(last) if index <= last => {
                Err(format!("index {index} after index {last}; expected indices that grow").into())
            }
            _ => Ok(()),
        }
    }

    fn invoke(
        &mut self,
        process: u64,
        node: Option<&str>,
        stamp: Stamp,
        value: Form<'_>,
    ) -> Result<(), Refused> {
        let mut mops = self.spare.pop().unwrap_or_default();
        self.decode(value, Fate::Info, &mut mops)?;
        let (txn, session) = self.begin(process, node, stamp)?;
        self.open[session as usize].push((txn, mops));
        Ok(())
    }

    fn complete(
        &mut self,
        process: u64,
        node: Option<&str>,
        kind: Kind,
        stamp: Stamp,
        value: Form<'_>,
    ) -> Result<(), Refused> {
        let session = self.session(process)?;
        let (txn, mut mops) = if let Some(open) = self.close(session, value)? {
            open
        } else {
            let mut mops = self.spare.pop().unwrap_or_default();
            self.decode(value, Fate::Info, &mut mops)?;
            (self.begin(process, node, stamp)?.0, mops)
        };
        let fate = match kind {
            Kind::Ok => Fate::Ok,
            Kind::Fail => Fate::Fail,
            Kind::Info | Kind::Invoke => Fate::Info,
        };
        if fate == Fate::Ok {
            mops.clear();
            self.decode(value, fate, &mut mops)?;
        }
        self.end(txn, fate, stamp, mops)
    }

    /// The open transaction of a session that has completed with these operations: of several, the
    /// latest that asked for them, or else the latest.
    fn close(
        &mut self,
        session: u32,
        value: Form<'_>,
    ) -> Result<Option<(TxnId, Vec<Packed>)>, Refused> {
        let Some(open) = self.open.get_mut(session as usize) else { return Ok(None) };
        if open.len() < 2 {
            return Ok(open.pop());
        }
        let mut open = std::mem::take(open);
        let mut asked = self.spare.pop().unwrap_or_default();
        self.decode(value, Fate::Info, &mut asked)?;
        let place = open.iter().rposition(|(_, mops)| *mops == asked).unwrap_or(open.len() - 1);
        let closed = open.remove(place);
        self.open[session as usize] = open;
        asked.clear();
        self.spare.push(asked);
        Ok(Some(closed))
    }

    fn session(&mut self, process: u64) -> Result<u32, Refused> {
        let session = self.history.processes.id(Some(process), || process);
        session.ok_or_else(|| Refused::from("more than 2^29 processes".to_owned()))
    }

    /// A new transaction, and its session.
    fn begin(
        &mut self,
        process: u64,
        node: Option<&str>,
        stamp: Stamp,
    ) -> Result<(TxnId, u32), Refused> {
        let session = self.session(process)?;
        if self.open.len() <= session as usize {
            self.open.resize_with(session as usize + 1, Vec::new);
        }
        let node = self.node(node)?;
        let history = &mut self.history;
        let txn = u32::try_from(history.fates.len())
            .map_err(|_| Refused::from("more than 2^32 transactions".to_owned()))?;
        if node > 0 || !history.nodes.is_empty() {
            history.nodes.resize(txn as usize, 0);
            history.nodes.push(node);
        }
        history.sessions.push(session);
        history.invoked.push(stamp);
        history.completed.push(NEVER);
        history.fates.push(Fate::Info);
        history.spans.push((0, 0));
        Ok((txn, session))
    }

    fn node(&mut self, name: Option<&str>) -> Result<u16, Refused> {
        let Some(name) = name else { return Ok(0) };
        if let Some(number) = self.nodes.get(name) {
            return Ok(*number);
        }
        let name: Arc<str> = Arc::from(name);
        self.history.node_names.push(name.clone());
        let number = u16::try_from(self.history.node_names.len())
            .map_err(|_| Refused::from("more than 65,535 nodes".to_owned()))?;
        self.nodes.insert(name, number);
        Ok(number)
    }

    fn end(
        &mut self,
        txn: TxnId,
        fate: Fate,
        stamp: Stamp,
        mut mops: Vec<Packed>,
    ) -> Result<(), Refused> {
        let history = &mut self.history;
        let start = u32::try_from(history.mops.len())
            .map_err(|_| Refused::from("more than 2^32 operations".to_owned()))?;
        let len = u32::try_from(mops.len())
            .map_err(|_| Refused::from("more than 2^32 operations".to_owned()))?;
        history.mops.append(&mut mops);
        self.spare.push(mops);
        let place = txn as usize;
        history.spans[place] = (start, len);
        history.fates[place] = fate;
        history.completed[place] = stamp;
        if fate == Fate::Ok {
            history.returns.push(txn);
        }
        Ok(())
    }

    /// The history so far; what is still open is of unknown fate.
    ///
    /// # Panics
    /// Never: the operations that are open have been counted when they came.
    pub fn finish(mut self) -> TxnHistory {
        for session in 0..self.open.len() {
            for (txn, mops) in std::mem::take(&mut self.open[session]) {
                // Beyond 2³² operations their own are left out, which accuses nobody.
                let _too_many = self.end(txn, Fate::Info, NEVER, mops);
            }
        }
        let TxnHistory { mains, keys, .. } = &mut self.history;
        mains.resize_with(keys.len(), Vec::new);
        self.history
    }

    /// Reads a transaction's operations; what they read is known only if it succeeded.
    fn decode(
        &mut self,
        value: Form<'_>,
        fate: Fate,
        mops: &mut Vec<Packed>,
    ) -> Result<(), Refused> {
        let items = value.items().map_err(|_| value.error("a list of [f, key, value]"))?;
        for mop in items {
            mops.push(Packed::new(self.decode_mop(mop, fate)?));
        }
        Ok(())
    }

    fn decode_mop(&mut self, mop: Form<'_>, fate: Fate) -> Result<Mop, DecodeError> {
        let shape = self.history.shape;
        let wrong = || {
            mop.error(match shape {
                Shape::Lists => r#"["append", key, element] or ["r", key, list or null]"#,
                Shape::Registers => r#"["w", key, value] or ["r", key, value or null]"#,
            })
        };
        let mut parts = mop.items().map_err(|_| wrong())?;
        let (f, key) = parts.next().zip(parts.next()).ok_or_else(wrong)?;
        let value = parts.next();
        let f = f.word().filter(|_| parts.next().is_none()).ok_or_else(wrong)?;
        let too_many = |form: Form<'_>| form.error("less than 2^29 keys and 2^31 unusual values");
        let history = &mut self.history;
        let id = history.keys.form(key).ok_or_else(|| too_many(key))?;
        let value = match value {
            Some(value) => value,
            None if f != "r" => return Err(wrong()),
            None if fate != Fate::Ok => return Ok(Mop::ReadUnknown { key: id }),
            None if shape == Shape::Lists => return Ok(self.observe(id, &[])),
            None => return Ok(Mop::Read { key: id, value: None }),
        };
        match (f, shape) {
            ("append", Shape::Lists) => {
                let value = history.values.form(value).ok_or_else(|| too_many(value))?;
                Ok(Mop::Append { key: id, value })
            }
            ("w", Shape::Registers) if value.is_nil() => Err(value.error("a value to write")),
            ("w", Shape::Registers) => {
                let value = history.values.form(value).ok_or_else(|| too_many(value))?;
                Ok(Mop::Write { key: id, value })
            }
            ("r", _) if fate != Fate::Ok => Ok(Mop::ReadUnknown { key: id }),
            ("r", Shape::Registers) if value.is_nil() => Ok(Mop::Read { key: id, value: None }),
            ("r", Shape::Registers) => {
                let value = history.values.form(value).ok_or_else(|| too_many(value))?;
                Ok(Mop::Read { key: id, value: Some(value) })
            }
            ("r", Shape::Lists) if value.is_nil() => Ok(self.observe(id, &[])),
            ("r", Shape::Lists) => self.decode_list(id, value),
            _ => Err(wrong()),
        }
    }

    fn decode_list(&mut self, key: KeyId, list: Form<'_>) -> Result<Mop, DecodeError> {
        let items = list.items().map_err(|_| list.error("a list of elements, or null"))?;
        let history = &mut self.history;
        reach(&mut history.mains, key);
        // Most reads lie on the main line, so they are compared with it while they are read.
        let main = &mut history.mains[key as usize];
        let mut len = 0;
        let mut rest = items.clone();
        for form in items {
            let value = history.values.form(form);
            let value = value.ok_or_else(|| form.error("less than 2^31 unusual values"))?;
            if main.get(len) != Some(&value) {
                break;
            }
            len += 1;
            rest.next();
        }
        let mut more = Vec::new();
        for form in rest {
            let value = history.values.form(form);
            more.push(value.ok_or_else(|| form.error("less than 2^31 unusual values"))?);
        }
        if more.is_empty() || len == main.len() {
            main.extend_from_slice(&more);
            let len = u32::try_from(len + more.len()).unwrap_or(u32::MAX);
            return Ok(Mop::ReadList { key, line: LineId::Main(key), len });
        }
        let read = [&main[..len], &more].concat();
        Ok(self.observe(key, &read))
    }

    /// The read of a list, on the line that it is on.
    fn observe(&mut self, key: KeyId, read: &[ValueId]) -> Mop {
        let history = &mut self.history;
        reach(&mut history.mains, key);
        let len = u32::try_from(read.len()).unwrap_or(u32::MAX);
        if fits(&mut history.mains[key as usize], read) {
            return Mop::ReadList { key, line: LineId::Main(key), len };
        }
        let lines = self.lines.entry(key).or_default();
        for line in lines.iter().rev().take(COMPARED) {
            if fits(&mut history.apart[*line as usize].values, read) {
                return Mop::ReadList { key, line: LineId::Apart(*line), len };
            }
        }
        let line = u32::try_from(history.apart.len()).unwrap_or(u32::MAX);
        history.apart.push(Line { key, values: read.to_vec() });
        lines.push(line);
        Mop::ReadList { key, line: LineId::Apart(line), len }
    }

    fn typed(&mut self, mop: &list_append::Mop, fate: Fate) -> Result<Packed, Refused> {
        let history = &mut self.history;
        let mut id = |key: &Key| {
            let id = history.keys.key(key);
            id.ok_or_else(|| Refused::from("more than 2^29 keys".to_owned()))
        };
        let mut element = |number: i64| {
            let value = history.values.int(number);
            value.ok_or_else(|| Refused::from("more than 2^31 unusual values".to_owned()))
        };
        Ok(Packed::new(match mop {
            list_append::Mop::Append(key, number) => {
                Mop::Append { key: id(key)?, value: element(*number)? }
            }
            list_append::Mop::Read(key, _) if fate != Fate::Ok => {
                Mop::ReadUnknown { key: id(key)? }
            }
            list_append::Mop::Read(key, list) => {
                let key = id(key)?;
                let numbers = list.as_deref().unwrap_or_default();
                let read: Result<Vec<_>, _> = numbers.iter().map(|n| element(*n)).collect();
                self.observe(key, &read?)
            }
        }))
    }
}

/// Makes room for a key's main line.
fn reach(mains: &mut Vec<Vec<ValueId>>, key: KeyId) {
    if mains.len() <= key as usize {
        mains.resize_with(key as usize + 1, Vec::new);
    }
}

/// True if `read` is a prefix of the line, or extends it; then the line is extended.
fn fits(line: &mut Vec<ValueId>, read: &[ValueId]) -> bool {
    let shared = line.len().min(read.len());
    if line[..shared] != read[..shared] {
        return false;
    }
    line.extend_from_slice(&read[shared..]);
    true
}
