//! Tests of JSON-RPC with real clients.
