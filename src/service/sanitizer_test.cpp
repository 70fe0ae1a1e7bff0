// What the address sanitizer keeps of freed memory counts as the process's own, and the service
// holds the process to a budget: it may not be 256 MiB, as it is where nothing is said.
#ifdef SEMBLANCE_SANITIZED
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=8"; }
#endif
