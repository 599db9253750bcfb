//! Behaving stand-ins for tests.
