//! What the benches share: clocks, the limit, our stages, the opponents.
//!
//! Everything is told as a ratio to the limit: inflating the same payloads with libdeflate, checksum checked, and doing
//! nothing with what comes out. Absolute times move with the machine and its load; ratios within one process hardly do.

pub mod calibration;
pub mod clock;
pub mod limit;
pub mod machine;
pub mod nab;
pub mod opponents;
pub mod ordinary;
pub mod ours;
pub mod rounds;
pub mod scenarios;
pub mod synthetic;
pub mod watched;
