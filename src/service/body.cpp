#include "service/body.h"

#include <utility>

#include "service/base64.h"

namespace semblance::service {

Body::Body(std::shared_ptr<const File> file, Form form) {
  pieces_.push_back({.file = std::move(file), .form = form});
}

Body& Body::operator+=(Body more) {
  for (Piece& piece : more.pieces_) {
    if (piece.file) {
      pieces_.push_back(std::move(piece));
    } else {
      *this += std::move(piece.text);
    }
  }
  return *this;
}

Body& Body::operator+=(std::string text) {
  if (!pieces_.empty() && !pieces_.back().file) {
    pieces_.back().text += text;
  } else if (!text.empty()) {
    pieces_.push_back({.text = std::move(text)});
  }
  return *this;
}

std::uint64_t Body::size() const {
  std::uint64_t bytes = 0;
  for (const Piece& piece : pieces_) {
    const std::uint64_t raw = piece.file ? piece.file->size() : piece.text.size();
    bytes += piece.form == Form::kBase64 ? (raw + 2) / 3 * 4 : raw;
  }
  return bytes;
}

std::uint64_t Body::text_bytes() const {
  std::uint64_t bytes = 0;
  for (const Piece& piece : pieces_) bytes += piece.text.capacity();
  return bytes;
}

std::string Body::whole() const {
  std::string all;
  for (const Piece& piece : pieces_) {
    if (!piece.file) {
      all += piece.text;
      continue;
    }
    std::string bytes(piece.file->size(), '\0');
    piece.file->read(0, std::as_writable_bytes(std::span(bytes)));
    all += piece.form == Form::kBase64 ? base64(bytes) : bytes;
  }
  return all;
}

}  // namespace semblance::service
