//! Damage to files: the same for the same number.

use cresset_tensor::Generator;

/// Numbers that sizes are mistaken for.
const AWKWARD: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    60_000,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// A good file with one to four things wrong. `others` are good files of the same kind, to be mixed in.
pub fn mutant(good: &[u8], others: &[Vec<u8>], rng: &mut Generator) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=below(rng, 4) {
        damage(&mut bytes, others, rng);
    }
    bytes
}

fn below(rng: &mut Generator, bound: usize) -> usize {
    rng.below(bound.max(1) as u64) as usize
}

fn damage(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Generator) {
    // Headers stand at the beginning: every second change is there.
    let place = match below(rng, 2) {
        0 => below(rng, bytes.len().min(64)),
        _ => below(rng, bytes.len()),
    };
    match below(rng, 10) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << below(rng, 8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = below(rng, 256) as u8;
            }
        }
        3 => bytes.truncate(place),
        4 | 5 => number(bytes, place, rng),
        6 => digits(bytes, place, rng),
        7 => {
            // A piece is gone, or there twice.
            let end = (place + 1 + below(rng, 64)).min(bytes.len());
            let piece = bytes[place..end].to_vec();
            if below(rng, 2) == 0 {
                bytes.drain(place..end);
            } else {
                bytes.splice(place..place, piece);
            }
        }
        8 => {
            // The beginning of one file, the end of another.
            let other = &others[below(rng, others.len())];
            let from = below(rng, other.len());
            bytes.truncate(place);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let random: Vec<u8> = (0..below(rng, 16)).map(|_| below(rng, 256) as u8).collect();
            bytes.splice(place..place, random);
        }
    }
}

/// A length field, of either byte order, says something else.
fn number(bytes: &mut [u8], place: usize, rng: &mut Generator) {
    let width = [1, 2, 4, 8][below(rng, 4)];
    let Some(field) = bytes.get_mut(place..place + width) else { return };
    let mut value = [0; 8];
    value[..width].copy_from_slice(field);
    let found = u64::from_le_bytes(value);
    let new = match below(rng, 4) {
        0 => found.wrapping_add(1),
        1 => found.wrapping_sub(1),
        _ => AWKWARD[below(rng, AWKWARD.len())],
    };
    let new = new.to_le_bytes();
    field.copy_from_slice(&new[..width]);
    if below(rng, 2) == 0 {
        field.reverse();
    }
}

/// A number in a text says something else.
fn digits(bytes: &mut Vec<u8>, place: usize, rng: &mut Generator) {
    let Some(start) = bytes[place.min(bytes.len())..].iter().position(u8::is_ascii_digit) else { return };
    let start = place + start;
    let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| start + n);
    let value = AWKWARD[below(rng, AWKWARD.len())];
    let sign = if below(rng, 4) == 0 { "-" } else { "" };
    let exponent = if below(rng, 4) == 0 { "e308" } else { "" };
    bytes.splice(start..end, format!("{sign}{value}{exponent}").into_bytes());
}

/// A PNG file whose chunks have the right checksums, so that damage reaches what is behind them.
pub fn png_with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let end = at + 8 + length;
        let Some(chunk) = bytes.get(at + 4..end) else { break };
        let sum = crc32fast::hash(chunk);
        let Some(field) = bytes.get_mut(end..end + 4) else { break };
        field.copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
    bytes
}

/// A zip archive whose directory has the checksums of what the entries hold now.
pub fn zip_with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let number = |bytes: &[u8], at: usize| -> Option<usize> {
        let field = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes([field[0], field[1], field[2], field[3]]) as usize)
    };
    let short = |bytes: &[u8], at: usize| -> Option<usize> {
        let field = bytes.get(at..at + 2)?;
        Some(usize::from(u16::from_le_bytes([field[0], field[1]])))
    };
    for at in 0..bytes.len() {
        if !bytes[at..].starts_with(b"PK\x01\x02") {
            continue;
        }
        let content = || {
            let (size, start) = (number(&bytes, at + 24)?, number(&bytes, at + 42)?);
            let start = start + 30 + short(&bytes, start + 26)? + short(&bytes, start + 28)?;
            bytes.get(start..start.checked_add(size)?)
        };
        let Some(sum) = content().map(crc32fast::hash) else { continue };
        if let Some(field) = bytes.get_mut(at + 16..at + 20) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
    }
    bytes
}
