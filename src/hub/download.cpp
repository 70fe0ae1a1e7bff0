#include "hub/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/messages.h"
#include "memory/budget.h"
#include "memory/descriptor.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Bytes to read and hash between two turns of the network.
constexpr std::size_t kSliceBytes = std::size_t{16} << 20;

Descriptor opened(const fs::path& path, int flags) {
  Descriptor file(open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (file.get() < 0)
    fail(ErrorKind::kDevice, "cannot write {}: {}", path.string(), std::strerror(errno));
  return file;
}

struct ContentRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> total = {};
};

/// "bytes 5-9/10"
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  const char* at = text.data() + kUnit.size();
  const char* const end = text.data() + text.size();
  ContentRange range;
  const auto first = std::from_chars(at, end, range.first);
  const std::size_t slash = text.find('/');
  if (first.ec != std::errc() || slash == std::string_view::npos) return std::nullopt;
  if (text.substr(slash + 1) == "*") return range;
  std::uint64_t total = 0;
  const auto parsed = std::from_chars(text.data() + slash + 1, end, total);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  range.total = total;
  return range;
}

/// One download in progress.
class FileDownload final : public Receiver {
 public:
  FileDownload(const Download& download, Fetcher& fetcher, const DownloadHooks& hooks)
      : download_(download),
        fetcher_(fetcher),
        hooks_(hooks),
        incomplete_(incomplete_path(download.target)) {}
  ~FileDownload() override { fetcher_.stop(fetch_); }
  FileDownload(const FileDownload&) = delete;
  FileDownload& operator=(const FileDownload&) = delete;

  /// Advances as far as possible without waiting; returns true when the file is complete.
  bool work() {
    if (state_ == State::kWaiting) try_lock();
    if (state_ == State::kSumming) sum_slice();
    if (state_ == State::kReady) {
      fetch_ = fetcher_.start(download_.request, *this);
      state_ = State::kFetching;
    }
    if (state_ == State::kFetching && fetcher_.has_arrived(fetch_)) commit();
    return state_ == State::kArrived;
  }
  /// Whether work() has something to do even if no byte arrives.
  bool is_busy() const { return state_ == State::kSumming; }
  std::uint64_t bytes() const { return state_ == State::kArrived ? download_.bytes : at_; }
  const std::string& name() const { return download_.request.what; }

  std::uint64_t offset() const override { return at_; }

  void begin(const Answer& answer) override {
    if (const std::string_view tag = etag_of(answer); !tag.empty() && tag != download_.digest.hex) {
      fail(ErrorKind::kCorrupt,
           "cannot download {}: the file on the server has changed (checksum {}, expected {})\n  "
           "try again, which reads the file list again",
           name(), printable(tag), download_.digest.hex);
    }
    skip_ = 0;
    if (answer.status == 206) {
      const auto range = parse_content_range(answer.header("content-range"));
      if (!range || range->first != at_) {
        fail(ErrorKind::kCorrupt, "cannot download {}: requested bytes from {} on, got '{}'",
             name(), at_, printable(answer.header("content-range")));
      }
      if (range->total) check_size(*range->total);
    } else if (answer.status == 200) {
      skip_ = at_;  // the server ignores ranges and sends everything
      std::uint64_t length_bytes = 0;
      const std::string_view length = answer.header("content-length");
      if (!length.empty() &&
          std::from_chars(length.data(), length.data() + length.size(), length_bytes).ec ==
              std::errc())
        check_size(length_bytes);
    }
  }

  void take(std::span<const std::byte> bytes) override {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
    skip_ -= skipped;
    bytes = bytes.subspan(skipped);
    if (bytes.size() > download_.bytes - at_) {
      remove_incomplete();
      fail(ErrorKind::kCorrupt, "cannot download {}: expected {} bytes, the server sends more",
           name(), download_.bytes);
    }
    write(bytes);
    hasher_->update(bytes);
    at_ += bytes.size();
  }

  End end() override {
    if (at_ < download_.bytes) return End::kShort;
    const std::string actual = hasher_->finish();
    if (actual == download_.digest.hex) return End::kWhole;
    if (!resumed_) {
      remove_incomplete();
      fail(ErrorKind::kCorrupt,
           "cannot download {}: expected {} {}, but the {} bytes received have {}\n  they were "
           "deleted: try again, or use another server",
           name(), title_of(download_.digest.kind), download_.digest.hex, download_.bytes, actual);
    }
    // The part from an earlier download may be wrong.
    hooks_.tell(text_of(Message::kDownloadRestarts, name()));
    start_anew();
    return End::kAnew;
  }

 private:
  enum class State { kWaiting, kSumming, kReady, kFetching, kArrived };

  /// The checksum from the hub itself; a content network's ETags have another meaning.
  static std::string_view etag_of(const Answer& answer) {
    std::string_view tag = answer.header("x-linked-etag");
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"')
      tag = tag.substr(1, tag.size() - 2);
    return tag;
  }

  void check_size(std::uint64_t length_bytes) const {
    if (length_bytes == download_.bytes) return;
    fail(ErrorKind::kCorrupt, "cannot download {}: expected {} bytes, the server has {}", name(),
         download_.bytes, length_bytes);
  }

  bool is_there() const {
    std::error_code none;
    return fs::is_regular_file(download_.target, none) &&
           fs::file_size(download_.target, none) == download_.bytes;
  }

  void try_lock() {
    if (is_there()) {
      state_ = State::kArrived;
      return;
    }
    if (lock_.get() < 0) {
      const fs::path lock =
          download_.lock.empty() ? fs::path(incomplete_.string() + ".lock") : download_.lock;
      make_folder(lock.parent_path());
      make_folder(download_.target.parent_path());
      lock_ = opened(lock, O_RDWR | O_CREAT);
    }
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        fail(ErrorKind::kDevice, "cannot lock {}: {}", name(), std::strerror(errno));
      if (!told_of_lock_) hooks_.tell(text_of(Message::kDownloadWaits, name()));
      told_of_lock_ = true;
      return;
    }
    if (is_there()) {
      state_ = State::kArrived;
      unlock();
      return;
    }
    open_incomplete();
  }

  void open_incomplete() {
    file_ = opened(incomplete_, O_RDWR | O_CREAT | O_NOFOLLOW);
    struct stat status {};
    if (fstat(file_.get(), &status) != 0 || !S_ISREG(status.st_mode))
      fail(ErrorKind::kDevice, "cannot write {}: it is not a regular file", incomplete_.string());
    there_ = static_cast<std::uint64_t>(status.st_size);
    resumed_ = there_ > 0;
    if (there_ > download_.bytes) start_anew();
    // Reserves the space now, so that the disk cannot fill up later; not every file system supports
    // this.
    if (download_.bytes > 0 &&
        fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(download_.bytes)) != 0 &&
        (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
      fail_to_write(errno);
    hasher_.emplace(download_.digest.kind, download_.bytes);
    at_ = 0;
    state_ = State::kSumming;
  }

  void sum_slice() {
    std::vector<std::byte> piece(
        static_cast<std::size_t>(std::min<std::uint64_t>(kSliceBytes, there_ - at_)));
    std::size_t got = 0;
    while (got < piece.size()) {
      const ssize_t count =
          pread(file_.get(), piece.data() + got, piece.size() - got, static_cast<off_t>(at_ + got));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0)
        fail(ErrorKind::kDevice, "cannot read {}: {}", incomplete_.string(), std::strerror(errno));
      got += static_cast<std::size_t>(count);
    }
    hasher_->update(piece);
    at_ += piece.size();
    if (at_ < there_) return;
    state_ = State::kReady;
    if (at_ == download_.bytes && end() == End::kWhole) commit();
  }

  void start_anew() {
    if (ftruncate(file_.get(), 0) != 0) fail_to_write(errno);
    hasher_.emplace(download_.digest.kind, download_.bytes);
    there_ = 0;
    at_ = 0;
    resumed_ = false;
  }

  void write(std::span<const std::byte> bytes) {
    std::uint64_t at = at_;
    while (!bytes.empty()) {
      const ssize_t count = pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_to_write(errno);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      at += static_cast<std::uint64_t>(count);
    }
  }

  [[noreturn]] void fail_to_write(int error) const {
    fail(ErrorKind::kDevice,
         "cannot write {}: {}\n  the partial download is kept; repeat the command to continue",
         incomplete_.string(), std::strerror(error));
  }

  void commit() {
    if (fsync(file_.get()) != 0) fail_to_write(errno);
    if (rename(incomplete_.c_str(), download_.target.c_str()) != 0) {
      fail(ErrorKind::kDevice, "cannot write {}: {}", download_.target.string(),
           std::strerror(errno));
    }
    file_.reset();
    state_ = State::kArrived;
    unlock();
  }

  void unlock() {
    // The hub's lock files stay, as other tools leave them; our own is removed with its file.
    if (download_.lock.empty()) unlink((incomplete_.string() + ".lock").c_str());
    lock_.reset();
  }

  void remove_incomplete() const { unlink(incomplete_.c_str()); }

  const Download& download_;
  Fetcher& fetcher_;
  const DownloadHooks& hooks_;
  fs::path incomplete_;
  State state_ = State::kWaiting;
  Descriptor lock_;
  Descriptor file_;
  bool told_of_lock_ = false;
  std::optional<Hasher> hasher_;
  std::uint64_t there_ = 0;  // bytes from an earlier download
  std::uint64_t at_ = 0;     // bytes on the disk and in the hasher
  std::uint64_t skip_ = 0;   // bytes of the answer that are on the disk already
  bool resumed_ = false;
  int fetch_ = 0;
};

/// Download speed over the last seconds.
class Speed {
 public:
  double per_second(std::uint64_t bytes) {
    constexpr auto kWindow = std::chrono::seconds(10);
    const auto now = Clock::now();
    if (!samples_.empty() && bytes < samples_.back().bytes) samples_.clear();
    samples_.push_back({now, bytes});
    while (samples_.size() > 2 && samples_.front().at < now - kWindow) samples_.pop_front();
    const double seconds = std::chrono::duration<double>(now - samples_.front().at).count();
    return seconds < 0.5 ? 0 : static_cast<double>(bytes - samples_.front().bytes) / seconds;
  }

 private:
  struct Sample {
    Clock::time_point at;
    std::uint64_t bytes;
  };
  std::deque<Sample> samples_;
};

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    fail(ErrorKind::kDevice, "cannot make the folder {}: {}", folder.string(), error.message());
  }
}

fs::path incomplete_path(const fs::path& target) { return target.string() + ".incomplete"; }

std::uint64_t bytes_to_come(const Download& download) {
  std::error_code none;
  if (fs::is_regular_file(download.target, none) &&
      fs::file_size(download.target, none) == download.bytes)
    return 0;
  const std::uint64_t there = fs::file_size(incomplete_path(download.target), none);
  return none || there > download.bytes ? download.bytes : download.bytes - there;
}

std::uint64_t room_needed(const Download& download) {
  if (bytes_to_come(download) == 0) return 0;
  struct stat status {};
  if (stat(incomplete_path(download.target).c_str(), &status) != 0) return download.bytes;
  const auto taken = static_cast<std::uint64_t>(status.st_blocks) * 512;
  return download.bytes - std::min(download.bytes, taken);
}

void download(const std::vector<Download>& downloads, Fetcher& fetcher,
              const NetworkOptions& options, const DownloadHooks& hooks) {
  DownloadProgress progress;
  progress.total_files = downloads.size();
  for (const Download& each : downloads) progress.total_bytes += each.bytes;
  struct Open {
    std::size_t place;
    std::unique_ptr<FileDownload> file;
  };
  std::vector<Open> open;
  std::uint64_t arrived_bytes = 0;
  std::size_t next = 0;
  Speed speed;
  auto shown = Clock::time_point{};
  while (progress.files < downloads.size()) {
    if (hooks.stop.stop_requested()) {
      fail(ErrorKind::kCancelled,
           "cancelled\n  the partial download is kept; repeat the command to continue");
    }
    while (next < downloads.size() && open.size() < static_cast<std::size_t>(options.parallel)) {
      open.push_back({next, std::make_unique<FileDownload>(downloads[next], fetcher, hooks)});
      ++next;
    }
    bool busy = false;
    for (Open& each : open) {
      // Files with equal bytes are one blob in the cache.
      const bool is_twin = std::any_of(open.begin(), open.end(), [&](const Open& other) {
        return other.place < each.place && other.file != nullptr &&
               downloads[other.place].target == downloads[each.place].target;
      });
      if (is_twin) continue;
      if (each.file->work()) {
        arrived_bytes += each.file->bytes();
        ++progress.files;
        each.file.reset();
        hooks.arrived(each.place);
      } else {
        busy = busy || each.file->is_busy();
      }
    }
    busy = std::erase_if(open, [](const Open& each) { return each.file == nullptr; }) > 0 || busy;
    fetcher.turn(std::chrono::milliseconds(busy ? 0 : 50));
    const bool last = progress.files == downloads.size();
    if (!last && Clock::now() < shown + std::chrono::milliseconds(200)) continue;
    shown = Clock::now();
    progress.bytes = arrived_bytes;
    bool sums = false;
    for (const Open& each : open) {
      progress.bytes += each.file->bytes();
      sums = sums || each.file->is_busy();
    }
    progress.now = open.empty() ? "" : open.front().file->name();
    progress.bytes_per_second = sums ? 0 : speed.per_second(progress.bytes);
    progress.seconds_left =
        progress.bytes_per_second > 0
            ? static_cast<double>(progress.total_bytes - progress.bytes) / progress.bytes_per_second
            : -1;
    hooks.progress(progress);
  }
}

std::uint64_t free_bytes(const fs::path& folder) {
  fs::path there = fs::absolute(folder);
  std::error_code none;
  while (!fs::exists(there, none) && there.has_relative_path()) there = there.parent_path();
  struct statvfs status {};
  if (statvfs(there.c_str(), &status) != 0)
    fail(ErrorKind::kDevice, "cannot determine the free space in {}: {}", there.string(),
         std::strerror(errno));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace semblance
