// The C library's heap, kept from holding memory that was freed.
#pragma once

namespace semblance {

/// Settings of glibc's malloc for the whole process, to be called once before threads start: blocks
/// from 4 MiB on are mapped and go back to the system when freed (the limit stays there instead of
/// growing with the largest block seen), the heap's free end goes back from 4 MiB on, and threads
/// share two heaps. Not less than that: oneDNN's matrix product takes and frees 1.6 MB a call,
/// which costs 0.65 ms when it is mapped each time, and 4 us when the heap keeps it. Nothing on
/// other C libraries.
void return_freed_memory();

/// Gives back what lies free in the heap, also between blocks in use: between the stages of a run.
/// Takes a few milliseconds. Thread-safe.
void trim_heap();

}  // namespace semblance
