//! Evidence in a file: one JSON object a line, a pair (`{"first": …, "second": …}`) or a signed statement. The file may
//! not be there yet, and is read on as it grows.

use super::{Bundle, Bundles, Source, parse};
use crate::metrics;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

/// How often a file is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Bytes read at once; a longer line is passed over.
const CHUNK: usize = 64 << 10;

/// Reads a file for ever.
pub(crate) async fn run(path: PathBuf, source: Source, bundles: Bundles) {
    let (mut position, mut rest) = (0, Vec::new());
    loop {
        match read(&path, &mut position, &mut rest).await {
            Ok(lines) if !lines.is_empty() => {
                let mut statements = Vec::new();
                for line in lines {
                    match parse(&line) {
                        Some(found) => statements.extend(found),
                        None => {
                            tracing::warn!(file = %path.display(), "a line that is no evidence is passed over");
                            metrics::malformed(&source.name);
                        }
                    }
                }
                let bundle = Bundle { source: source.clone(), statements, taken: None };
                if bundles.send(bundle).await.is_err() {
                    return;
                }
            }
            Ok(_) => tokio::time::sleep(PERIOD).await,
            Err(error) => {
                tracing::debug!(file = %path.display(), %error, "evidence file not read");
                tokio::time::sleep(PERIOD).await;
            }
        }
    }
}

/// Whole lines after `position`, at most [`CHUNK`] bytes of them; what follows the last one waits in `rest`.
async fn read(path: &Path, position: &mut u64, rest: &mut Vec<u8>) -> std::io::Result<Vec<Vec<u8>>> {
    let mut file = File::open(path).await?;
    if file.metadata().await?.len() < *position {
        // Another file is there now.
        (*position, *rest) = (0, Vec::new());
    }
    file.seek(std::io::SeekFrom::Start(*position)).await?;
    let mut chunk = Vec::new();
    let count = file.take(CHUNK as u64).read_to_end(&mut chunk).await?;
    *position = position.saturating_add(count as u64);
    rest.extend_from_slice(&chunk);
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
        if rest.len() > CHUNK {
            rest.clear();
        }
        return Ok(Vec::new());
    };
    let after = rest.split_off(end.saturating_add(1));
    let whole = std::mem::replace(rest, after);
    Ok(whole.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn lines_come_whole_once_and_as_the_file_grows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evidence.jsonl");
        let (mut position, mut rest) = (0, Vec::new());
        assert!(read(&path, &mut position, &mut rest).await.is_err(), "not there yet");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"one\n\ntwo\nthr").unwrap();
        assert_eq!(read(&path, &mut position, &mut rest).await.unwrap(), [b"one", b"two"]);
        assert!(read(&path, &mut position, &mut rest).await.unwrap().is_empty());
        file.write_all(b"ee\n").unwrap();
        assert_eq!(read(&path, &mut position, &mut rest).await.unwrap(), [b"three"]);
        std::fs::write(&path, b"new\n").unwrap();
        assert_eq!(read(&path, &mut position, &mut rest).await.unwrap(), [b"new"], "another file");
    }
}
