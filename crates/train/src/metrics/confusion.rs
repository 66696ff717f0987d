//! Which classes a model takes for which.

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// `counts[truth * classes + prediction]`
    counts: Vec<u64>,
}

/// How a model does on one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassReport {
    /// The class.
    pub class: usize,
    /// Samples of the class.
    pub images: u64,
    /// How many of them were recognized.
    pub correct: u64,
    /// How many samples of other classes were taken for this one.
    pub false_positives: u64,
}

/// One kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// What it was.
    pub truth: usize,
    /// What it was taken for.
    pub prediction: usize,
    /// How often.
    pub count: u64,
}

impl ClassReport {
    /// The share of the class's samples that were recognized (recall), 0 to 1; `None` without samples.
    pub fn top1(&self) -> Option<f64> {
        (self.images > 0).then(|| self.correct as f64 / self.images as f64)
    }

    /// The share of predictions of this class that were right, 0 to 1; `None` if it was never predicted.
    pub fn precision(&self) -> Option<f64> {
        let predicted = self.correct + self.false_positives;
        (predicted > 0).then(|| self.correct as f64 / predicted as f64)
    }
}

impl ConfusionMatrix {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts one sample.
    ///
    /// # Panics
    /// If a class is out of range.
    #[track_caller]
    pub fn add(&mut self, truth: usize, prediction: usize) {
        assert!(
            truth < self.classes && prediction < self.classes,
            "classes {truth} and {prediction} of {}",
            self.classes
        );
        self.counts[truth * self.classes + prediction] += 1;
    }

    /// How often `truth` was taken for `prediction`.
    ///
    /// # Panics
    /// If a class is out of range.
    #[track_caller]
    pub fn get(&self, truth: usize, prediction: usize) -> u64 {
        assert!(prediction < self.classes, "class {prediction} of {}", self.classes);
        self.counts[truth * self.classes + prediction]
    }

    /// One report a class, in the order of the classes.
    pub fn per_class(&self) -> Vec<ClassReport> {
        (0..self.classes)
            .map(|class| {
                let correct = self.get(class, class);
                let predicted: u64 = (0..self.classes).map(|truth| self.get(truth, class)).sum();
                ClassReport {
                    class,
                    images: (0..self.classes).map(|prediction| self.get(class, prediction)).sum(),
                    correct,
                    false_positives: predicted - correct,
                }
            })
            .collect()
    }

    /// The most frequent mistakes, most frequent first, at most `limit`.
    pub fn worst(&self, limit: usize) -> Vec<Confusion> {
        let mut mistakes: Vec<Confusion> = (0..self.classes * self.classes)
            .map(|i| (i / self.classes, i % self.classes))
            .filter(|(truth, prediction)| truth != prediction)
            .map(|(truth, prediction)| Confusion { truth, prediction, count: self.get(truth, prediction) })
            .filter(|mistake| mistake.count > 0)
            .collect();
        mistakes.sort_by_key(|mistake| std::cmp::Reverse(mistake.count));
        mistakes.truncate(limit);
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_follow_the_counts() {
        let mut matrix = ConfusionMatrix::new(3);
        for (truth, prediction) in [(0, 0), (0, 1), (0, 1), (1, 1), (1, 0)] {
            matrix.add(truth, prediction);
        }
        let reports = matrix.per_class();
        assert_eq!((reports[0].images, reports[0].correct, reports[0].false_positives), (3, 1, 1));
        assert_eq!(reports[1].precision(), Some(1.0 / 3.0));
        assert_eq!((reports[2].top1(), reports[2].precision()), (None, None));
        let worst = matrix.worst(1);
        assert_eq!(worst, [Confusion { truth: 0, prediction: 1, count: 2 }]);
        assert_eq!(matrix.worst(9).len(), 2);
    }
}
