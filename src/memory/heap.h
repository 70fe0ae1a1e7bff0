// Keeps the C library's heap from holding on to freed memory.
#pragma once

namespace semblance {

/// Configures glibc's malloc for the whole process; call it once, before threads start. Blocks from
/// 4 MiB on are mapped and returned to the system when freed (the limit no longer grows with the
/// largest block seen), the heap's free end is returned from 4 MiB on, and threads share two heaps.
/// Not below 4 MiB: oneDNN's matrix product allocates and frees 1.6 MB per call, which costs 0.65
/// ms if it is mapped each time and 4 us if the heap keeps it. Does nothing with other C libraries.
void return_freed_memory();

/// Returns free memory in the heap to the system, including gaps between blocks in use. Call it
/// between the stages of a run. Takes a few milliseconds. Thread-safe.
void trim_heap();

}  // namespace semblance
