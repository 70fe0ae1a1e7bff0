#include "memory/meter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>

#include "core/error.h"

namespace semblance {
namespace {

using Text = std::array<char, 16 * 1024>;  // longer than any file that is read into it
constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 62U;  // v1: a huge limit means none

/// The beginning of the file; empty if it cannot be read. Does not allocate.
std::string_view read_into(Text& buffer, const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::size_t bytes = 0;
  while (bytes < buffer.size()) {
    const ssize_t got = read(descriptor, buffer.data() + bytes, buffer.size() - bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  close(descriptor);
  return {buffer.data(), bytes};
}

std::optional<std::uint64_t> number_at(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

/// The number after `key` (including its colon, if any) at the start of a line.
std::optional<std::uint64_t> field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(key) && line.size() > key.size() &&
        (line[key.size()] == ' ' || line[key.size()] == '\t')) {
      return number_at(line.substr(key.size()));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> kib_field(std::string_view text, std::string_view key) {
  const auto kib = field(text, key);
  if (!kib || *kib > std::numeric_limits<std::uint64_t>::max() / 1024) return std::nullopt;
  return *kib * 1024;
}

/// The limit in a file; nothing for "max", v1's huge number or a missing file.
std::optional<std::uint64_t> limit_in(const std::string& path) {
  Text buffer;
  const auto value = number_at(read_into(buffer, path));
  if (!value || *value >= kUnlimited) return std::nullopt;
  return value;
}

/// Page cache of a group and its descendants that the system can drop. In version 1, memory.stat
/// has these sums under total_; in version 2, all of its figures are such sums.
std::uint64_t reclaimable_in(std::string_view stat) {
  const auto one_of = [stat](std::string_view total, std::string_view own) {
    const auto sum = field(stat, total);
    return sum ? *sum : field(stat, own).value_or(0);
  };
  return one_of("total_inactive_file", "inactive_file") +
         one_of("total_active_file", "active_file");
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin <= line.size()) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin) words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

bool has_word(const std::string& commas, std::string_view word) {
  std::string_view rest = commas;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (rest.substr(0, end) == word) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

/// Decodes octal escapes: mountinfo writes a space as \040.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_octal = text[i] == '\\' && i + 3 < text.size() &&
                          text.find_first_not_of("01234567", i + 1) >= i + 4;
    if (!is_octal) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

struct Mount {
  std::string root;   // the group whose folder is mounted
  std::string point;  // where it is mounted
};

/// Where the memory controller (version 1) or the unified tree (version 2) is mounted.
/// Lines: id parent major:minor root point options [optional...] - type source super-options.
std::vector<Mount> mounts_of(const std::string& mountinfo, int version) {
  std::vector<Mount> mounts;
  for (const std::string& line : lines_of(mountinfo)) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 3) continue;
    const bool has_options = words.end() - dash > 3;
    const bool fits = version == 2
                          ? dash[1] == "cgroup2"
                          : dash[1] == "cgroup" && has_options && has_word(dash[3], "memory");
    if (fits) mounts.push_back({unescaped(words[3]), unescaped(words[4])});
  }
  return mounts;
}

/// This process's group in the hierarchy of that version; nothing if it is in none.
/// Lines: id:controllers:path, with id 0 and no controllers for version 2.
std::optional<std::string> group_path(const std::string& cgroup, int version) {
  for (const std::string& line : lines_of(cgroup)) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version == 2 ? controllers.empty() && line.starts_with("0:")
                     : has_word(controllers, "memory"))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

/// The part of a group's path below the mounted one; nothing if it is elsewhere.
std::optional<std::string> below(const std::string& path, const std::string& mounted) {
  if (path.find("/..") != std::string::npos) return std::nullopt;  // outside of the namespace
  if (mounted == "/") return path == "/" ? "" : path;
  if (!path.starts_with(mounted)) return std::nullopt;
  const std::string rest = path.substr(mounted.size());
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  return rest;
}

}  // namespace

double MachineMemory::used_percent() const {
  return total_bytes == 0
             ? 0
             : 100.0 * static_cast<double>(used_bytes()) / static_cast<double>(total_bytes);
}

namespace {

/// What a run could still use. `group`: an optional with room_bytes.
std::uint64_t least_room(std::uint64_t available_bytes, const auto& group,
                         const std::optional<ProcessLimit>& limit) {
  std::uint64_t bytes = available_bytes;
  if (group) bytes = std::min(bytes, group->room_bytes);
  if (limit) bytes = std::min(bytes, limit->room_bytes());
  return bytes;
}

}  // namespace

std::uint64_t MachineMemory::for_run_bytes() const {
  return least_room(available_bytes, group, limit);
}

Meter::Meter(std::string root)
    : root_(std::move(root)),
      meminfo_(root_ + "/proc/meminfo"),
      status_(root_ + "/proc/self/status"),
      limits_(root_ + "/proc/self/limits") {
  auto groups = std::make_shared<std::vector<Folder>>();
  for (const int version : {1, 2}) {
    const auto path = group_path(root_ + "/proc/self/cgroup", version);
    const std::vector<Mount> mounts = mounts_of(root_ + "/proc/self/mountinfo", version);
    if (!path || mounts.empty()) continue;
    // In a container the mounted folder may be the process's own group, whose path is not visible
    // there; then the mount's own folder is the nearest that can be read.
    std::string point = mounts.front().point;
    std::string rest;
    for (const Mount& mount : mounts) {
      const auto found = below(*path, mount.root);
      std::error_code ignored;
      if (found && std::filesystem::is_directory(root_ + mount.point + *found, ignored)) {
        point = mount.point;
        rest = *found;
        break;
      }
    }
    add_folders(*groups, version, root_ + point, rest);
  }
  groups_ = std::move(groups);
}

void Meter::add_folders(std::vector<Folder>& folders, int version, const std::string& top,
                        std::string rest) {
  bool is_leaf = true;
  while (true) {
    const std::string path = top + rest;
    if (version == 1) {
      folders.push_back({version,
                         path,
                         {path + "/memory.limit_in_bytes"},
                         path + "/memory.usage_in_bytes",
                         path + "/memory.stat",
                         is_leaf});
    } else {
      folders.push_back({version,
                         path,
                         {path + "/memory.max", path + "/memory.high"},
                         path + "/memory.current",
                         path + "/memory.stat",
                         is_leaf});
    }
    is_leaf = false;
    if (rest.empty()) return;
    rest.resize(rest.rfind('/'));
  }
}

std::optional<Meter::GroupFigures> Meter::group() const {
  std::optional<GroupFigures> least;
  std::uint64_t room = kUnlimited;
  for (const Folder& folder : *groups_) {
    std::uint64_t limit = kUnlimited;
    for (const std::string& path : folder.limits)
      limit = std::min(limit, limit_in(path).value_or(limit));
    // Version 1 reports the lowest limit of all ancestors, even those a container cannot see.
    const bool reports_ancestors = folder.version == 1 && folder.is_leaf;
    if (limit == kUnlimited && !reports_ancestors) continue;
    Text buffer;
    const std::string_view stat = read_into(buffer, folder.stat);
    if (reports_ancestors)
      limit = std::min(limit, field(stat, "hierarchical_memory_limit").value_or(limit));
    if (limit >= kUnlimited) continue;
    const std::uint64_t cache = reclaimable_in(stat);
    const std::uint64_t usage = number_at(read_into(buffer, folder.usage)).value_or(0);
    const std::uint64_t reclaimable = std::min(usage, cache);
    room = std::min(room, limit - std::min(limit, usage - reclaimable));
    if (!least || limit < least->limit_bytes) least = {&folder, limit, usage, reclaimable, 0};
  }
  if (least) least->room_bytes = room;
  return least;
}

std::optional<Meter::RamFigures> Meter::ram() const {
  Text buffer;
  const std::string_view text = read_into(buffer, meminfo_);
  const auto total = kib_field(text, "MemTotal:");
  const auto available = kib_field(text, "MemAvailable:");
  if (!total || !available) return std::nullopt;
  return RamFigures{*total, std::min(*total, *available)};
}

std::optional<ProcessMemory> Meter::try_process() const {
  Text buffer;
  const std::string_view text = read_into(buffer, status_);
  const auto resident = kib_field(text, "VmRSS:");
  const auto peak = kib_field(text, "VmHWM:");
  if (!resident || !peak) return std::nullopt;
  return ProcessMemory{.resident_bytes = *resident,
                       .peak_resident_bytes = std::max(*peak, *resident),
                       .anonymous_bytes = kib_field(text, "RssAnon:").value_or(0),
                       .file_bytes = kib_field(text, "RssFile:").value_or(0),
                       .shared_bytes = kib_field(text, "RssShmem:").value_or(0)};
}

std::optional<ProcessLimit> Meter::limit() const {
  Text buffer;
  const std::string_view limits = read_into(buffer, limits_);
  Text status_buffer;
  const std::string_view status = read_into(status_buffer, status_);
  std::optional<ProcessLimit> least;
  const auto consider = [&](ProcessLimit::Kind kind, std::string_view name, std::string_view key) {
    const auto bytes = field(limits, name);  // "unlimited" is not a number
    const auto mapped = kib_field(status, key);
    if (!bytes || !mapped) return;
    const ProcessLimit limit{.kind = kind, .limit_bytes = *bytes, .mapped_bytes = *mapped};
    if (!least || limit.room_bytes() < least->room_bytes()) least = limit;
  };
  consider(ProcessLimit::Kind::kAddressSpace, "Max address space", "VmSize:");
  consider(ProcessLimit::Kind::kData, "Max data size", "VmData:");
  return least;
}

std::optional<std::uint64_t> Meter::try_available() const {
  const auto figures = ram();
  if (!figures) return std::nullopt;
  return least_room(figures->available_bytes, group(), limit());
}

MachineMemory Meter::machine() const {
  const auto figures = ram();
  if (!figures) {
    fail(ErrorKind::kDevice,
         "cannot read the machine's memory: {} must have MemTotal and MemAvailable", meminfo_);
  }
  MachineMemory machine{.total_bytes = figures->total_bytes,
                        .available_bytes = figures->available_bytes,
                        .limit = limit()};
  if (const auto found = group()) {
    machine.group = GroupMemory{.version = found->folder->version,
                                .folder = found->folder->path,
                                .limit_bytes = found->limit_bytes,
                                .usage_bytes = found->usage_bytes,
                                .reclaimable_bytes = found->reclaimable_bytes,
                                .room_bytes = found->room_bytes};
  }
  return machine;
}

std::uint64_t Meter::available_bytes() const { return machine().for_run_bytes(); }

ProcessMemory Meter::process() const {
  const auto process = try_process();
  if (!process) {
    fail(ErrorKind::kDevice, "cannot read the program's memory use: {} must have VmRSS and VmHWM",
         status_);
  }
  return *process;
}

bool Meter::reset_peak() const {
  const int descriptor = open((root_ + "/proc/self/clear_refs").c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool done = write(descriptor, "5", 1) == 1;
  close(descriptor);
  return done;
}

}  // namespace semblance
