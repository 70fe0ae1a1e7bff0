// The one exception type of Semblance, and its kinds.
//
// An Error ends a load, a plan or a request. Its text says what was being done, the rule, what
// came, and what to do; a second line, indented by two spaces, is for the way out. What is expected
// (no face in a photo) is a return value, not an Error. Kinds map once to exit codes (below) and,
// in service/, to HTTP statuses.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace semblance {

enum class ErrorKind {
  kArgument,   // the request itself is wrong: a flag, a size, a prompt
  kMissing,    // a file, a tensor, a key or a face is not there
  kCorrupt,    // a file is there, but is not what it says it is
  kShape,      // tensors do not fit each other or their config
  kMemory,     // the request does not fit in the memory there is
  kDevice,     // the disk, the processor or another device failed or lacks something
  kCancelled,  // the user ended it
  kInternal,   // a bug of ours
};

/// "argument", "missing", ...: for logs and JSON.
std::string_view name_of(ErrorKind kind);

/// The exit code of the command line: argument 2, missing 3, corrupt 4, shape 5, memory 6, device
/// 7, cancelled 130, internal 70.
int exit_code(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws an Error with a formatted text: fail(ErrorKind::kCorrupt, "cannot read {}: ...", path).
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Ends the program's operation with kInternal when a thing that only a bug of ours can break is
/// broken.
#define SEMBLANCE_ASSERT(condition)                                                      \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      ::semblance::fail(::semblance::ErrorKind::kInternal, "internal error: {} ({}:{})", \
                        #condition, __FILE__, __LINE__);                                 \
    }                                                                                    \
  } while (false)

}  // namespace semblance
