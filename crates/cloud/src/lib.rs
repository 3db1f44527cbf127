//! Every call that leaves the process.
//!
//! Small traits ([`Stream`], [`LeaseTable`], [`StateTable`], [`DeliveryStream`], [`Snapshots`]) with the errors their callers react to; [`aws`] and
//! [`memory`] stand behind them and pass one contract suite (`tests/tests/contract.rs`). [`faulty`] wraps any of them and
//! spoils calls by a seed. Only `aws` names an SDK type; nothing here knows what a record means.

pub mod aws;
mod error;
pub mod faulty;
pub mod limits;
pub mod memory;
mod ports;

pub use error::{Error, WriteError};
pub use ports::{
    Batch, Call, Consumer, Create, Cursor, DeliveryStream, Entry, LeaseTable, Record, Refused, Scan, Snapshots, Start,
    StateTable, Stream, Subscription, Unreadable,
};
