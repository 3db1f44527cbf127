//! Which processes listen outside loopback: the same look that `cargo xtask` takes at the emulators.

#[path = "../../xtask/src/listeners.rs"]
mod shared;

/// The addresses outside loopback on which the process accepts connections, as `/proc/net/tcp` writes them.
pub fn outside_loopback(process_id: u32) -> Vec<String> {
    shared::outside_loopback(process_id)
}
