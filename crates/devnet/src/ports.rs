//! Ports for what tells others where it listens before it does.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
};

/// Where free ports are looked for: below those that systems give to outgoing connections, which could take one before it is
/// listened on.
const RANGE: Range<u16> = 12_000..30_000;
/// How many are tried.
const TRIES: usize = 64;

/// A port of loopback that is free, and that the system gives to nobody who does not ask for it by name: a seat that was
/// killed must get its own again.
///
/// # Errors
/// None was free.
pub(crate) fn free() -> io::Result<SocketAddr> {
    let mut tried = listen();
    for _ in 1..TRIES {
        if tried.is_ok() {
            break;
        }
        tried = listen();
    }
    tried?.local_addr()
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(RANGE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_not_given() {
        let held: Vec<_> = (0..32).map(|_| TcpListener::bind(free().unwrap()).unwrap()).collect();
        assert!(held.iter().all(|one| RANGE.contains(&one.local_addr().unwrap().port())));
    }
}
