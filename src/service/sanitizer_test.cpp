// What the address sanitizer keeps of freed memory counts as the process's own, and the service
// holds the process to a budget: it may not be 256 MiB, as it is where nothing is said.
//
// The thread sanitizer does not see how libstdc++ counts who holds an exception.
#ifdef SEMBLANCE_SANITIZED
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=8"; }
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release";
}
#endif
