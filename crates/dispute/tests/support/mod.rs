//! A batch to argue about.

use crate::common::{
    Key,
    chain::{Chain, Form, Judged},
};
use alloy_primitives::Address;

/// Three blocks with transfers, in this form, with a message or none.
pub(crate) fn batch(form: Form, has_message: bool) -> Vec<Judged> {
    let keys = [Key::new(1), Key::new(2)];
    let mut chain = Chain::new(&keys);
    let someone = Address::repeat_byte(9);
    let rows = [
        chain.row(1, 0, vec![keys[0].transfer(0, someone)]),
        chain.row(2, 1, vec![keys[0].transfer(1, someone), keys[1].transfer(0, someone)]),
        chain.row(3, 0, vec![]),
    ];
    let messages = has_message.then(|| chain.message(0, someone, 5, 100_000));
    chain.post(&rows, messages.into_iter().collect(), form, None)
}
