//! The profile as a Chrome trace: the JSON that chrome://tracing and ui.perfetto.dev open.
//!
//! [Trace Event Format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), complete
//! events (`"ph": "X"`) with times in microseconds; what lies within another is drawn below it.

use super::Step;
use cresset_tensor::profile::Event;
use serde_json::{Value, json};
use std::time::Duration;

/// All steps on one line of time.
pub fn trace(name: &str, steps: &[Step]) -> Value {
    let mut events = vec![
        json!({"ph": "M", "name": "process_name", "pid": 1, "args": {"name": name}}),
        json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": 1, "args": {"name": "step"}}),
    ];
    for (i, step) in steps.iter().enumerate() {
        events.push(complete(&format!("step {}", i + 1), "step", step.start, step.time, json!({})));
        for event in &step.events {
            let name = match &event.layer {
                Some(layer) => format!("{} {layer}", event.op),
                None => event.op.to_owned(),
            };
            events.push(complete(
                &name,
                event.pass.name(),
                step.start + event.start,
                event.time,
                details(event),
            ));
        }
    }
    json!({"displayTimeUnit": "ms", "traceEvents": events})
}

fn complete(name: &str, category: &str, start: Duration, time: Duration, details: Value) -> Value {
    let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
    json!({
        "ph": "X", "pid": 1, "tid": 1,
        "name": name, "cat": category, "ts": micros(start), "dur": micros(time), "args": details,
    })
}

fn details(event: &Event) -> Value {
    let mut details = json!({"op": event.op});
    let mut put = |key: &str, value: Value| details[key] = value;
    if let Some(layer) = &event.layer {
        put("layer", json!(**layer));
    }
    if let Some(algorithm) = event.algorithm {
        put("algorithm", json!(algorithm));
    }
    let (cost, seconds) = (event.cost, event.time.as_secs_f64());
    if cost.macs > 0 {
        put("macs", json!(cost.macs));
        put("GFLOP/s", json!(2.0 * cost.macs as f64 / seconds / 1e9));
    }
    if cost.read + cost.written > 0 {
        put("bytes read", json!(cost.read));
        put("bytes written", json!(cost.written));
        put("GB/s", json!((cost.read + cost.written) as f64 / seconds / 1e9));
    }
    details
}
