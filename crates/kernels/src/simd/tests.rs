use super::detect::choose;
use super::wide::Wide;
use super::{Isa, Kernel, Simd, dispatch_on};

/// Calls every operation and compares it, lane by lane, with plain Rust.
struct Check;

impl Kernel for Check {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let a: Vec<f32> = (0..S::LANES).map(|i| i as f32 * 0.75 - 2.5).collect();
        let b: Vec<f32> = (0..S::LANES).map(|i| 1.25 - (i * i % 7) as f32).collect();
        let c: Vec<f32> = (0..S::LANES).map(|i| (i * 5 % 11) as f32 + 0.5).collect();
        let lanes = |v: S::V| {
            let mut out = vec![0.0; S::LANES];
            // SAFETY: out has LANES floats.
            unsafe { S::store(out.as_mut_ptr(), v) };
            out
        };
        let zip = |f: &dyn Fn(f32, f32, f32) -> f32| -> Vec<f32> {
            (0..S::LANES).map(|i| f(a[i], b[i], c[i])).collect()
        };
        // SAFETY: dispatch guarantees the instruction set; all pointers are to LANES floats.
        unsafe {
            let (va, vb, vc) = (S::load(a.as_ptr()), S::load(b.as_ptr()), S::load(c.as_ptr()));
            assert_eq!(lanes(S::zero()), vec![0.0; S::LANES]);
            assert_eq!(lanes(S::splat(3.5)), vec![3.5; S::LANES]);
            assert_eq!(lanes(S::add(va, vb)), zip(&|a, b, _| a + b));
            assert_eq!(lanes(S::sub(va, vb)), zip(&|a, b, _| a - b));
            assert_eq!(lanes(S::mul(va, vb)), zip(&|a, b, _| a * b));
            assert_eq!(lanes(S::div(va, vc)), zip(&|a, _, c| a / c));
            // These products are exact, so one rounding or two makes no difference.
            assert_eq!(lanes(S::fma(va, vb, vc)), zip(&|a, b, c| a * b + c));
            assert_eq!(lanes(S::fnma(va, vb, vc)), zip(&|a, b, c| c - a * b));
            assert_eq!(lanes(S::sqrt(vc)), zip(&|_, _, c| c.sqrt()));
            assert_eq!(lanes(S::max(va, vb)), zip(&|a, b, _| a.max(b)));
            assert_eq!(lanes(S::min(va, vb)), zip(&|a, b, _| a.min(b)));
            assert_eq!(lanes(S::select_gt(va, vb, vc, va)), zip(&|a, b, c| if a > b { c } else { a }));
            assert_eq!(
                lanes(S::select_eq(vb, S::splat(1.25), vc, va)),
                zip(&|a, b, c| if b == 1.25 { c } else { a })
            );
            assert_eq!(lanes(S::select_above(va, vb, vc, va)), zip(&|a, b, c| if a > b { c } else { a }));
            assert_eq!(lanes(S::select_above(S::splat(f32::NAN), vb, vc, va)), c);
            assert_eq!(lanes(S::select_above(va, S::splat(f32::NAN), vc, va)), a);
            let integers: Vec<u16> =
                (0..S::LANES).map(|i| (i * 65535 / S::LANES.max(2)) as u16 + 1).collect();
            let mut copy = vec![0; S::LANES];
            S::store_u16(copy.as_mut_ptr(), S::load_u16(integers.as_ptr()));
            assert_eq!(copy, integers);
            assert_eq!(lanes(S::select_positive(va, vb, vc)), zip(&|a, b, c| if a > 0.0 { b } else { c }));
            assert_eq!(lanes(S::round(va)), zip(&|a, _, _| a.round_ties_even()));
            let n = S::round(S::mul(va, S::splat(8.0)));
            assert_eq!(lanes(S::exp2_int(n)), zip(&|a, _, _| (a * 8.0).round_ties_even().exp2()));
            assert_eq!(S::reduce_max(vb), b.iter().copied().fold(f32::MIN, f32::max));
            assert_eq!(S::reduce_sum(va), a.iter().sum::<f32>());
            let nan = S::splat(f32::NAN);
            assert!(lanes(S::max(S::zero(), nan)).iter().all(|x| x.is_nan()));
            assert_eq!(lanes(S::max(nan, S::zero())), vec![0.0; S::LANES]);
            let (rows, columns) = (S::LANES + 3, S::LANES + 1);
            let block: Vec<f32> = (0..S::LANES * rows).map(|i| i as f32).collect();
            let mut transposed = vec![-1.0; S::LANES * columns];
            S::transpose(block.as_ptr(), rows, transposed.as_mut_ptr(), columns);
            for (i, &x) in transposed.iter().enumerate() {
                let (j, i) = (i / columns, i % columns);
                assert_eq!(x, if i < S::LANES { block[i * rows + j] } else { -1.0 });
            }
            for n in 0..=S::LANES {
                let mut expected = a.clone();
                expected[n..].fill(0.0);
                assert_eq!(lanes(S::load_partial(a.as_ptr(), n)), expected);
                let mut out = b.clone();
                S::store_partial(out.as_mut_ptr(), va, n);
                assert_eq!(out, [&a[..n], &b[n..]].concat());
            }
        }
    }
}

#[test]
fn every_operation_on_every_instruction_set() {
    for isa in Isa::available() {
        dispatch_on(isa, Check);
    }
    // SAFETY: Wide needs no instruction set.
    unsafe { Check.run::<Wide>() };
}

#[test]
fn an_unusable_request_is_explained_and_ignored() {
    let (best, warning) = choose(None);
    assert!(best.is_available() && warning.is_none());
    assert_eq!(choose(Some("SCALAR")), (Isa::Scalar, None));
    let (isa, warning) = choose(Some("sse9"));
    assert_eq!(isa, best);
    assert!(warning.unwrap().starts_with("CRESSET_ISA=sse9: no such instruction set; using"));
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let (isa, warning) = choose(Some(foreign));
    assert_eq!(isa, best);
    assert!(warning.unwrap().contains("this processor does not have it"));
}

/// Runs all tests of this crate again, in a process for each other instruction set.
#[test]
fn the_whole_suite_passes_on_every_instruction_set() {
    if std::env::var_os("CRESSET_ISA").is_some() {
        return; // this is such a process, or the user asked for one instruction set
    }
    let children: Vec<_> = Isa::available()
        .chain([Isa::Wide])
        .filter(|&isa| isa != super::isa())
        .map(|isa| {
            let child = std::process::Command::new(std::env::current_exe().unwrap())
                .env("CRESSET_ISA", isa.name())
                .env("RUST_BACKTRACE", "0")
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            (isa, child)
        })
        .collect();
    for (isa, child) in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "on {isa}:\n{}", String::from_utf8_lossy(&output.stdout));
    }
}
