// The body of a response: texts and files, one behind the other. Files are read as they go out, so
// that a picture never lies in memory whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/file.h"

namespace semblance::service {

class Body {
 public:
  enum class Form { kPlain, kBase64 };
  struct Piece {
    std::string text = {};
    std::shared_ptr<const File> file = {};  // in place of the text
    Form form = Form::kPlain;               // of the file
  };

  Body() = default;
  Body(std::string text) { *this += std::move(text); }  // NOLINT: a text is a body
  explicit Body(std::shared_ptr<const File> file, Form form = Form::kPlain);

  /// The file stays open, and so valid, whatever happens to its name meanwhile.
  Body& operator+=(Body more);
  Body& operator+=(std::string text);

  const std::vector<Piece>& pieces() const { return pieces_; }
  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  /// What it holds in memory.
  std::uint64_t text_bytes() const;
  /// All of it as a text, files included: for small bodies, and for tests.
  std::string whole() const;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace semblance::service
