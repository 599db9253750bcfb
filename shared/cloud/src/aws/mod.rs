//! SDK adapters of everything but EC2.
