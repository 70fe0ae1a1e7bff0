// The body of a response: a sequence of texts and files. Files are read while they are sent, so
// that a picture is never entirely in memory.
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
    std::shared_ptr<const File> file = {};  // instead of the text
    Form form = Form::kPlain;               // of the file
  };

  Body() = default;
  Body(std::string text) { *this += std::move(text); }  // NOLINT: a text is a body
  explicit Body(std::shared_ptr<const File> file, Form form = Form::kPlain);

  /// The file stays open, so it may be renamed or deleted meanwhile.
  Body& operator+=(Body more);
  Body& operator+=(std::string text);

  const std::vector<Piece>& pieces() const { return pieces_; }
  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  /// Bytes held in memory.
  std::uint64_t text_bytes() const;
  /// The whole body as text, with the files: for small bodies and tests.
  std::string whole() const;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace semblance::service
