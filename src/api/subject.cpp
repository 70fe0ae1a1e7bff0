#include "api/subject.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "image/decode.h"
#include "image/photo_size.h"
#include "memory/file.h"

namespace semblance {

bool is_identity_file(const std::filesystem::path& path) {
  const auto file = open_file(path);
  std::array<char, 64> first{};
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(file->size(), first.size()));
  file->read(0, std::as_writable_bytes(std::span(first).first(count)));
  std::string_view text(first.data(), count);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && (text[begin] == '{' || text[begin] == '[');
}

Image open_photo(const std::filesystem::path& path, const PhotoOptions& options) {
  // Before the pixels are read: a photo that the rule cannot take is refused by its header.
  if (!options.original_size) published_size(probe(path).upright());
  Image photo = decode(path);
  return options.original_size ? std::move(photo) : resize_photo(photo);
}

void fail_without_face(const std::string& photo) {
  fail(ErrorKind::kMissing,
       "cannot find a face in {}\n  try a photo in which the face is larger, upright and seen from "
       "the front, or another --detector-size",
       photo);
}

struct SubjectReader::Models {};

SubjectReader::SubjectReader(FaceFiles files, const PhotoOptions& options)
    : files_(std::move(files)), options_(options) {}
SubjectReader::SubjectReader(SubjectReader&&) noexcept = default;
SubjectReader& SubjectReader::operator=(SubjectReader&&) noexcept = default;
SubjectReader::~SubjectReader() = default;

void SubjectReader::check(const std::filesystem::path& path, const std::string& flag) const {
  if (is_identity_file(path)) return;
  const ImageInfo info = probe(path);
  if (!options_.original_size) published_size(info.upright());
  const bool given =
      !files_.folder.empty() || (!files_.detector.empty() && !files_.recogniser.empty());
  if (!given) {
    fail(ErrorKind::kArgument,
         "{}: {} is a photo, and finding its face needs face models, which did not come\n  add "
         "--face-models DIR, or both --detector FILE and --recogniser FILE",
         flag, path.string());
  }
}

SubjectReader::Subject SubjectReader::read(const std::filesystem::path& path,
                                           const std::string& flag) {
  check(path, flag);
  if (is_identity_file(path)) return {load_identity(path), 1};
  std::vector<Identity> found = faces(open_photo(path, options_));
  if (found.empty()) fail_without_face(path.string());
  return {std::move(found.front()), static_cast<int>(found.size())};
}

std::vector<Identity> SubjectReader::faces(const Image&) { return {}; }

void SubjectReader::close() { models_.reset(); }

Size picture_size(const SizeChoice& choice, Size frame, int native_side) {
  switch (choice.rule) {
    case SizeRule::kFixed:
      return choice.fixed;
    case SizeRule::kAuto:
      return auto_size(frame, native_side);
    case SizeRule::kReference:
      return published_size(frame).final;
  }
  return choice.fixed;
}

}  // namespace semblance
