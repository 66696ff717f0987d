//! Rows by twos.

use std::ops::Range;

/// Each row of an image's first half with one of its second half. The last row of an image with an odd number has no partner;
/// these come after all pairs of all images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs {
    /// Rows of an image.
    pub rows: usize,
    /// Images.
    pub images: usize,
}

/// Neighbouring rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one's place among the pairs that were asked for.
    pub at: usize,
    /// First row of all images.
    pub row: usize,
    /// Number of rows.
    pub len: usize,
}

impl Pairs {
    /// Number of pairs, with those that lack the second row.
    pub fn count(self) -> usize {
        self.images * self.rows.div_ceil(2)
    }

    /// Pairs that have a second row, which come first.
    pub fn complete(self) -> usize {
        self.images * (self.rows / 2)
    }

    /// Calls `f` for the first rows of some pairs.
    pub fn first_rows(self, pairs: Range<usize>, mut f: impl FnMut(Run)) {
        self.halves(pairs.clone(), 0, &mut f);
        for pair in self.complete().max(pairs.start)..pairs.end {
            let row = (pair - self.complete() + 1) * self.rows - 1;
            f(Run { at: pair - pairs.start, row, len: 1 });
        }
    }

    /// Calls `f` for the second rows of some pairs, where they have one.
    pub fn second_rows(self, pairs: Range<usize>, mut f: impl FnMut(Run)) {
        self.halves(pairs, self.rows / 2, &mut f);
    }

    /// Cuts complete pairs at the ends of images; `shift` leads from the first row of each to the wanted one.
    fn halves(self, pairs: Range<usize>, shift: usize, f: &mut impl FnMut(Run)) {
        let half = self.rows / 2;
        let mut pair = pairs.start;
        while pair < pairs.end.min(self.complete()) {
            let (image, row) = (pair / half, pair % half);
            let len = (half - row).min(pairs.end - pair);
            f(Run { at: pair - pairs.start, row: image * self.rows + shift + row, len });
            pair += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_pair_with_a_row_of_its_image() {
        for (rows, images) in [(1, 3), (2, 1), (9, 4), (16, 3), (49, 5), (0, 2), (5, 0)] {
            let pairs = Pairs { rows, images };
            for block in [1, 6, 24, 1000] {
                let mut seen = vec![0; rows * images];
                for start in (0..pairs.count()).step_by(block) {
                    let range = start..pairs.count().min(start + block);
                    let mut partners = vec![Vec::new(); range.len()];
                    let mut visit = |run: Run| {
                        (0..run.len).for_each(|i| partners[run.at + i].push(run.row + i));
                    };
                    pairs.first_rows(range.clone(), &mut visit);
                    pairs.second_rows(range.clone(), &mut visit);
                    for (i, partners) in partners.iter().enumerate() {
                        assert_eq!(partners.len(), if range.start + i < pairs.complete() { 2 } else { 1 });
                        partners.iter().for_each(|&row| {
                            assert_eq!(row / rows, partners[0] / rows);
                            seen[row] += 1;
                        });
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{pairs:?} in blocks of {block}: {seen:?}");
            }
        }
    }
}
