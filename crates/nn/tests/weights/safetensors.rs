//! The safetensors format.

use super::{Temp, refusal};
use cresset_nn::weights;
use cresset_tensor::Array;

/// A file of this header and this many bytes of numbers.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn every_number_type_is_converted() {
    let header = r#"{"__metadata__":{"format":"pt"},
        "h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
        "b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]},
        "d":{"dtype":"F64","shape":[],"data_offsets":[8,16]},
        "i":{"dtype":"I32","shape":[1],"data_offsets":[16,20]},
        "u":{"dtype":"U8","shape":[2],"data_offsets":[20,22]},
        "t":{"dtype":"BOOL","shape":[2],"data_offsets":[22,24]},
        "s":{"dtype":"I16","shape":[1],"data_offsets":[24,26]}}"#;
    let data = [
        &[0x00, 0x3c, 0x01, 0x80][..],
        &[0x80, 0x3f, 0x49, 0xc0],
        &(-1.5f64).to_le_bytes(),
        &(-7i32).to_le_bytes(),
        &[255, 3, 1, 0],
        &(-300i16).to_le_bytes(),
    ]
    .concat();
    let temp = Temp::with("all.safetensors", file(header, &data));
    let loaded = weights::load(temp.path()).unwrap();
    let t = &loaded.tensors;
    assert!(t.keys().eq(["h", "b", "d", "i", "u", "t", "s"]), "the header's order");
    assert_eq!(loaded.metadata["format"], "pt");
    // The smallest negative half precision number, and pi as far as bfloat16 has it.
    assert_eq!(t["h"].to_vec(), [1.0, -(2f32.powi(-24))]);
    assert_eq!(t["b"].to_vec(), [1.0, -3.140_625]);
    assert_eq!(*t["b"].shape(), [1, 2]);
    assert_eq!(t["d"].to_vec(), [-1.5]);
    assert_eq!(t["i"].to_vec_i64(), [-7]);
    assert_eq!(t["u"].to_vec_i64(), [255, 3]);
    assert_eq!(t["t"].to_vec_bool(), [true, false]);
    assert_eq!(t["s"].to_vec_i64(), [-300]);
}

#[test]
fn wide_numbers_are_aligned_and_the_order_is_kept() {
    let tensors = [
        ("a", Array::from_bools(vec![true], [1])),
        ("b", Array::from_vec(vec![1.0], [1])),
        ("c", Array::from_i64(vec![5], [])),
    ];
    let temp = Temp::new("mixed.safetensors");
    weights::save(temp.path(), &tensors.map(|(k, v)| (k.to_owned(), v)).into(), &Default::default()).unwrap();
    let bytes = std::fs::read(temp.path()).unwrap();
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(size % 8, 0);
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + size as usize]).unwrap();
    assert_eq!(header["c"]["data_offsets"], serde_json::json!([0, 8]));
    assert_eq!(header["b"]["data_offsets"], serde_json::json!([8, 12]));
    assert_eq!(header["a"]["data_offsets"], serde_json::json!([12, 13]));
    assert!(weights::load(temp.path()).unwrap().tensors.keys().eq(["a", "b", "c"]));
}

#[test]
fn hostile_and_damaged_headers_are_refused() {
    let refused = |header: &str, data: &[u8], part: &str| {
        let message = refusal("bad.safetensors", file(header, data));
        assert!(message.contains(part), "{header}: {message}");
    };
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    refused(&tensor("F32", "[2]", "[0,8]"), &[0; 4], "describes 8 bytes of numbers, the file has 4");
    refused(&tensor("F32", "[2]", "[0,8]"), &[0; 12], "describes 8 bytes of numbers, the file has 12");
    refused(&tensor("F32", "[3]", "[0,8]"), &[0; 8], "damaged: the header is not what it should be");
    refused(&tensor("F32", "[2]", "[4,12]"), &[0; 12], "damaged");
    refused(&tensor("F32", "[2]", "[8,0]"), &[0; 8], "damaged");
    refused(&tensor("F32", "[4294967296,4294967296,4]", "[0,8]"), &[0; 8], "damaged");
    refused(&tensor("F32", "[0,4611686018427387904,4611686018427387904]", "[0,0]"), &[], "is too large");
    refused(&tensor("F32", "[-2]", "[0,8]"), &[0; 8], "damaged");
    refused(&tensor("F99", "[2]", "[0,8]"), &[0; 8], "damaged");
    refused(
        &tensor("F8_E4M3", "[2]", "[0,2]"),
        &[0; 2],
        "tensor \"x\" is of type F8_E4M3, which is not supported; convert it to F32",
    );
    refused("{\"x\":[]}", &[], "damaged");
    refused("{not json", &[], "damaged");
    refused(
        r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        &[0; 4],
        "damaged",
    );

    let mut claims_too_much = file("{}", &[]);
    claims_too_much[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(
        refusal("huge.safetensors", &claims_too_much)
            .contains("the header claims 18446744073709551615 bytes")
    );
    assert!(
        refusal("cut.safetensors", &file("{}        ", &[])[..12]).contains("the header claims 10 bytes")
    );
}
