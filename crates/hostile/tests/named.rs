//! Attacks that have a name.

use cresset_hostile::judge::{alone, judge};
use cresset_hostile::{mutate, seeds};
use cresset_nn::weights::{self, Weights};
use cresset_train::checkpoint::Checkpoint;
use cresset_vision::datasets::cifar::CIFAR10;
use cresset_vision::datasets::{Dataset, ImageArchive, ImageFolder, idx};
use cresset_vision::image::{Color, Image, decode_bytes, write_png};
use flate2::Compression;
use flate2::write::GzEncoder;
use peak_alloc::PeakAlloc;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const NAME: &str = "hostile";

/// Reads weights within the limits.
fn load(bytes: &[u8]) -> Result<Weights, String> {
    judge("weights", bytes.len(), || weights::load_bytes(bytes, NAME)).0.map_err(|e| e.to_string())
}

/// The message of a refusal: one line that names the file.
#[track_caller]
fn refused<T>(what: &str, bytes: &[u8], read: impl FnOnce(&[u8]) -> Result<T, String>) -> String {
    let message = judge(what, bytes.len(), || read(bytes)).0.err().expect("a refusal");
    assert!(message.contains(NAME) && !message.contains('\n'), "{what}: {message}");
    message
}

#[track_caller]
fn weights_refused(bytes: &[u8], part: &str) {
    let message = refused("weights", bytes, |bytes| weights::load_bytes(bytes, NAME).map_err(text));
    assert!(message.contains(part), "{part:?} is missing in {message:?}");
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn safetensors(header: &str, numbers: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; numbers]].concat()
}

fn gzipped(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    bytes.for_each(|block| gzip.write_all(&block).unwrap());
    gzip.finish().unwrap()
}

#[test]
fn safetensors_headers() {
    let _alone = alone();
    let mut longest = safetensors("{}", 0);
    longest[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    weights_refused(&longest, "the header claims 18446744073709551615 bytes");

    let entry = |name: &str, shape: &str, from: usize, to: usize| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: String, b: String| safetensors(&format!("{{{a},{b}}}"), 8);
    weights_refused(&two(entry("a", "[2]", 0, 8), entry("b", "[1]", 4, 8)), "damaged");
    weights_refused(&two(entry("a", "[1]", 0, 4), entry("b", "[1]", 0, 4)), "damaged");
    weights_refused(&two(entry("a", "[1]", 0, 4), entry("b", "[0]", 6, 6)), "damaged");
    weights_refused(&two(entry("a", "[1]", 0, 4), entry("a", "[1]", 4, 8)), "two tensors of the name \"a\"");
    weights_refused(&two(entry("a", "[2]", 0, 8), entry("a", "[2]", 0, 8)), "two tensors of the name \"a\"");
    for shape in ["[4294967296,4294967296]", "[18446744073709551615,2]", "[9223372036854775808,2,1]"] {
        weights_refused(&safetensors(&format!("{{{}}}", entry("a", shape, 0, 8)), 8), "damaged");
    }
    weights_refused(
        &safetensors(&format!("{{{}}}", entry("a", "[0,4611686018427387904,4]", 0, 0)), 0),
        "too large",
    );
    // Deep JSON must not exhaust the stack.
    weights_refused(&safetensors(&format!("{{\"a\":{}", "[".repeat(1 << 20)), 0), "damaged");
    weights_refused(&safetensors(&format!("{{\"a\":{}", "{\"a\":".repeat(1 << 18)), 0), "damaged");
}

#[test]
fn a_hundred_thousand_tensors() {
    let _alone = alone();
    let entries: Vec<String> = (0..100_000)
        .map(|n| format!(r#""t{n}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}"#, 4 * n, 4 * n + 4))
        .collect();
    let tensors = load(&safetensors(&format!("{{{}}}", entries.join(",")), 400_000)).unwrap().tensors;
    assert_eq!((tensors.len(), tensors["t99999"].numel()), (100_000, 1));
    // So many that nobody has them, in as few bytes as they can be said.
    let empty: Vec<String> = (0..250_000)
        .map(|n| format!(r#""{n:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    weights_refused(&safetensors(&format!("{{{}}}", empty.join(",")), 0), "more than 131072 tensors");
    let fewer = safetensors(&format!("{{{}}}", empty[..131_072].join(",")), 0);
    assert_eq!(load(&fewer).unwrap().tensors.len(), 131_072);
}

#[test]
fn every_truncation_of_a_file_of_weights() {
    let _alone = alone();
    for seed in [seeds::safetensors(), seeds::pth(), seeds::checkpoint()].concat() {
        assert!(load(&seed).is_ok());
        for length in 0..seed.len() {
            assert!(load(&seed[..length]).is_err(), "{length} bytes of {}", seed.len());
        }
    }
}

/// Every byte, one bit of it in turn: the damage is found, or the contents are the same.
#[test]
fn every_flipped_byte_of_a_checkpoint() {
    let _alone = alone();
    let contents = |bytes: &[u8]| {
        let checkpoint = Checkpoint::from_bytes(bytes, Path::new(NAME)).ok()?;
        let tensors = |dict: &cresset_nn::StateDict| -> Vec<(String, Vec<u32>)> {
            let bits = |a: &cresset_tensor::Array| a.to_vec().iter().map(|v| v.to_bits()).collect();
            dict.iter().map(|(name, array)| (name.clone(), bits(array))).collect()
        };
        let training = checkpoint.training.map(|t| {
            (
                t.progress,
                t.config,
                tensors(&t.optimizer),
                tensors(&t.average),
                tensors(&t.gradients),
                t.images,
            )
        });
        Some((checkpoint.card, tensors(&checkpoint.weights), training))
    };
    for good in seeds::checkpoint() {
        let expected = contents(&good).unwrap();
        let mut unnoticed = 0;
        for at in 0..good.len() {
            for flip in [1 << (at % 8), 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                if let Some(found) = judge("flip", bytes.len(), || contents(&bytes)).0 {
                    assert!(found == expected, "byte {at} ^ {flip:#x} changes what is read");
                    unnoticed += 1;
                }
            }
        }
        assert!(unnoticed < 32, "{unnoticed} flips unnoticed: more than the padding of the header");
    }
}

#[test]
fn bombs_in_gzip() {
    let _alone = alone();
    let read_idx = |bytes: &[u8]| idx::read_bytes(bytes, 3, Path::new(NAME)).map_err(text);
    let header = |count: u32| [&[0, 0, 8, 3][..], &count.to_be_bytes(), &[0, 0, 0, 28, 0, 0, 0, 28]].concat();
    // 120 MiB of zeros, honestly announced, and 2^32 images in 16 bytes.
    let zeros = || std::iter::repeat_n(vec![0; 1 << 20], 120);
    let honest = gzipped([header(160_497)].into_iter().chain(zeros()));
    assert!(refused("a bomb of zeros", &honest, read_idx).contains("unpack it first"));
    let claims = gzipped([header(u32::MAX)].into_iter());
    refused("a claim", &claims, read_idx);
    refused("a plain claim", &header(u32::MAX), read_idx);

    let read_tar = |bytes: &[u8]| ImageArchive::from_bytes(bytes, Path::new(NAME)).map(drop).map_err(text);
    for name in ["ape/1.png", "ape/1.txt"] {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(120 << 20);
        header.set_cksum();
        let bomb = gzipped([header.as_bytes().to_vec()].into_iter().chain(zeros()));
        // What is no picture is passed over; the archive then has none.
        let _ = judge(name, bomb.len(), || read_tar(&bomb));
        if name.ends_with("png") {
            assert!(refused(name, &bomb, read_tar).contains("unpack it and give the folder"));
        }
    }
}

#[test]
fn pictures_that_claim_to_be_huge() {
    let _alone = alone();
    let read = |bytes: &[u8]| decode_bytes(bytes, Color::Rgb, Path::new(NAME)).map(drop).map_err(text);
    let claiming = |width: u32, height: u32| {
        let mut png = seeds::png().swap_remove(2);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        mutate::png_with_checksums(&png)
    };
    let message = refused("60000x60000", &claiming(60_000, 60_000), read);
    assert!(message.contains("60000x60000 pixels"), "{message}");
    for (width, height) in [(11_000, 11_000), (u32::MAX, u32::MAX), (1 << 27, 1), (2049, 2048)] {
        let message = refused("a claim", &claiming(width, height), read);
        assert!(message.contains("bomb") || message.contains("Png"), "{message}");
    }
    // The layout of a TIFF file is read before its decoder has limits.
    let mut tiff = seeds::tiff().swap_remove(0);
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    tiff[directory + 6..][..4].copy_from_slice(&8_312_577u32.to_le_bytes());
    assert!(refused("a TIFF tag", &tiff, read).contains("claims 8312577 values"));
    // Within what is believed: refused only because the pixels are missing.
    refused("2048x2048", &claiming(2048, 2048), read);
}

/// An archive's end that claims what is not there, and one that has far too many entries.
#[test]
fn zip_files_with_millions_of_entries() {
    let _alone = alone();
    let end = |entries: u64, size: u64, start: u64, at: u64| {
        let mut bytes = b"PK\x06\x06".to_vec();
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [entries, entries, size, start].iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([0xff; 12]);
        bytes.extend([0, 0]);
        bytes
    };
    let local = b"PK\x03\x04".to_vec();
    for (entries, size, start) in [
        (10_000_000, 460_000_000, 4),
        (10_000_000, 1, 0),
        (u64::MAX, u64::MAX, u64::MAX),
        (1, 1 << 22, 0),
        (1, 46, u64::MAX - 10),
    ] {
        weights_refused(
            &[local.clone(), end(entries, size, start, 4)].concat(),
            "damaged: its zip archive is broken",
        );
    }
    let mut entry = [0; 46];
    entry[..4].copy_from_slice(b"PK\x01\x02");
    for count in [150_000usize, 10_000_000] {
        // The larger one is half a gigabyte: it is only said to be there, the smaller one is.
        let there = if count > 1_000_000 { 1000 } else { count };
        let directory = entry.repeat(there);
        let end = end(count as u64, directory.len() as u64, 4, 4 + directory.len() as u64);
        weights_refused(&[local.clone(), directory, end].concat(), "entries");
    }
    // As many as are believed, all of one name.
    let directory = entry.repeat(65_000);
    let end = end(65_000, directory.len() as u64, 4, 4 + directory.len() as u64);
    weights_refused(&[local, directory, end].concat(), "two entries");
}

/// A pickle of half a million values, each as dear as can be; and one that calls.
#[test]
fn pickles() {
    let _alone = alone();
    let archive = |pickle: &[u8]| {
        let sum = crc32fast::hash(pickle).to_le_bytes();
        let size = (pickle.len() as u32).to_le_bytes();
        let middle = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sum, &size, &size, &[10, 0, 0, 0]].concat();
        let local = [&b"PK\x03\x04"[..], &middle, b"m/data.pkl"].concat();
        let directory = [&b"PK\x01\x02\0\0"[..], &middle, &[0; 14], b"m/data.pkl"].concat();
        let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
        end.extend((directory.len() as u32).to_le_bytes());
        end.extend(((local.len() + pickle.len()) as u32).to_le_bytes());
        end.extend([0, 0]);
        [&local[..], pickle, &directory, &end].concat()
    };
    assert!(load(&archive(b"\x80\x02}.")).unwrap().tensors.is_empty(), "the archive is sound");
    let many = 1 << 19;
    for dear in
        [&b"}"[..], b"]", b")", b"N\x85", b"N\x94", b"(", b"K\x01", b"}(NNu", b"](Ne", b"N\x94\x85\x94"]
    {
        let program = [&b"\x80\x02"[..], &dear.repeat(many)[..], b"."].concat();
        weights_refused(&archive(&program), "damaged: its pickle is broken");
        let fewer = [&b"\x80\x02"[..], &dear.repeat(many / dear.len() - 3)[..], b"."].concat();
        drop(load(&archive(&fewer)));
    }
    // One long name for many tensors; one tuple as the arguments of many calls.
    let name = [b"X".to_vec(), 4_000_000u32.to_le_bytes().to_vec(), vec![b'n'; 4_000_000]].concat();
    let names = [&b"\x80\x02}("[..], &name, b"q\0N", &b"h\0N".repeat(100_000)[..], b"u."].concat();
    drop(load(&archive(&names)));
    let calls = b"ccollections\nOrderedDict\nq\x02(".to_vec();
    let calls =
        [&calls[..], &b"N".repeat(200_000), b"tq\x01", &b"h\x02h\x01R0".repeat(50_000), b"."].concat();
    weights_refused(&archive(&calls), "wrong arguments");

    weights_refused(include_bytes!("../../nn/tests/golden/pth/calls_os_system.pth"), ".system`");
    let read = |bytes: &[u8]| {
        CIFAR10.batch(bytes, true, Path::new(NAME), &mut Vec::new(), &mut Vec::new()).map_err(text)
    };
    let message = refused("os.system", b"\x80\x02cos\nsystem\nU\x04truetR.", read);
    assert!(message.contains("it asks for os.system"), "{message}");
}

#[test]
fn names_that_lead_elsewhere() {
    let _alone = alone();
    let png = seeds::png().swap_remove(0);
    let archive = |name: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(png.len() as u64);
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name);
        header.set_cksum();
        let padding = vec![0; 512 - png.len() % 512];
        gzipped([header.as_bytes().to_vec(), png.clone(), padding, vec![0; 1024]].into_iter())
    };
    let read = |bytes: &[u8]| ImageArchive::from_bytes(bytes, Path::new(NAME)).map(drop).map_err(text);
    for name in [&b"../../ape/1.png"[..], b"ape/../../../etc/1.png", b"ape/..//1.png"] {
        let message = refused("..", &archive(name), read);
        assert!(message.contains("leads out of it"), "{message}");
    }
    assert!(read(&archive(b"/ape/1.png")).is_ok(), "nothing is written, so a root does no harm");

    // A PAX name may contain anything.
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(png.len() as u64);
    tar.append_pax_extensions([("path", &b"a\0pe/1\0.png"[..])]).unwrap();
    header.set_path("x").unwrap();
    header.set_cksum();
    tar.append(&header, &png[..]).unwrap();
    let bytes = gzipped([tar.into_inner().unwrap()].into_iter());
    let (folder, _) = judge("NUL", bytes.len(), || {
        ImageArchive::from_bytes(&bytes, Path::new(NAME)).and_then(|a| a.folder("", None, Color::Rgb))
    });
    assert_eq!(folder.unwrap().classes(), ["a\0pe"]);

    // Tensors are looked up, never opened: any name is only a name.
    let odd = r#"{"../../etc/passwd\u0000":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let tensors = load(&safetensors(odd, 4)).unwrap().tensors;
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["../../etc/passwd\0"]);
}

#[cfg(unix)]
#[test]
fn links_in_image_folders() {
    let _alone = alone();
    use std::os::unix::fs::symlink;
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("hostile");
    let class = root.join("ape");
    std::fs::create_dir_all(&class).unwrap();
    write_png(&Image::filled(4, 4, &[1, 2, 3]), &class.join("1.png")).unwrap();
    let open = || judge("links", 0, || ImageFolder::open(&root, Color::Rgb).map_err(text)).0;
    let sample = |index| {
        let data = open().unwrap();
        judge("sample", 0, || data.sample(index).map(drop).map_err(text)).0
    };

    // A link out of the folder is followed, as torchvision does: to a picture, and to a folder of them.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    write_png(&Image::filled(4, 4, &[9, 9, 9]), &elsewhere.join("2.png")).unwrap();
    symlink(elsewhere.join("2.png"), class.join("2.png")).unwrap();
    symlink(&elsewhere, class.join("more")).unwrap();
    assert_eq!(open().unwrap().len(), 3);
    (0..3).for_each(|index| sample(index).unwrap());

    // To nothing, to a device that never ends, to a pipe that never begins: named when it is read.
    symlink("/nowhere", class.join("3.png")).unwrap();
    symlink("/dev/zero", class.join("4.png")).unwrap();
    let pipe = class.join("5.png");
    let has_pipe = Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    assert!(sample(2).unwrap_err().contains("3.png"));
    assert!(sample(3).unwrap_err().contains("4.png: not a readable image: no regular file"));
    if has_pipe {
        assert!(sample(4).unwrap_err().contains("no regular file"));
    }

    // In a circle: to itself, to its parent, and so that paths double at each level.
    for target in [class.clone(), root.clone(), "..".into(), "loop".into()] {
        let link = class.join("loop");
        symlink(&target, &link).unwrap();
        match open() {
            Err(message) => assert!(message.contains("in a circle"), "{message}"),
            // A link to itself is no folder and no picture.
            Ok(data) => assert!(target == Path::new("loop") && data.len() >= 5, "{}", target.display()),
        }
        std::fs::remove_file(link).unwrap();
    }
    let mut deep = elsewhere;
    for _ in 0..14 {
        let next = deep.join("d");
        std::fs::create_dir(&next).unwrap();
        (0..8).for_each(|n| symlink(&next, deep.join(format!("link{n}"))).unwrap());
        deep = next;
    }
    assert!(open().unwrap_err().contains("links lead to this folder twice"));
}
