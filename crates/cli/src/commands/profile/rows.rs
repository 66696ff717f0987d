//! From the events of several steps to one row for each layer, op and pass.

use super::super::synthetic::median;
use super::Step;
use cresset_tensor::profile::{Cost, Event, Pass};
use std::collections::HashMap;
use std::time::Duration;

/// What a row of the profile adds up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The layer's path; `None` for functions between layers.
    pub layer: Option<String>,
    pub op: &'static str,
    pub algorithm: Option<&'static str>,
    /// `None` for what happens between ops.
    pub pass: Option<Pass>,
}

/// The events of a key in one step.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: Key,
    pub calls: usize,
    /// Median over the steps.
    pub ms: f64,
    pub cost: Cost,
}

/// The name of the row for what is not in any op.
pub const BETWEEN: &str = "between ops";

/// Rows in the order of the model: layers as their forward passes begin, then the optimizer's updates as one row, then
/// what lies between the ops. The rows of a step add up to its time.
pub fn of_steps(steps: &[Step]) -> Vec<Row> {
    let mut rows: Vec<(Row, Vec<f64>)> = Vec::new();
    let mut index: HashMap<Key, usize> = HashMap::new();
    for (number, step) in steps.iter().enumerate() {
        for part in parts(step) {
            let at = *index.entry(part.key.clone()).or_insert_with(|| {
                let row = Row { key: part.key, calls: 0, ms: 0.0, cost: Cost::default() };
                rows.push((row, Vec::new()));
                rows.len() - 1
            });
            let (row, times) = &mut rows[at];
            times.resize(number + 1, 0.0);
            times[number] += part.time.as_secs_f64() * 1e3;
            row.calls += part.calls;
            row.cost = sum(row.cost, part.cost);
        }
    }
    let n = steps.len().max(1);
    let rows = rows.into_iter().map(|(row, mut times)| {
        times.resize(n, 0.0);
        let Cost { macs, read, written } = row.cost;
        let cost = Cost { macs: macs / n as u64, read: read / n as u64, written: written / n as u64 };
        Row { calls: row.calls.div_ceil(n), ms: median(times), cost, ..row }
    });
    in_model_order(rows.collect())
}

/// Rows of the same op, algorithm and pass over all layers, longest first.
pub fn by_op(rows: &[Row]) -> Vec<Row> {
    let mut sums: Vec<Row> = Vec::new();
    for row in rows {
        let key = Key { layer: None, ..row.key.clone() };
        match sums.iter_mut().find(|sum| sum.key == key) {
            Some(total) => {
                total.calls += row.calls;
                total.ms += row.ms;
                total.cost = sum(total.cost, row.cost);
            }
            None => sums.push(Row { key, ..row.clone() }),
        }
    }
    longest_first(&mut sums);
    sums
}

/// Orders rows by time.
pub fn longest_first(rows: &mut [Row]) {
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
}

struct Part {
    key: Key,
    calls: usize,
    time: Duration,
    cost: Cost,
}

/// Every event with its own time, which is without the events inside; and the rest of the step.
fn parts(step: &Step) -> Vec<Part> {
    let mut parts = Vec::with_capacity(step.events.len());
    let mut rest = step.time;
    for (i, event) in step.events.iter().enumerate() {
        // Depth 0 is forward, backward and so on as a whole.
        if event.depth == 0 {
            continue;
        }
        if event.depth == 1 {
            rest = rest.saturating_sub(event.time);
        }
        let inside = step.events[i + 1..].iter().take_while(|e| e.depth > event.depth);
        let children = inside.filter(|e| e.depth == event.depth + 1);
        let (count, time) = children.fold((0, Duration::ZERO), |(n, t), e| (n + 1, t + e.time));
        parts.push(Part {
            key: key(event),
            calls: usize::from(count == 0),
            time: event.time.saturating_sub(time),
            // The events inside tell it.
            cost: if count == 0 { event.cost } else { Cost::default() },
        });
    }
    let key = Key { layer: None, op: BETWEEN, algorithm: None, pass: None };
    parts.push(Part { key, calls: 1, time: rest, cost: Cost::default() });
    parts
}

fn key(event: &Event) -> Key {
    // Parameters are updated alike: the trace tells them apart.
    let layer = if event.pass == Pass::Update { None } else { event.layer.as_deref().map(str::to_owned) };
    Key { layer, op: event.op, algorithm: event.algorithm, pass: Some(event.pass) }
}

fn sum(a: Cost, b: Cost) -> Cost {
    Cost { macs: a.macs + b.macs, read: a.read + b.read, written: a.written + b.written }
}

/// Brings the rows of a layer together, at the place where its first one was. A function without a layer counts as a
/// layer of its own.
fn in_model_order(rows: Vec<Row>) -> Vec<Row> {
    let group = |row: &Row| row.key.layer.clone().unwrap_or_else(|| format!("function {}", row.key.op));
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut placed: Vec<(usize, Row)> = rows
        .into_iter()
        .map(|row| {
            let next = places.len();
            let last = row.key.op == BETWEEN;
            (if last { usize::MAX } else { *places.entry(group(&row)).or_insert(next) }, row)
        })
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(op: &'static str, layer: &str, pass: Pass, depth: usize, start: u64, time: u64) -> Event {
        let layer = (!layer.is_empty()).then(|| layer.into());
        let (start, time) = (Duration::from_millis(start), Duration::from_millis(time));
        let cost = Cost { macs: time.as_millis() as u64, read: 2, written: 1 };
        Event { op, algorithm: None, layer, pass, depth, start, time, cost }
    }

    fn step(stretch: u64) -> Step {
        let e = event;
        let events = vec![
            e("forward", "", Pass::Forward, 0, 0, 50 * stretch),
            e("conv2d_batch_norm", "conv1", Pass::Forward, 1, 1, 10 * stretch),
            e("conv2d", "conv1", Pass::Forward, 2, 1, 6 * stretch),
            e("batch_norm", "conv1", Pass::Forward, 2, 7, 3 * stretch),
            e("relu", "", Pass::Forward, 1, 12, 5 * stretch),
            e("relu", "", Pass::Forward, 1, 18, 5 * stretch),
            e("backward", "", Pass::Backward, 0, 50, 40 * stretch),
            e("relu", "", Pass::Backward, 1, 51, 7 * stretch),
            e("conv2d", "conv1", Pass::WeightGradient, 1, 60, 20 * stretch),
            e("sgd", "conv1.weight", Pass::Update, 1, 90, 2 * stretch),
            e("sgd", "conv1.bias", Pass::Update, 1, 92, 2 * stretch),
        ];
        Step { start: Duration::ZERO, time: Duration::from_millis(100 * stretch), events }
    }

    #[test]
    fn own_times_in_the_order_of_the_model() {
        let rows = of_steps(&[step(1), step(3), step(2)]);
        let found: Vec<_> = rows.iter().map(|r| (r.key.op, r.key.layer.as_deref(), r.calls, r.ms)).collect();
        let expected = [
            ("conv2d_batch_norm", Some("conv1"), 0, 2.0),
            ("conv2d", Some("conv1"), 1, 12.0),
            ("batch_norm", Some("conv1"), 1, 6.0),
            ("conv2d", Some("conv1"), 1, 40.0),
            ("relu", None, 2, 20.0),
            ("relu", None, 1, 14.0),
            ("sgd", None, 2, 8.0),
            (BETWEEN, None, 1, 98.0),
        ];
        assert_eq!(found, expected);
        assert_eq!(rows.iter().map(|r| r.ms).sum::<f64>(), 200.0);
        assert_eq!(rows[0].cost, Cost::default(), "told by the events inside");
        assert_eq!(rows[6].cost, Cost { macs: 8, read: 4, written: 2 });
    }

    #[test]
    fn sums_over_layers_are_longest_first() {
        let sums = by_op(&of_steps(&[step(1)]));
        let found: Vec<_> = sums.iter().take(3).map(|r| (r.key.op, r.key.pass, r.ms)).collect();
        let expected = [
            (BETWEEN, None, 49.0),
            ("conv2d", Some(Pass::WeightGradient), 20.0),
            ("relu", Some(Pass::Forward), 10.0),
        ];
        assert_eq!(found, expected);
    }
}
