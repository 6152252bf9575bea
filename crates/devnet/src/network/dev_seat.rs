//! The seats of a development network: keys that everybody knows.

use super::{MAX_SEATS, MIN_SEATS, NetworkConfig, NetworkError};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, keccak256};
use k256::ecdsa::SigningKey;
use surety_node::consensus::peer_public_key;

/// The keys of one dev seat.
pub(super) struct DevSeat {
    pub(super) vote: SigningKey,
    pub(super) peer: B256,
    pub(super) peer_public: B256,
    pub(super) owner: Address,
    pub(super) poster: PrivateKeySigner,
}

impl std::fmt::Debug for DevSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevSeat").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl DevSeat {
    /// The first seats are dev accounts', the others have owners of their own.
    pub(super) fn new(place: usize, accounts: &[PrivateKeySigner]) -> Option<Self> {
        let secret = |what: &str| keccak256(format!("surety dev {what} key {place}"));
        let owner = match accounts.get(place).filter(|_| place < super::DEPLOYER) {
            Some(account) => account.address(),
            None => PrivateKeySigner::from_bytes(&secret("owner")).ok()?.address(),
        };
        let peer = secret("peer");
        Some(Self {
            vote: SigningKey::from_slice(secret("vote").as_slice()).ok()?,
            peer,
            peer_public: peer_public_key(&peer)?,
            owner,
            poster: PrivateKeySigner::from_bytes(&secret("poster")).ok()?,
        })
    }
}

/// A network that is there goes on with the seats that it has.
pub(super) fn check_seats(config: &NetworkConfig) -> Result<(), NetworkError> {
    if !(MIN_SEATS..=MAX_SEATS).contains(&config.seats) {
        return Err(NetworkError::Seats(config.seats));
    }
    let there = (0..).take_while(|place| config.directory.join(format!("seat-{place}")).exists()).count();
    if config.directory.join("chain.json").exists() && there > 0 && there != config.seats {
        return Err(NetworkError::OtherSeats { directory: config.directory.display().to_string(), there });
    }
    Ok(())
}
