//! In how much company records travel whose last call was not heard of: in ever less, until the one that calls break on is
//! alone.

use std::collections::HashMap;

/// Milliseconds: what is not met again for so long was brought by somebody else.
const FORGOTTEN: i64 = 86_400_000;

/// What is remembered of records whose last call was not heard of. It is lost with the process: then they begin in large
/// calls again.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// By row.
    known: HashMap<i64, Known>,
}

#[derive(Debug)]
struct Known {
    /// Records of the next call that may carry it.
    most: usize,
    until_ms: i64,
}

impl Company {
    /// A call that carried these rows was not heard of: none of them travels in one that is more than half as large.
    pub(super) fn unheard(&mut self, rows: &[i64], now_ms: i64) {
        let most = (rows.len() / 2).max(1);
        for &id in rows {
            let known = self.known.entry(id).or_insert(Known { most, until_ms: 0 });
            known.most = most.min(known.most);
            known.until_ms = now_ms + FORGOTTEN;
        }
    }

    /// Whatever became of them, the call that carried these rows was answered.
    pub(super) fn answered(&mut self, rows: impl Iterator<Item = i64>) {
        if self.known.is_empty() {
            return;
        }
        for id in rows {
            self.known.remove(&id);
        }
    }

    /// Records of a call that carries this row, itself included, if that matters.
    pub(super) fn most(&self, id: i64) -> Option<usize> {
        self.known.get(&id).map(|known| known.most)
    }

    /// Forgets what was not met again.
    pub(super) fn forget(&mut self, now_ms: i64) {
        self.known.retain(|_, known| known.until_ms > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_gets_smaller_until_the_row_is_alone_or_answered() {
        let mut company = Company::default();
        let (mut rows, mut sizes): (Vec<i64>, Vec<usize>) = ((0..1_000).collect(), vec![]);
        while rows.len() > 1 {
            company.unheard(&rows, 0);
            rows.truncate(company.most(0).unwrap());
            sizes.push(rows.len());
        }
        assert_eq!(sizes, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
        assert_eq!((company.most(1), company.most(999), company.most(1_000)), (Some(1), Some(500), None));
        company.unheard(&(0..400).collect::<Vec<_>>(), 0);
        assert_eq!(company.most(0), Some(1), "it is not forgotten in larger company");
        company.answered(0..500);
        assert_eq!((company.most(0), company.most(999)), (None, Some(500)));
        company.forget(FORGOTTEN);
        assert_eq!(company.most(999), None);
    }
}
