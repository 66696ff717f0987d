//! What is printed: a table by layer, one by op, and the machine's limits beside them.

use super::super::synthetic::{Mode, Synthetic, median};
use super::rows::{BETWEEN, Row, by_op, longest_first, of_steps};
use super::{Sort, Step};
use crate::ui::number::{percent, shape, thousands};
use crate::ui::table::{Align, table};
use cresset_kernels::simd::isa;
use cresset_kernels::{parallel, peak};
use serde::Serialize;
use std::time::Duration;

/// The JSON of a profile.
#[derive(Serialize)]
pub struct Report {
    engine: String,
    model: &'static str,
    mode: Mode,
    /// Images, channels, height, width.
    input: [usize; 4],
    steps: usize,
    ms_per_step: f64,
    machine: Machine,
    layers: Vec<Line>,
    ops: Vec<Line>,
}

/// The measured limits.
#[derive(Serialize)]
struct Machine {
    isa: &'static str,
    threads: usize,
    /// Multiply-adds on registers alone, float32.
    gflops: f64,
    /// Read and written together, of arrays far larger than the caches.
    copy_gb_per_second: f64,
    /// The same for copies that hold so many bytes: (bytes, GB/s).
    copies: Vec<(usize, f64)>,
}

/// A row with its rates.
#[derive(Serialize)]
struct Line {
    layer: Option<String>,
    op: &'static str,
    algorithm: Option<&'static str>,
    pass: Option<&'static str>,
    calls: usize,
    ms: f64,
    /// Of the step's time.
    share: f64,
    macs: u64,
    gflops: f64,
    /// Of the machine's; a Winograd convolution may exceed 1.
    share_of_flops: f64,
    bytes_read: u64,
    bytes_written: u64,
    gb_per_second: f64,
    /// Of the machine's; what stays in caches may exceed 1.
    share_of_copy: f64,
}

impl Machine {
    fn measure() -> Self {
        let copy = |bytes| peak::copy_bandwidth(bytes, Duration::from_millis(20)) / 1e9;
        let copies: Vec<_> = (18..=28).step_by(2).map(|log| (1 << log, copy(1 << log))).collect();
        Self {
            isa: isa().name(),
            threads: parallel::num_threads(),
            gflops: peak::flops(Duration::from_millis(100)) / 1e9,
            copy_gb_per_second: copies.last().map_or(f64::NAN, |&(_, rate)| rate),
            copies,
        }
    }
}

impl Report {
    pub fn new(work: &Synthetic, mode: Mode, steps: &[Step], sort: Sort) -> Self {
        let machine = Machine::measure();
        let ms_per_step = median(steps.iter().map(|step| step.time.as_secs_f64() * 1e3).collect());
        let mut rows = of_steps(steps);
        let ops = by_op(&rows);
        if sort == Sort::Time {
            longest_first(&mut rows);
        }
        let lines =
            |rows: Vec<Row>| rows.into_iter().map(|row| Line::new(row, ms_per_step, &machine)).collect();
        Self {
            engine: format!("cresset {}", env!("CARGO_PKG_VERSION")),
            model: work.name,
            mode,
            input: work.shape,
            steps: steps.len(),
            ms_per_step,
            layers: lines(rows),
            ops: lines(ops),
            machine,
        }
    }

    pub fn render(&self) -> String {
        let Machine { isa, threads, gflops, copy_gb_per_second: copy, .. } = &self.machine;
        let between: f64 = self.ops.iter().filter(|line| line.op == BETWEEN).map(|line| line.share).sum();
        format!(
            "{} {} of {} images on {} threads ({isa})\n\n{}\n{}
step     {:.3} ms, the median of {}; {} of it between ops
machine  {gflops:.0} GFLOP/s of multiply-adds, {copy:.1} GB/s copying memory: what \"of peak\" and \"of copy\" compare with

GFLOP/s count a direct convolution's multiply-adds, so Winograd may exceed the peak; GB/s count each array once, so
what stays in caches may exceed a copy.\n",
            self.model,
            self.mode.noun(),
            shape(&self.input),
            threads,
            render(&self.layers, true),
            render(&self.ops, false),
            self.ms_per_step,
            self.steps,
            percent(between),
        )
    }
}

impl Line {
    fn new(row: Row, step_ms: f64, machine: &Machine) -> Self {
        let Row { key, calls, ms, cost } = row;
        let rate = |amount: u64| if ms > 0.0 { amount as f64 / ms / 1e6 } else { 0.0 };
        let (gflops, gb_per_second) = (rate(2 * cost.macs), rate(cost.read + cost.written));
        Self {
            layer: key.layer,
            op: key.op,
            algorithm: key.algorithm,
            pass: key.pass.map(|pass| pass.name()),
            calls,
            ms,
            share: ms / step_ms,
            macs: cost.macs,
            gflops,
            share_of_flops: gflops / machine.gflops,
            bytes_read: cost.read,
            bytes_written: cost.written,
            gb_per_second,
            share_of_copy: gb_per_second / machine.copy_gb_per_second,
        }
    }
}

fn render(lines: &[Line], layers: bool) -> String {
    let dash = || "-".to_owned();
    let whole = |share: f64| format!("{:.0}%", share * 100.0);
    let cells = lines.iter().map(|line| {
        let op = match line.algorithm {
            Some(algorithm) => format!("{} ({algorithm})", line.op),
            None => line.op.to_owned(),
        };
        let (flops, bytes) = (line.macs > 0, line.bytes_read + line.bytes_written > 0);
        [
            line.layer.clone().unwrap_or_else(dash),
            op,
            line.pass.map_or_else(dash, str::to_owned),
            if line.calls == 0 { dash() } else { thousands(line.calls as u64) },
            format!("{:.3}", line.ms),
            percent(line.share),
            if flops { format!("{:.1}", line.gflops) } else { dash() },
            if flops { whole(line.share_of_flops) } else { dash() },
            if bytes { format!("{:.1}", line.gb_per_second) } else { dash() },
            if bytes { whole(line.share_of_copy) } else { dash() },
        ]
    });
    let (left, right) = (Align::Left, Align::Right);
    let head = [
        ("layer", left),
        ("op", left),
        ("pass", left),
        ("calls", right),
        ("ms", right),
        ("share", right),
        ("GFLOP/s", right),
        ("of peak", right),
        ("GB/s", right),
        ("of copy", right),
    ];
    if layers {
        return table(head, &cells.collect::<Vec<_>>());
    }
    let [_, rest @ ..] = head;
    table(rest, &cells.map(|[_, rest @ ..]| rest).collect::<Vec<_>>())
}
