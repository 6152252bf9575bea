//! Files that a crash leaves whole.

use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Replaces a file by a value in JSON: a crash leaves the old one or the new one.
///
/// # Errors
/// The disk's.
pub(crate) fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
