//! `surety_*`: what no other chain can be asked.

use crate::{
    params::Quantity,
    server::{Methods, Registered, answer},
};
use surety_types::L2Height;

/// `surety_finality(height)`: how final an L2 block is, which claim says so and until when it can be challenged;
/// `null` beyond the head and on L1.
pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("surety_finality", 1, |rpc, args| {
        let height = args.required::<Quantity>(0)?.0;
        answer(&rpc.backend.finality(L2Height::new(height)))
    })
}
