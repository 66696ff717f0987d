//! Ten thousand damaged files, the same every time. `CRESSET_MUTANTS=20` tries twenty times as many.

use cresset_hostile::READERS;
use cresset_hostile::judge::{Cost, alone, judge};
use cresset_hostile::mutate::mutant;
use cresset_tensor::Generator;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[test]
fn no_mutant_makes_a_reader_panic_hang_or_take_much_memory() {
    let _alone = alone();
    let times: usize = std::env::var("CRESSET_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut total = 0;
    for (number, reader) in READERS.iter().enumerate() {
        let seeds = (reader.seeds)();
        let mut most = Cost::default();
        let mut sum = 0.0;
        let mut run = |name: &str, bytes: &[u8]| {
            let ((), cost) = judge(&format!("{}: {name}", reader.name), bytes.len(), || (reader.read)(bytes));
            most = Cost { memory: most.memory.max(cost.memory), time: most.time.max(cost.time) };
            sum += cost.time.as_secs_f64();
        };
        seeds.iter().enumerate().for_each(|(n, seed)| run(&format!("seed {n}"), seed));
        for case in 0..reader.mutants * times {
            let mut rng = Generator::keyed(17, &[number as u64, case as u64]);
            let bytes = mutant(&seeds[case % seeds.len()], &seeds, &mut rng);
            run(&format!("mutant {case}"), &bytes);
        }
        total += reader.mutants * times;
        println!(
            "{:12} {:6} mutants, {sum:6.2} s, slowest {:4} ms, most memory {:5.1} MiB",
            reader.name,
            reader.mutants * times,
            most.time.as_millis(),
            most.memory as f64 / f64::from(1 << 20)
        );
    }
    println!("{total} mutants in all");
    assert!(total >= 10_000);
}

/// Cut short at every place: an error or fewer contents, and nothing worse.
#[test]
fn no_truncation_makes_a_reader_panic() {
    let _alone = alone();
    for reader in READERS {
        for (number, seed) in (reader.seeds)().iter().enumerate() {
            let step = seed.len() / 300 + 1;
            for length in (0..seed.len()).step_by(step) {
                let what = format!("{}: seed {number} cut to {length}", reader.name);
                judge(&what, length, || (reader.read)(&seed[..length]));
            }
        }
    }
}
