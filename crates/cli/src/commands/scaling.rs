//! How a step's time falls with the number of threads.

use super::synthetic::{Synthetic, median, time_ms};
use crate::ui::number::percent;
use crate::ui::table::{Align, table};
use anyhow::{Context, Result};
use serde::Serialize;

/// One number of threads.
#[derive(Serialize)]
pub struct Row {
    pub threads: usize,
    pub ms_per_step: f64,
    /// How often the time goes into that of one thread.
    pub speed_up: f64,
}

/// Steps of one number of threads in a row.
const BLOCK: usize = 10;
/// How long a block runs before its steps are timed, at least one step. Whoever computed last still looks out for work
/// on a core that is wanted now, and caches and working memory are those of other threads.
const SETTLE_MS: f64 = 20.0;

/// Times blocks of steps with each number of threads in turn, so that whatever else the machine does meets all alike.
pub fn measure(work: &mut Synthetic, threads: usize, warmup: usize, steps: usize) -> Result<Vec<Row>> {
    let counts = counts(threads);
    let pools = counts
        .iter()
        .map(|&n| rayon::ThreadPoolBuilder::new().num_threads(n).build())
        .collect::<Result<Vec<_>, _>>()
        .context("cannot start the computing threads")?;
    pools[0].install(|| (0..warmup).for_each(|_| work.step()));
    let mut times = vec![Vec::with_capacity(steps); counts.len()];
    for start in (0..steps).step_by(BLOCK) {
        for (pool, times) in pools.iter().zip(&mut times) {
            pool.install(|| {
                settle(|| time_ms(|| work.step()));
                times.extend((start..steps.min(start + BLOCK)).map(|_| time_ms(|| work.step())));
            });
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let one = medians[0];
    Ok(counts
        .into_iter()
        .zip(medians)
        .map(|(threads, ms)| Row {
            threads,
            ms_per_step: (ms * 1e3).round() / 1e3,
            speed_up: (one / ms * 1e3).round() / 1e3,
        })
        .collect())
}

/// Makes steps, of which each tells its time, until [`SETTLE_MS`] have passed.
fn settle(mut step: impl FnMut() -> f64) {
    let mut passed = 0.0;
    while passed < SETTLE_MS {
        passed += step();
    }
}

/// 1, 2, 4, ... and the number itself.
fn counts(threads: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < threads).collect();
    counts.push(threads);
    counts
}

/// As a table.
pub fn render(rows: &[Row]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let efficiency = row.speed_up / row.threads as f64;
            [
                row.threads.to_string(),
                format!("{:.2}", row.ms_per_step),
                format!("{:.2}", row.speed_up),
                percent(efficiency),
            ]
        })
        .collect();
    let right = Align::Right;
    table([("threads", right), ("ms", right), ("speed-up", right), ("of ideal", right)], &cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_up_to_the_end() {
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(2), [1, 2]);
        assert_eq!(counts(6), [1, 2, 4, 6]);
    }

    #[test]
    fn at_least_one_step_settles() {
        for (ms, expected) in [(30.0, 1), (9.0, 3)] {
            let mut made = 0;
            settle(|| {
                made += 1;
                ms
            });
            assert_eq!(made, expected, "steps of {ms} ms");
        }
    }

    #[test]
    fn a_table_of_speed_ups() {
        let row = |threads, ms_per_step, speed_up| Row { threads, ms_per_step, speed_up };
        let text = render(&[row(1, 10.0, 1.0), row(2, 5.5, 1.818)]);
        assert!(
            text.ends_with("      1  10.00      1.00   100.00%\n      2   5.50      1.82    90.90%\n"),
            "{text}"
        );
    }
}
