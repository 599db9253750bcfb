//! Goldsmith's state: one DynamoDB table, its keys, and the records in it.

mod error;
mod table;

pub use error::{Result, StoreError};
pub use table::{Check, Item, Key, Table, Write};
