//! Drawings.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

/// Draws losses over learning rates, these on a logarithmic axis, and a mark at one rate.
///
/// # Errors
/// If there are fewer than two points, or the file cannot be written.
pub fn loss_over_rate(path: &Path, points: &[(f64, f64)], mark: Option<f64>) -> Result<()> {
    let mut text = String::new();
    draw(&mut text, points, mark).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    std::fs::write(path, text).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}

fn draw(
    text: &mut String,
    points: &[(f64, f64)],
    mark: Option<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let [(first, start), .., (last, _)] = *points else {
        return Err("fewer than two steps were made".into());
    };
    let low = points.iter().fold(f64::INFINITY, |low, point| low.min(point.1));
    // What lies above the start is of no interest, and would press the rest flat.
    let (low, high) = (0.95 * low, 1.5 * start.max(low));
    let area = SVGBackend::with_string(text, (800, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((first..last).log_scale(), low..high)?;
    let rate = |lr: &f64| format!("{lr:.0e}");
    chart.configure_mesh().x_desc("learning rate").y_desc("loss").x_label_formatter(&rate).draw()?;
    chart.draw_series(LineSeries::new(points.iter().map(|&(x, y)| (x, y.min(high))), &BLUE))?;
    if let Some(lr) = mark {
        chart.draw_series(LineSeries::new([(lr, low), (lr, high)], &RED))?;
    }
    area.present()?;
    Ok(())
}
