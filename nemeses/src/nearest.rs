//! The known word that a mistyped one most likely means.

/// The nearest of `known` by edit distance, if it is near enough to be what was meant: at most one
/// edit for every three letters. `O(known × length²)`.
///
/// The distance is Levenshtein's (1966), with an exchange of neighbours counted as one edit
/// (optimal string alignment), since that is how people mistype.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut table = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let same = usize::from(from[i - 1] != to[j - 1]);
            let mut best =
                (table[i - 1][j - 1] + same).min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = best;
        }
    }
    table[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_as_counted_by_hand() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kill", "kill"), 0);
        assert_eq!(distance("klil", "kill"), 1);
        assert_eq!(distance("sitting", "kitten"), 3);
    }

    #[test]
    fn a_far_word_has_no_nearest() {
        assert_eq!(nearest("kil", ["pause", "kill"]), Some("kill"));
        assert_eq!(nearest("banana", ["pause", "kill"]), None);
    }
}
