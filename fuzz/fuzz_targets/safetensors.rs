#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cresset_hostile::readers::safetensors(bytes));
