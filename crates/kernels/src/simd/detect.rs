//! Which instruction set to use: the best the processor has, unless `CRESSET_ISA` names another.

use super::{Kernel, Scalar};
use std::fmt;
use std::sync::OnceLock;

/// An instruction set the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// The same with AVX512_BF16, whose dot products of bfloat16 numbers training in mixed precision uses.
    Avx512Bf16,
    /// AVX-512 (F and VL), sixteen lanes.
    Avx512,
    /// AVX2 with FMA, eight lanes.
    Avx2,
    /// NEON, four lanes.
    Neon,
    /// Plain floats.
    Scalar,
    /// Sixteen portable lanes.
    #[cfg(test)]
    Wide,
}

impl Isa {
    /// All of them, best first.
    pub const ALL: [Isa; 5] = [Isa::Avx512Bf16, Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Scalar];

    /// The name that `CRESSET_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::Scalar => "scalar",
            #[cfg(test)]
            Isa::Wide => "wide",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => true,
            Isa::Scalar => true,
            #[cfg(test)]
            Isa::Wide => true,
            #[allow(unreachable_patterns)] // those of other architectures
            _ => false,
        }
    }

    /// Those this processor has, best first; never empty.
    pub fn available() -> impl Iterator<Item = Isa> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    fn parse(name: &str) -> Option<Isa> {
        #[cfg(test)]
        if name == Isa::Wide.name() {
            return Some(Isa::Wide);
        }
        Self::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The instruction set all kernels use, decided at the first call.
///
/// It is the best the processor has, or the one the environment variable `CRESSET_ISA` names (`avx512-bf16`,
/// `avx512`, `avx2`, `neon`, `scalar`). A name that is unknown or not available is reported once on stderr and ignored.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let (chosen, warning) = choose(std::env::var("CRESSET_ISA").ok().as_deref());
        if let Some(warning) = warning {
            eprintln!("warning: {warning}");
        }
        chosen
    })
}

/// The choice for a value of `CRESSET_ISA`, and what to tell the user when it cannot be followed.
pub(super) fn choose(requested: Option<&str>) -> (Isa, Option<String>) {
    let best = Isa::available().next().unwrap_or(Isa::Scalar);
    let Some(name) = requested.filter(|name| !name.is_empty()) else { return (best, None) };
    match Isa::parse(name) {
        Some(isa) if isa.is_available() => (isa, None),
        found => {
            let reason =
                if found.is_some() { "this processor does not have it" } else { "no such instruction set" };
            let names: Vec<_> = Isa::available().map(Isa::name).collect();
            let warning =
                format!("CRESSET_ISA={name}: {reason}; using {best} (available here: {})", names.join(", "));
            (best, Some(warning))
        }
    }
}

/// Runs `kernel` compiled for the instruction set of [`isa`].
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: `isa` returns only what the processor has.
    unsafe { run_on(isa(), kernel) }
}

/// [`dispatch`] for kernels that have `lanes` numbers side by side, of which there are few: not with vectors of sixteen where
/// the last would be half empty, since partial vectors cost more than whole ones.
#[inline]
pub fn dispatch_narrow<K: Kernel>(lanes: usize, kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if lanes < 32 && (1..=8).contains(&(lanes % 16)) && matches!(isa(), Isa::Avx512 | Isa::Avx512Bf16) {
        // SAFETY: `isa` returns only what the processor has.
        return unsafe { run_avx512_narrow(kernel) };
    }
    dispatch(kernel)
}

/// Whether the processor has an instruction for [`Simd::dot_pairs`](super::Simd::dot_pairs), so that
/// [`dispatch_pairs`] can be called.
pub fn has_pairs() -> bool {
    isa() == Isa::Avx512Bf16
}

/// [`dispatch`] for kernels that use [`Simd::dot_pairs`](super::Simd::dot_pairs). Tests run them without the instruction
/// too; elsewhere they are not compiled for other instruction sets.
///
/// # Panics
/// If not [`has_pairs`].
#[inline]
pub fn dispatch_pairs<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if has_pairs() {
        // SAFETY: `isa` returns only what the processor has.
        return unsafe { run_avx512_bf16(kernel) };
    }
    #[cfg(test)]
    return dispatch(kernel);
    #[cfg(not(test))]
    {
        let _ = kernel;
        unreachable!("has_pairs() was not asked")
    }
}

/// Runs `kernel` compiled for `isa`: for tests and benchmarks that compare instruction sets.
///
/// # Panics
/// When the processor does not have `isa`.
pub fn dispatch_on<K: Kernel>(isa: Isa, kernel: K) -> K::Out {
    assert!(isa.is_available(), "this processor does not have {isa}");
    // SAFETY: checked above.
    unsafe { run_on(isa, kernel) }
}

/// # Safety
/// The processor must have `isa`.
#[inline]
unsafe fn run_on<K: Kernel>(isa: Isa, kernel: K) -> K::Out {
    match isa {
        // SAFETY: the caller guarantees the instruction set.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bf16 | Isa::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: the caller guarantees the instruction set.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        // SAFETY: the caller guarantees the instruction set.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { kernel.run::<super::Neon>() },
        // SAFETY: needs no instruction set beyond the baseline.
        #[cfg(test)]
        Isa::Wide => unsafe { kernel.run::<super::wide::Wide>() },
        // SAFETY: needs no instruction set beyond the baseline.
        _ => unsafe { kernel.run::<Scalar>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: the caller guarantees AVX-512F and VL (which imply AVX2 and FMA).
    unsafe { kernel.run::<super::Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bf16,avx2,fma")]
unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: the caller guarantees AVX512_BF16 (which implies the others).
    unsafe { kernel.run::<super::Avx512>() }
}

/// Vectors of AVX2 in the twice as many registers of AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
unsafe fn run_avx512_narrow<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: the caller guarantees AVX-512F and VL (which imply AVX2 and FMA).
    unsafe { kernel.run::<super::Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: the caller guarantees AVX2 and FMA.
    unsafe { kernel.run::<super::Avx2>() }
}
