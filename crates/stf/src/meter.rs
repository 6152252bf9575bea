//! The step meter: what a block can cost the machine that L1 judges (protocol §4).
//!
//! A dispute's trees hold [`MAX_STEPS`] steps. A block that costs more could be shown neither right nor wrong, so there must
//! be none. Everything that costs the program steps has a price in something that is bounded:
//!
//! | what | bounded by | steps at most |
//! |---|---|---|
//! | transactions and messages of the block | its gas limit, and half of it once more | [`STEPS_PER_GAS`] a gas |
//! | data of the whole batch | [`MAX_BODY_BYTES`] | [`STEPS_PER_BODY_BYTE`] a byte |
//! | inputs that a short body stands for | [`MAX_INPUT_BYTES`] | [`STEPS_PER_INPUT_BYTE`] a byte |
//! | other blocks of the batch | [`MAX_BATCH_BLOCKS`] | [`STEPS_PER_ROW`] each |
//! | messages of the whole batch | their gas, a quarter of all its blocks' (L1's rule) | [`STEPS_PER_MESSAGE_GAS`] a gas |
//! | the program itself | | [`STEPS_BESIDE`] |
//!
//! *Once more*: a list that cannot be executed is found out at its last transaction, and then the messages are executed again,
//! which have half of the block at most.
//!
//! The figures are above the dearest that were measured, for every operation of the EVM, every precompiled contract and every
//! kind of transaction: `docs/step-meter.md` has them, and the tests of `surety-prove` measure them again and search for
//! something dearer. No operation had to be repriced or capped, so one bound is left, that of the gas limit
//! ([`MAX_BLOCK_GAS_LIMIT`]): L1 founds no chain above it, no node follows one, and a block above it is its messages alone.

use crate::batch::{MAX_BODY_BYTES, MAX_INPUT_BYTES};
use surety_types::{Gas, claim::MAX_BATCH_BLOCKS, parameters::MAX_BLOCK_GAS_LIMIT};

/// Steps of a dispute's whole trace (protocol §8).
pub const MAX_STEPS: u64 = 1 << 40;

/// Steps for a unit of gas, whatever it is spent on. The dearest found is KZG point evaluation; a quarter more would come of
/// refunds if they were free.
pub const STEPS_PER_GAS: u64 = 1_024;
/// Steps for a byte of the batch's body, in another block than the one that is judged.
pub const STEPS_PER_BODY_BYTE: u64 = 16_384;
/// Steps for a byte of a transaction's input, in another block, whose body has almost nothing of it.
pub const STEPS_PER_INPUT_BYTE: u64 = 512;
/// Steps for another block of the batch, beside the bytes of its content.
pub const STEPS_PER_ROW: u64 = 400_000;
/// Steps for a unit of the gas of a message in another block of the batch. It has at least 21,000, and 40 for each byte.
pub const STEPS_PER_MESSAGE_GAS: u64 = 2;
/// Steps of a block without content.
pub const STEPS_BESIDE: u64 = 16_000_000;

/// The most steps that a block can cost on a chain with this gas limit; more than any number of steps if that overflows.
pub const fn most_steps(gas_limit: Gas) -> u64 {
    let limit = gas_limit.get();
    let executed = limit.saturating_add(limit / 2).saturating_mul(STEPS_PER_GAS);
    let body = (MAX_BODY_BYTES as u64).saturating_mul(STEPS_PER_BODY_BYTE);
    let inputs = (MAX_INPUT_BYTES as u64).saturating_mul(STEPS_PER_INPUT_BYTE);
    let rows = MAX_BATCH_BLOCKS.saturating_mul(STEPS_PER_ROW);
    let messages = (limit / 4).saturating_mul(MAX_BATCH_BLOCKS).saturating_mul(STEPS_PER_MESSAGE_GAS);
    executed
        .saturating_add(body)
        .saturating_add(inputs)
        .saturating_add(rows)
        .saturating_add(messages)
        .saturating_add(STEPS_BESIDE)
}

/// Whether a chain with this gas limit may have transactions: no block of it can cost more than a dispute holds.
pub const fn admits(gas_limit: Gas) -> bool {
    gas_limit.get() <= MAX_BLOCK_GAS_LIMIT.get()
}

const _: () = assert!(most_steps(MAX_BLOCK_GAS_LIMIT) <= MAX_STEPS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_gas_limit_fits_and_twice_as_much_would_not() {
        assert!(admits(MAX_BLOCK_GAS_LIMIT) && !admits(MAX_BLOCK_GAS_LIMIT.saturating_add(1)));
        assert!(most_steps(MAX_BLOCK_GAS_LIMIT) <= MAX_STEPS);
        assert!(most_steps(Gas::new(2 * MAX_BLOCK_GAS_LIMIT.get())) > MAX_STEPS);
        assert_eq!(most_steps(Gas::new(u64::MAX)), u64::MAX);
    }
}
