//! Engines over real sockets on 127.0.0.1, with their files in temporary directories.

#![allow(clippy::unwrap_used)]

mod common;
mod decide;
mod measure;
mod restart;
