//! Fetching the files of a dataset, verified before they get their name.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};

use crate::{Result, VisionError};

/// How far a download has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes so far.
    pub received: u64,
    /// Bytes in all, where the server says.
    pub total: Option<u64>,
}

/// Whether and from where missing files may be fetched.
#[derive(Clone, Copy, Default)]
pub struct Fetch<'a> {
    /// Whether to download at all.
    pub allowed: bool,
    /// Where from, in place of the published addresses: a prefix that ends in `/`.
    pub mirror: Option<&'a str>,
    /// Told now and then how far it is, and once at the end.
    pub progress: Option<&'a dyn Fn(Progress<'_>)>,
}

/// The published MD5 sums of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checksums {
    /// Of the file as distributed.
    pub file: &'static str,
    /// Of what the gzip file holds, where known: others may have compressed the same bytes anew.
    pub content: Option<&'static str>,
}

/// One file of a dataset.
pub(crate) struct RemoteFile<'a> {
    pub name: &'a str,
    pub mirrors: &'a [&'a str],
    pub checksums: Checksums,
}

impl Checksums {
    /// Accepts the file as published, or any compression of the same content.
    pub fn verify(&self, path: &Path) -> Result<()> {
        let open =
            || File::open(path).map(BufReader::new).map_err(|source| VisionError::io("read", path, source));
        let found = md5_of(open()?).map_err(|e| VisionError::io("read", path, e))?;
        if found == self.file || self.content == Some(found.as_str()) {
            return Ok(());
        }
        // A gzip file that breaks off has no content to compare, and is wrong by its own sum.
        if self.content.is_some() && md5_of(MultiGzDecoder::new(open()?)).ok().as_deref() == self.content {
            return Ok(());
        }
        Err(VisionError::bad_file(
            path,
            format!("found MD5 {found}, expected {}: not the published file; fetch it again", self.file),
        ))
    }
}

fn md5_of(source: impl Read) -> std::io::Result<String> {
    /// More than any file here unpacks to; a bomb ends at this size.
    const LIMIT: u64 = 1 << 30;
    let (mut hash, mut buffer, mut source) = (Md5::new(), vec![0; 1 << 16], source.take(LIMIT));
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}

impl Fetch<'_> {
    /// Downloads `remote` into `dir`, trying one mirror after the other, and returns its path.
    ///
    /// The bytes go to a temporary file in `dir`, which is verified and only then renamed: a file under its own
    /// name is always whole.
    pub(crate) fn file(&self, remote: &RemoteFile<'_>, dir: &Path) -> Result<PathBuf> {
        if !self.allowed {
            return Err(VisionError::Download {
                url: remote.name.into(),
                reason: "it is not on disk, and downloading is switched off".into(),
            });
        }
        fs::create_dir_all(dir).map_err(|e| VisionError::io("create", dir, e))?;
        let target = dir.join(remote.name);
        let temporary = dir.join(format!(".{}.{}.part", remote.name, std::process::id()));
        let mirrors = self.mirror.as_ref().map_or(remote.mirrors, std::slice::from_ref);
        let mut last = None;
        for mirror in mirrors {
            let url = format!("{mirror}{}", remote.name);
            let tried = self
                .stream(&url, remote.name, &temporary)
                .and_then(|()| {
                    remote.checksums.verify(&temporary).map_err(|error| VisionError::Download {
                        url: url.clone(),
                        // The temporary file is gone when the message is read.
                        reason: match error {
                            VisionError::BadFile { reason, .. } => reason,
                            other => other.to_string(),
                        },
                    })
                })
                .and_then(|()| {
                    fs::rename(&temporary, &target).map_err(|e| VisionError::io("write", &target, e))
                });
            match tried {
                Ok(()) => return Ok(target),
                Err(error) => {
                    // What could not be removed was never created, or the next try truncates it.
                    let _ = fs::remove_file(&temporary);
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| VisionError::Download {
            url: remote.name.into(),
            reason: "it has no address".into(),
        }))
    }

    #[cfg(feature = "download")]
    fn stream(&self, url: &str, name: &str, to: &Path) -> Result<()> {
        use std::io::Write;
        use std::time::Duration;

        /// The largest file fetched here is CIFAR-10 with 170 MB.
        const MAX_BYTES: u64 = 1 << 30;

        let failed = |reason: String| VisionError::Download { url: url.into(), reason };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(Duration::from_secs(3600)))
            .build()
            .into();
        let mut response = agent.get(url).call().map_err(|e| failed(e.to_string()))?;
        let total = response.body().content_length();
        if total.is_some_and(|n| n > MAX_BYTES) {
            return Err(failed(format!("the server announces {} bytes, allowed: 1 GiB", total.unwrap_or(0))));
        }
        let mut body = response.body_mut().with_config().limit(MAX_BYTES).reader();
        let mut file = File::create(to).map_err(|e| VisionError::io("write", to, e))?;
        let report = |received| {
            if let Some(progress) = self.progress {
                progress(Progress { file: name, received, total });
            }
        };
        let (mut buffer, mut received) = (vec![0; 1 << 16], 0u64);
        loop {
            let n = body.read(&mut buffer).map_err(|e| failed(e.to_string()))?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(|e| VisionError::io("write", to, e))?;
            received += n as u64;
            report(received);
        }
        if total.is_some_and(|total| total != received) {
            return Err(failed(format!("it ended after {received} bytes of {}", total.unwrap_or(0))));
        }
        file.sync_all().map_err(|e| VisionError::io("write", to, e))
    }

    #[cfg(not(feature = "download"))]
    fn stream(&self, url: &str, _name: &str, _to: &Path) -> Result<()> {
        Err(VisionError::Download {
            url: url.into(),
            reason: "this build cannot download (it lacks the feature `download`)".into(),
        })
    }
}

impl std::fmt::Debug for Fetch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetch {{ allowed: {}, mirror: {:?} }}", self.allowed, self.mirror)
    }
}
