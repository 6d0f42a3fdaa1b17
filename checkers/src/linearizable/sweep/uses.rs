//! How often operations of unknown fate have been used, by kind: interned, so that a configuration
//! names it by one number.

use rustc_hash::FxHashMap;

/// A kind of operation: an action, by number.
pub(super) type Kind = u32;

/// How often each kind was used; 0 is never.
pub(super) type UsesId = u32;

/// Kinds in order, each with how often.
type Counts = Box<[(Kind, u32)]>;

/// Some uses: by kind, together, and a sum of what stands for each, so that those that differ are
/// told apart at once.
#[derive(Debug)]
struct Known {
    counts: Counts,
    total: u32,
    sum: u64,
}

/// What stands for a use of a kind in a sum.
fn mark(kind: Kind) -> u64 {
    (u64::from(kind) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

/// All that were met.
#[derive(Debug)]
pub(super) struct Uses {
    known: Vec<Known>,
    ids: FxHashMap<Counts, UsesId>,
    /// What one more of a kind leads to.
    more: FxHashMap<(UsesId, Kind), UsesId>,
    bytes: usize,
}

impl Default for Uses {
    fn default() -> Self {
        let mut uses = Self {
            known: Vec::new(),
            ids: FxHashMap::default(),
            more: FxHashMap::default(),
            bytes: 0,
        };
        uses.intern(Box::default());
        uses
    }
}

impl Uses {
    /// Bytes in use, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.more.len() * 24
    }

    fn intern(&mut self, counts: Counts) -> UsesId {
        if let Some(id) = self.ids.get(&counts) {
            return *id;
        }
        let id = UsesId::try_from(self.known.len()).unwrap_or(UsesId::MAX);
        let total = counts.iter().map(|(_, count)| count).sum();
        let marks = counts.iter().map(|(kind, count)| mark(*kind).wrapping_mul(u64::from(*count)));
        let sum = marks.fold(0, u64::wrapping_add);
        self.bytes += counts.len() * 16 + 96;
        self.known.push(Known { counts: counts.clone(), total, sum });
        self.ids.insert(counts, id);
        id
    }

    /// How often all kinds together.
    pub(super) fn total(&self, id: UsesId) -> u32 {
        self.known[id as usize].total
    }

    /// How often this kind.
    pub(super) fn count(&self, id: UsesId, kind: Kind) -> u32 {
        let counts = &self.known[id as usize].counts;
        counts.binary_search_by_key(&kind, |(kind, _)| *kind).map_or(0, |at| counts[at].1)
    }

    /// One more of a kind.
    pub(super) fn add(&mut self, id: UsesId, kind: Kind) -> UsesId {
        if let Some(more) = self.more.get(&(id, kind)) {
            return *more;
        }
        let mut counts = self.known[id as usize].counts.to_vec();
        match counts.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (kind, 1)),
        }
        let more = self.intern(counts.into());
        self.more.insert((id, kind), more);
        more
    }

    /// None of this kind any more.
    pub(super) fn without(&mut self, id: UsesId, gone: impl Fn(Kind) -> bool) -> UsesId {
        let counts = &self.known[id as usize].counts;
        if !counts.iter().any(|(kind, _)| gone(*kind)) {
            return id;
        }
        let counts = counts.iter().copied().filter(|(kind, _)| !gone(*kind)).collect();
        self.intern(counts)
    }

    /// Does the first use no kind more often than the second?
    pub(super) fn at_most(&self, one: UsesId, other: UsesId) -> bool {
        self.at_most_with(one, None, other)
    }

    /// The same, the first using one more of this kind.
    pub(super) fn at_most_with(&self, one: UsesId, more: Option<Kind>, other: UsesId) -> bool {
        if one == other {
            return more.is_none();
        }
        let (fewer, most) = (&self.known[one as usize], &self.known[other as usize]);
        let total = fewer.total + u32::from(more.is_some());
        if total >= most.total {
            // As many can only be the same.
            let same = fewer.sum.wrapping_add(more.map_or(0, mark)) == most.sum;
            if total > most.total || !same {
                return false;
            }
        }
        let (some, mut all) = (&fewer.counts, most.counts.iter());
        let mut more = more;
        let fits = some.iter().all(|(kind, count)| {
            let extra = u32::from(more == Some(*kind));
            if extra == 1 {
                more = None;
            }
            all.by_ref()
                .find(|(other, _)| other >= kind)
                .is_some_and(|(other, have)| other == kind && count + extra <= *have)
        });
        fits && more.is_none_or(|kind| self.count(other, kind) > 0)
    }

    /// Forgets all but these, and gives them their new ids.
    pub(super) fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a mut UsesId>) {
        let old = std::mem::take(self);
        for id in ids {
            *id = self.intern(old.known[*id as usize].counts.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Uses;

    #[test]
    fn counts_are_compared_kind_by_kind() {
        let mut uses = Uses::default();
        let one = uses.add(0, 7);
        let two = uses.add(one, 3);
        let three = uses.add(two, 7);
        assert_eq!((uses.count(three, 7), uses.total(three)), (2, 3));
        assert!(uses.at_most(two, three) && !uses.at_most(three, two));
        assert!(uses.at_most_with(two, Some(7), three));
        assert!(!uses.at_most_with(two, Some(3), three) && !uses.at_most_with(two, Some(9), three));
        assert!(uses.at_most_with(0, Some(7), one) && !uses.at_most_with(one, Some(7), two));
        assert_eq!(uses.without(three, |kind| kind == 7), uses.add(0, 3));
    }
}
