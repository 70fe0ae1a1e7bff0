#include "service/body_file.h"

#include <cstring>
#include <utility>

#include "core/error.h"

namespace semblance::service {
namespace {

class BodyFile final : public File {
 public:
  BodyFile(std::string name, std::string_view bytes) : name_(std::move(name)), bytes_(bytes) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  double cached_share() const override { return 1; }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset > bytes_.size() || dst.size() > bytes_.size() - offset) {
      fail(ErrorKind::kCorrupt, "cannot read {}: bytes {} to {} were asked for, the file has {}",
           name_, offset, offset + dst.size(), bytes_.size());
    }
    if (!dst.empty()) std::memcpy(dst.data(), bytes_.data() + offset, dst.size());
  }

 private:
  std::string name_;
  std::string_view bytes_;
};

}  // namespace

std::shared_ptr<const File> file_over(std::string name, std::string_view bytes) {
  return std::make_shared<BodyFile>(std::move(name), bytes);
}

}  // namespace semblance::service
