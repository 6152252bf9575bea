//! An anvil of one's own.

use super::World;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

fn binary() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/.bin/anvil");
    std::env::var_os("ANVIL").map(PathBuf::from).or(Some(ours)).filter(|path| path.exists())
}

/// An anvil that ends with its test.
pub struct Anvil(Child);

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts anvil with blocks every second, or tells why not.
pub async fn start() -> Option<(Anvil, World)> {
    let Some(binary) = binary() else {
        assert!(std::env::var_os("CI").is_none(), "anvil is missing: run `npm ci` in contracts, or set ANVIL");
        eprintln!("skipped: no anvil (run `npm ci` in contracts, or set ANVIL)");
        return None;
    };
    // Port 0 is not told back by anvil: take a free one and hope for the blink of an eye.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(binary)
        .args(["--hardfork", "osaka", "--block-time", "1", "--slots-in-an-epoch", "2", "--chain-id", "1337"])
        .args(["--port", &port.to_string(), "--silent"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let anvil = Anvil(child);
    let url = format!("http://127.0.0.1:{port}");
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((anvil, World::new(url.clone(), url, Duration::from_secs(1))));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("anvil does not listen");
}
