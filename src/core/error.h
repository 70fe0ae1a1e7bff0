// The one exception type of Semblance, and its kinds.
//
// An Error ends a load, a plan or a request. Its text says what was being done, the rule, what was
// given and what to do; a second line, indented by two spaces, suggests a fix. Expected outcomes
// (no face in a photo) are return values, not Errors. Kinds map to exit codes (below) and, in
// service/, to HTTP statuses.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace semblance {

enum class ErrorKind {
  kArgument,   // the request itself is wrong: a flag, a size, a prompt
  kMissing,    // a file, a tensor, a key or a face is missing
  kCorrupt,    // a file exists but its content is invalid
  kShape,      // tensors do not match each other or their config
  kMemory,     // the request does not fit in the available memory
  kDevice,     // the disk, the processor or another device failed or lacks something
  kCancelled,  // the user cancelled
  kInternal,   // a bug in Semblance
};

/// "argument", "missing", ...: for logs and JSON.
std::string_view name_of(ErrorKind kind);

/// The program's exit code: argument 2, missing 3, corrupt 4, shape 5, memory 6, device 7,
/// cancelled 130, internal 70.
int exit_code(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws an Error with formatted text: fail(ErrorKind::kCorrupt, "cannot read {}: ...", path).
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error(kInternal) when a condition that only a bug in Semblance can break is false.
#define SEMBLANCE_ASSERT(condition)                                                      \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      ::semblance::fail(::semblance::ErrorKind::kInternal, "internal error: {} ({}:{})", \
                        #condition, __FILE__, __LINE__);                                 \
    }                                                                                    \
  } while (false)

}  // namespace semblance
