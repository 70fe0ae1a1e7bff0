// The address sanitizer's quarantine of freed memory counts towards the process, which the service
// keeps within a budget: its default of 256 MiB is too much.
//
// The thread sanitizer does not understand libstdc++'s reference count of exceptions.
#ifdef SEMBLANCE_SANITIZED
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=8"; }
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release";
}
#endif
