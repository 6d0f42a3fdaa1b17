//! Random histories of registers: executed one by one, and then some reads see something else.

use crate::transactions_registers::Txn;
use proptest::prelude::*;
use schism_core::event::Kind;
use std::collections::BTreeMap;
use std::ops::Range;

/// What is drawn for one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    process: u64,
    /// How long after the process's last one it begins, how long it takes, and when in that time it
    /// is executed.
    time: (u64, u64, f64),
    fate: u8,
    /// Is it a read, of which key, and which of the key's values it sees instead of the right one.
    mops: Vec<(bool, u8, Option<usize>)>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let wrong = prop_oneof![5 => Just(None), 1 => (0..4_usize).prop_map(Some)];
    let mops = prop::collection::vec((any::<bool>(), 0..3_u8, wrong), 1..5);
    (0..3_u64, (1..4_u64, 1..8_u64, 0.0..1.0), 0..12_u8, mops)
        .prop_map(|(process, time, fate, mops)| Drawn { process, time, fate, mops })
}

/// So many transactions.
pub(crate) fn registers(count: Range<usize>) -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec(drawn(), count)
}

/// The history of what was drawn. A process that lost a transaction goes on as another.
pub(crate) fn history_of(drawn: &[Drawn]) -> Vec<Txn> {
    let mut clocks: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut txns: Vec<(f64, Txn, &Drawn)> = Vec::new();
    for one in drawn {
        let (now, process) = clocks.entry(one.process).or_insert((0, one.process));
        let (gap, length, moment) = one.time;
        let invoked = 2 * (*now + gap);
        let completed = invoked + 2 * length + 1;
        *now += gap + length + 1;
        let kind = match one.fate {
            0 => Kind::Fail,
            1 => Kind::Info,
            2 => Kind::Invoke,
            _ => Kind::Ok,
        };
        let at = invoked as f64 + moment * (completed - invoked) as f64;
        let mops = Vec::new();
        let txn = Txn { process: *process, invoked, completed, kind, mops };
        if matches!(kind, Kind::Info | Kind::Invoke) {
            *process += 3;
        }
        txns.push((at, txn, one));
    }
    let mut order: Vec<usize> = (0..txns.len()).collect();
    order.sort_by(|left, right| txns[*left].0.total_cmp(&txns[*right].0));
    let mut next = 0;
    // What will be written to each key, whether it takes effect or not.
    let mut values: BTreeMap<char, Vec<i64>> = BTreeMap::new();
    let mut store: BTreeMap<char, i64> = BTreeMap::new();
    for at in order {
        let (_, txn, one) = &mut txns[at];
        let before = store.clone();
        for (is_read, key, _) in &one.mops {
            let key = char::from(b'x' + key);
            if *is_read {
                txn.mops.push(('r', key, store.get(&key).copied()));
            } else {
                next += 1;
                values.entry(key).or_default().push(next);
                store.insert(key, next);
                txn.mops.push(('w', key, Some(next)));
            }
        }
        if txn.kind == Kind::Fail || txn.kind == Kind::Invoke && one.process == 0 {
            store = before;
        }
    }
    for (_, txn, one) in &mut txns {
        for ((f, key, value), (.., wrong)) in txn.mops.iter_mut().zip(&one.mops) {
            if let Some(wrong) = wrong.filter(|_| *f == 'r') {
                let values = values.get(key).map_or(&[][..], Vec::as_slice);
                *value = values.get(wrong).copied();
            }
        }
    }
    txns.into_iter().map(|(_, txn, _)| txn).collect()
}
