//! Secret keys in encrypted files (Web3 secret storage, version 3), and where their password comes from.
//!
//! The password comes from a file, named by a flag, by [`PASSWORD_VARIABLE`] or by the configuration, else from the terminal;
//! never from a flag or a variable itself. Nothing here prints or logs a secret.

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256};
use anyhow::{Context, Result, bail, ensure};
use k256::{
    ecdsa::SigningKey,
    elliptic_curve::rand_core::{OsRng, RngCore as _},
};
use serde_json::Value;
use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{IsTerminal as _, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use surety_devnet::l1::dev_accounts;
use surety_types::signing::vote_address;

/// Names the file that holds the password.
pub(crate) const PASSWORD_VARIABLE: &str = "SURETY_PASSWORD_FILE";
/// The longest keystore or password file that is read.
const MAX_BYTES: u64 = 1 << 16;
/// The most memory that a keystore's key derivation may ask for: `128 × n × r` bytes.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// The most rounds of PBKDF2.
const MAX_ROUNDS: u64 = 1 << 24;

/// A keystore's password.
pub(crate) struct Password(String);

impl Password {
    /// Reads the password of existing keystores: from the flag's file, the variable's, the configuration's, or the terminal.
    pub(crate) fn read(flag: Option<&Path>, configured: Option<&Path>) -> Result<Self> {
        match named_file(flag, configured) {
            Some(path) => Self::from_file(&path),
            None => prompt("password of the keystores: "),
        }
    }

    /// As [`Password::read`], for keystores that are about to be made: asked for twice, and not too short.
    pub(crate) fn choose(flag: Option<&Path>) -> Result<Self> {
        let password = match named_file(flag, None) {
            Some(path) => Self::from_file(&path)?,
            None => {
                let password = prompt("new password for the keystores: ")?;
                let again = prompt("the same again: ")?;
                ensure!(password.0 == again.0, "the two passwords differ: start again");
                password
            }
        };
        ensure!(
            password.0.chars().count() >= 12,
            "the password has fewer than 12 characters: take a longer one, best a random one kept in a file"
        );
        Ok(password)
    }

    fn from_file(path: &Path) -> Result<Self> {
        let text = read_bounded(path).with_context(|| format!("read the password file {}", path.display()))?;
        let text = String::from_utf8(text).with_context(|| format!("{} is not text", path.display()))?;
        let password = text.lines().next().unwrap_or_default();
        ensure!(!password.is_empty(), "the password file {} is empty: its first line is the password", path.display());
        Ok(Self(password.to_owned()))
    }
}

fn named_file(flag: Option<&Path>, configured: Option<&Path>) -> Option<PathBuf> {
    let variable = || std::env::var_os(PASSWORD_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    flag.map(Path::to_owned).or_else(variable).or_else(|| configured.map(Path::to_owned))
}

fn prompt(what: &str) -> Result<Password> {
    ensure!(
        std::io::stdin().is_terminal(),
        "no password: name a file that holds it with --password-file or {PASSWORD_VARIABLE}"
    );
    let mut terminal = console::Term::stderr();
    write!(terminal, "{what}")?;
    Ok(Password(terminal.read_secure_line().context("read the password from the terminal")?))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// 32 random bytes of the system, never zero.
pub(crate) fn random_secret() -> B256 {
    let mut secret = B256::ZERO;
    while secret.is_zero() {
        OsRng.fill_bytes(secret.as_mut_slice());
    }
    secret
}

/// A new secp256k1 key with its secret.
pub(crate) fn random_key() -> (SigningKey, B256) {
    loop {
        let secret = random_secret();
        // All but one in 2^127 strings are keys.
        if let Ok(key) = SigningKey::from_slice(secret.as_slice()) {
            return (key, secret);
        }
    }
}

/// Makes a directory that only its owner may enter.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("make {}", path.display()))
}

/// Writes a new file; refuses to overwrite one.
pub(crate) fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("make {} (existing files are never overwritten)", path.display()))?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(())
}

/// Encrypts a secret into a new file that only its owner may read.
pub(crate) fn store(path: &Path, secret: &B256, password: &Password) -> Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        bail!("{} names no keystore file", path.display());
    };
    make_private(directory)?;
    // Made first, so that no other user may open it at any time; the library then writes into it.
    write_new(path, 0o600, b"")?;
    eth_keystore::encrypt_key(directory, &mut OsRng, secret, &password.0, Some(name))
        .with_context(|| format!("write the keystore {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// Decrypts a keystore.
pub(crate) fn load(path: &Path, password: &Password) -> Result<B256> {
    let name = path.display();
    let text =
        read_bounded(path).with_context(|| format!("read the keystore {name}: does it exist, may you read it?"))?;
    let json: Value = serde_json::from_slice(&text).with_context(|| format!("{name} is no keystore: not JSON"))?;
    check_form(&json).with_context(|| format!("{name} is no keystore of version 3 that can be used"))?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(keystore = %name, mode = format!("{:o}", mode & 0o777), "others may read this keystore: chmod 600");
    }
    let secret = match eth_keystore::decrypt_key(path, &password.0) {
        Ok(secret) => secret,
        Err(eth_keystore::KeystoreError::MacMismatch) => bail!("the password does not open the keystore {name}"),
        Err(error) => return Err(error).with_context(|| format!("open the keystore {name}")),
    };
    B256::try_from(secret.as_slice()).with_context(|| format!("the keystore {name} holds no 32-byte key"))
}

/// What the library takes for granted: lengths, and a derivation that this machine can afford.
fn check_form(json: &Value) -> Result<()> {
    ensure!(json["version"] == 3, "its version is not 3");
    let crypto = &json["crypto"];
    ensure!(crypto.is_object(), "it has no field crypto (some tools write Crypto: rename it)");
    ensure!(crypto["cipher"] == "aes-128-ctr", "its cipher is not aes-128-ctr");
    let bytes = |value: &Value| value.as_str().map_or(0, |hex| hex.len() / 2);
    ensure!(bytes(&crypto["cipherparams"]["iv"]) == 16, "its initialisation vector is not of 16 bytes");
    ensure!(bytes(&crypto["ciphertext"]) == 32, "it does not hold 32 bytes");
    let parameters = &crypto["kdfparams"];
    let number = |name: &str| parameters[name].as_u64();
    ensure!(number("dklen") == Some(32), "its derived key is not of 32 bytes");
    match crypto["kdf"].as_str() {
        Some("scrypt") => {
            let (n, r, p) = (number("n"), number("r"), number("p"));
            let memory = n.zip(r).and_then(|(n, r)| n.checked_mul(r)?.checked_mul(128));
            ensure!(n.is_some_and(|n| n.is_power_of_two() && n > 1), "its scrypt cost is no power of two");
            ensure!(
                memory.is_some_and(|m| (1..=MAX_SCRYPT_BYTES).contains(&m)),
                "its scrypt parameters need over 1 GiB"
            );
            ensure!(p.is_some_and(|p| (1..=16).contains(&p)), "its scrypt parallelism is not between 1 and 16");
        }
        Some("pbkdf2") => {
            ensure!(number("c").is_some_and(|c| (1..=MAX_ROUNDS).contains(&c)), "its PBKDF2 rounds are out of range");
        }
        _ => bail!("its key derivation is neither scrypt nor pbkdf2"),
    }
    Ok(())
}

/// A secp256k1 key of a keystore, with its address.
pub(crate) fn load_signing(path: &Path, password: &Password) -> Result<(SigningKey, Address)> {
    let secret = load(path, password)?;
    let key = SigningKey::from_slice(secret.as_slice())
        .ok()
        .with_context(|| format!("the keystore {} holds no secp256k1 key", path.display()))?;
    let address = vote_address(&key);
    Ok((key, address))
}

/// Who acts, as flags say it: the account of a keystore, or (on development networks) one of the test mnemonic, which the flag
/// `--{flag}` named by its number. `None` if neither was named.
pub(crate) fn account(
    keystore: Option<&Path>,
    password_file: Option<&Path>,
    (flag, number): (&str, Option<usize>),
) -> Result<Option<PrivateKeySigner>> {
    if let Some(keystore) = keystore {
        let password = Password::read(password_file, None)?;
        let (key, _) = load_signing(keystore, &password)?;
        return Ok(Some(PrivateKeySigner::from(key)));
    }
    let Some(number) = number else { return Ok(None) };
    let accounts = dev_accounts()?;
    let account = accounts.get(number).cloned();
    Ok(Some(account.with_context(|| format!("--{flag}: there are {} of them, from 0", accounts.len()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password("correct horse battery".into())
    }

    #[test]
    fn a_keystore_gives_back_its_secret_to_its_password_alone_and_to_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/vote.json");
        let secret = random_secret();
        store(&path, &secret, &password()).unwrap();
        assert_eq!(load(&path, &password()).unwrap(), secret);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(directory.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&alloy_primitives::hex::encode(secret)), "it is encrypted");
        let refused = load(&path, &Password("another password".into())).unwrap_err().to_string();
        assert!(refused.contains("password does not open"), "{refused}");
        assert!(store(&path, &secret, &password()).is_err(), "a keystore is never overwritten");
        assert_eq!(load(&path, &password()).unwrap(), secret);
    }

    #[test]
    fn damaged_and_overdone_keystores_are_refused_without_harm() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vote.json");
        store(&path, &random_secret(), &password()).unwrap();
        let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let changes: [fn(&mut Value); 7] = [
            |j| j["version"] = 1.into(),
            |j| j["crypto"]["cipherparams"]["iv"] = "00".into(),
            |j| j["crypto"]["kdfparams"]["dklen"] = 16.into(),
            |j| j["crypto"]["kdfparams"]["n"] = (1u64 << 31).into(),
            |j| j["crypto"]["kdfparams"]["n"] = 3.into(),
            |j| j["crypto"]["kdf"] = "argon2".into(),
            |j| j["crypto"]["ciphertext"] = "".into(),
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            fs::write(&path, bad.to_string()).unwrap();
            assert!(load(&path, &password()).is_err(), "{bad}");
        }
        fs::write(&path, "no JSON").unwrap();
        assert!(load(&path, &password()).is_err());
    }

    #[test]
    fn a_password_file_must_say_something() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "\n").unwrap();
        assert!(Password::read(Some(&path), None).is_err());
        fs::write(&path, "short\n").unwrap();
        assert!(Password::read(Some(&path), None).is_ok_and(|p| p.0 == "short"), "without the line's end");
        assert!(Password::choose(Some(&path)).is_err(), "too short for new keys");
    }
}
