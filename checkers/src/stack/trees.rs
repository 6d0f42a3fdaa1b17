//! Segment trees over gaps and over elements. As deep as the logarithm of their size.

use std::ops::Range;

/// How often each gap is covered.
pub(super) struct Counts {
    /// How many leaves there are: a power of two.
    size: usize,
    gaps: u32,
    /// For each node, what covers all of it.
    whole: Vec<i32>,
    /// For each node, the least of its leaves, without what covers its parents.
    least: Vec<i32>,
}

impl Counts {
    /// Of these ranges over so many gaps.
    pub(super) fn of(ranges: impl Iterator<Item = Range<u32>>, gaps: u32) -> Self {
        let size = (gaps as usize).next_power_of_two();
        let mut change = vec![0_i32; size + 1];
        for range in ranges {
            change[range.start as usize] += 1;
            change[range.end.min(gaps) as usize] -= 1;
        }
        let mut least = vec![0; size * 2];
        let mut sum = 0;
        for (gap, change) in change.iter().take(size).enumerate() {
            sum += change;
            least[size + gap] = sum;
        }
        for node in (1..size).rev() {
            least[node] = least[node * 2].min(least[node * 2 + 1]);
        }
        Self { size, gaps, whole: vec![0; size * 2], least }
    }

    /// Takes away one of the ranges.
    pub(super) fn remove(&mut self, range: Range<u32>) {
        let (from, to) = (range.start as usize, range.end.min(self.gaps) as usize);
        let (mut left, mut right) = (from + self.size, to + self.size);
        while left < right {
            if left % 2 == 1 {
                self.lower(left);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                self.lower(right);
            }
            left /= 2;
            right /= 2;
        }
        self.renew(from + self.size);
        if to > from {
            self.renew(to - 1 + self.size);
        }
    }

    fn lower(&mut self, node: usize) {
        self.whole[node] -= 1;
        self.least[node] -= 1;
    }

    /// Corrects what is above a leaf.
    fn renew(&mut self, leaf: usize) {
        let mut node = leaf / 2;
        while node > 0 {
            let below = self.least[node * 2].min(self.least[node * 2 + 1]);
            self.least[node] = below + self.whole[node];
            node /= 2;
        }
    }

    /// The first gap that isn't covered, from this one on; their number if all are.
    pub(super) fn first_zero(&self, from: u32) -> u32 {
        let Some(mut node) = self.node_with_zero(from as usize + self.size) else {
            return self.gaps;
        };
        let mut above = self.above(node);
        while node < self.size {
            above += self.whole[node];
            node *= 2;
            if self.least[node] + above != 0 {
                node += 1;
            }
        }
        u32::try_from(node - self.size).unwrap_or(self.gaps).min(self.gaps)
    }

    /// What covers all of a node's parents.
    fn above(&self, node: usize) -> i32 {
        let mut sum = 0;
        let mut parent = node / 2;
        while parent > 0 {
            sum += self.whole[parent];
            parent /= 2;
        }
        sum
    }

    /// The first node with a zero in it, of those that together are all from this leaf on.
    fn node_with_zero(&self, leaf: usize) -> Option<usize> {
        let mut node = leaf;
        loop {
            if self.least[node] + self.above(node) == 0 {
                return Some(node);
            }
            // Up, until there is a neighbour to the right.
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
    }
}

/// A value for each element, and the least in a range.
pub(super) struct Least {
    size: usize,
    nodes: Vec<(u32, usize)>,
}

impl Least {
    /// With these values; `u32::MAX` is none.
    pub(super) fn of(values: impl ExactSizeIterator<Item = u32>) -> Self {
        let size = values.len().next_power_of_two();
        let mut nodes = vec![(u32::MAX, usize::MAX); size * 2];
        for (at, value) in values.enumerate() {
            nodes[size + at] = (value, at);
        }
        for node in (1..size).rev() {
            nodes[node] = nodes[node * 2].min(nodes[node * 2 + 1]);
        }
        Self { size, nodes }
    }

    pub(super) fn set(&mut self, at: usize, value: u32) {
        let mut node = at + self.size;
        self.nodes[node] = (value, at);
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[node * 2].min(self.nodes[node * 2 + 1]);
        }
    }

    /// The least value from one element up to, and without, another, and whose it is.
    pub(super) fn within(&self, from: usize, to: usize) -> Option<(u32, usize)> {
        let (mut left, mut right) = (from + self.size, to + self.size);
        let mut least = (u32::MAX, usize::MAX);
        while left < right {
            if left % 2 == 1 {
                least = least.min(self.nodes[left]);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                least = least.min(self.nodes[right]);
            }
            left /= 2;
            right /= 2;
        }
        (least.0 != u32::MAX).then_some(least)
    }

    /// The last before this one whose value is less than a bound. There have to be more elements.
    pub(super) fn last_below(&self, to: usize, bound: u32) -> Option<usize> {
        let mut right = to + self.size;
        loop {
            if right.is_power_of_two() {
                return None;
            }
            if right % 2 == 1 {
                right -= 1;
                if self.nodes[right].0 < bound {
                    break;
                }
            }
            right /= 2;
        }
        let mut node = right;
        while node < self.size {
            node = node * 2 + usize::from(self.nodes[node * 2 + 1].0 < bound);
        }
        Some(node - self.size)
    }
}
