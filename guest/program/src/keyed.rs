//! The oracle of a dispute: the machine hands values over by key, and its referee checks them.

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use core::convert::Infallible;
use surety_guest_machine as machine;
use surety_stf::Oracle;

/// Field elements of a blob.
const ELEMENTS: u64 = 4096;

/// Reads by the machine's call.
pub(crate) struct Keyed;

impl Oracle for Keyed {
    /// Who cannot answer cannot go on with the trace either.
    type Error = Infallible;

    fn preimage(&self, hash: B256) -> Result<Bytes, Infallible> {
        Ok(machine::value(&hash).into())
    }

    fn blob(&self, versioned_hash: B256) -> Result<Bytes, Infallible> {
        let mut blob = Vec::with_capacity(ELEMENTS as usize * 32);
        (0..ELEMENTS).for_each(|index| blob.extend_from_slice(&machine::element(&versioned_hash, index)));
        Ok(blob.into())
    }
}
