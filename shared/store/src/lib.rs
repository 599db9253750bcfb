//! Goldsmith's state: one DynamoDB table, its keys, and the records in it.

#[cfg(test)]
mod contract;
mod error;
#[cfg(any(test, feature = "memory"))]
mod memory;
mod table;

pub use error::{Result, StoreError};
#[cfg(any(test, feature = "memory"))]
pub use memory::MemoryTable;
pub use table::{Check, Item, Key, Table, Write};
