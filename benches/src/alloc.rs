//! The allocator of the node (mimalloc), and how often this thread has asked it for memory.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use mimalloc::MiMalloc;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// Counts what a thread asks for: new memory and growth, not what it gives back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// How often the calling thread has asked for memory, if [`Counting`] is the program's allocator; else 0.
#[must_use]
pub fn asked() -> u64 {
    ASKED.get()
}

fn count() {
    // A thread that ends may still free and allocate once its locals are gone: nobody asks for that count.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call is handed to mimalloc as it came, which keeps the contract; counting touches a cell of this thread and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and `old` came from mimalloc.
        unsafe { MiMalloc.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `old` came from mimalloc.
        unsafe { MiMalloc.dealloc(old, layout) }
    }
}
