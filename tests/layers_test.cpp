// Dependencies between rooms point downward only. CMakeLists.txt lists the rooms in order; each
// room's own CMakeLists.txt lists the rooms that it may use after DEPS. Add a new dependency there,
// and give the reason in the same change. A room's tests may use every earlier room, and those
// after TEST_DEPS.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace semblance {
namespace {

namespace fs = std::filesystem;

struct Room {
  std::string name;
  std::vector<std::string> uses;       // rooms whose headers it may include
  std::vector<std::string> tests_use;  // later rooms whose headers its tests may include, too
};

std::string text_of(const fs::path& path) {
  std::ifstream stream(fs::path(SEMBLANCE_SOURCE_DIR) / path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// The words between `begin`, which opens a call, and its closing bracket.
std::vector<std::string> words_of(const std::string& text, const std::string& begin) {
  const auto place = text.find(begin);
  if (place == std::string::npos) return {};
  const auto first = place + begin.size();
  std::istringstream words(text.substr(first, text.find(')', first) - first));
  return {std::istream_iterator<std::string>(words), {}};
}

Room read_room(const std::string& name) {
  Room room{name, {}, {}};
  const auto words = words_of(text_of("src/" + name + "/CMakeLists.txt"), "semblance_room(");
  std::string section;
  for (const std::string& word : words) {
    if (word == "DEPS" || word == "LIBS" || word == "TEST_DEPS" || word == "TEST_LIBS") {
      section = word;
    } else if (section == "DEPS") {
      room.uses.push_back(word);
    } else if (section == "TEST_DEPS") {
      room.tests_use.push_back(word);
    }
  }
  return room;
}

/// In the order of CMakeLists.txt: each room uses only earlier ones.
const std::vector<Room> kRooms = [] {
  std::vector<Room> rooms;
  for (const std::string& name : words_of(text_of("CMakeLists.txt"), "foreach(room "))
    rooms.push_back(read_room(name));
  return rooms;
}();

const Room* find_room(const std::string& name) {
  const auto place = std::find_if(kRooms.begin(), kRooms.end(),
                                  [&](const Room& room) { return room.name == name; });
  return place == kRooms.end() ? nullptr : &*place;
}

std::size_t place_of(const Room& room) { return static_cast<std::size_t>(&room - kRooms.data()); }

/// The room in #include "room/header.h"; empty for other lines and for library includes.
std::string included_room(const std::string& line) {
  const std::string start = "#include \"";
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line.compare(begin, start.size(), start) != 0) return {};
  const auto slash = line.find('/', begin);
  const auto quote = line.find('"', begin + start.size());
  if (slash == std::string::npos || slash > quote) return {};
  return line.substr(begin + start.size(), slash - begin - start.size());
}

/// Files for tests only: thing_test.cpp, thing_test.h, testing.h.
bool is_for_tests(const fs::path& path) {
  const std::string stem = path.stem().string();
  return stem.ends_with("_test") || stem == "testing";
}

/// Why a file of `room` may not contain this line; empty if it may.
std::string objection(const Room& room, bool is_test, const std::string& line) {
  const std::string used = included_room(line);
  if (used.empty()) return {};
  if (used == "tests") return is_test ? "" : "only tests may use tests/";
  const auto begin = line.find('"') + 1;
  if (!is_test && is_for_tests(line.substr(begin, line.find('"', begin) - begin))) {
    return "only tests may use test headers";
  }
  if (used == room.name) return {};
  if (used == "hwy") return {};  // Highway includes its own headers with quotes
  const Room* other = find_room(used);
  if (other == nullptr) {
    // Not a room: a header of a library, or of include/semblance.
    return fs::is_directory(fs::path(SEMBLANCE_SOURCE_DIR) / "src" / used)
               ? used + " is not in the list of CMakeLists.txt"
               : "";
  }
  if (std::find(room.uses.begin(), room.uses.end(), used) != room.uses.end()) return {};
  if (is_test &&
      (place_of(*other) < place_of(room) ||
       std::find(room.tests_use.begin(), room.tests_use.end(), used) != room.tests_use.end())) {
    return {};
  }
  return room.name + " may not use " + used;
}

TEST(Layers, EveryRoomUsesOnlyEarlierRooms) {
  ASSERT_GT(kRooms.size(), 10U);
  for (const Room& room : kRooms) {
    for (const std::string& used : room.uses) {
      const Room* other = find_room(used);
      ASSERT_NE(other, nullptr) << used;
      EXPECT_LT(place_of(*other), place_of(room)) << room.name << " uses " << used;
    }
  }
}

TEST(Layers, EveryIncludePointsDownward) {
  const fs::path source = fs::path(SEMBLANCE_SOURCE_DIR) / "src";
  std::size_t files = 0;
  for (const auto& item : fs::recursive_directory_iterator(source)) {
    const fs::path path = fs::relative(item.path(), source);
    const std::string extension = path.extension().string();
    if (!item.is_regular_file() || (extension != ".h" && extension != ".cpp")) continue;
    if (!path.has_parent_path()) continue;  // main.cpp may use every room
    const Room* room = find_room(path.begin()->string());
    ASSERT_NE(room, nullptr) << "src/" << path.string() << " is not in a room";
    const bool is_test = is_for_tests(path);
    std::ifstream stream(item.path());
    std::string line;
    for (int number = 1; std::getline(stream, line); ++number) {
      const std::string why = objection(*room, is_test, line);
      EXPECT_EQ(why, "") << "src/" << path.string() << ":" << number << ": " << line;
    }
    ++files;
  }
  EXPECT_GT(files, 20U);
}

TEST(Layers, EveryRoomIsDocumented) {
  const std::string page = text_of("docs/architecture.md");
  for (const Room& room : kRooms) {
    EXPECT_NE(page.find("| `" + room.name + "/` |"), std::string::npos)
        << "docs/architecture.md has no row for " << room.name;
  }
}

/// Every path in backquotes in docs/how_to_add.md and CONTRIBUTING.md exists.
TEST(Layers, DocumentsNameExistingFiles) {
  const auto is_path = [](const std::string& text) {
    const auto slash = text.find('/');
    return slash != std::string::npos && text.find_first_of(" <>*$:") == std::string::npos &&
           fs::is_directory(fs::path(SEMBLANCE_SOURCE_DIR) / text.substr(0, slash)) &&
           !text.starts_with("build/");
  };
  std::size_t paths = 0;
  for (const char* page : {"docs/how_to_add.md", "CONTRIBUTING.md"}) {
    const std::string text = text_of(page);
    for (auto begin = text.find('`'); begin != std::string::npos;) {
      const auto end = text.find('`', begin + 1);
      ASSERT_NE(end, std::string::npos) << page;
      std::string quoted = text.substr(begin + 1, end - begin - 1);
      quoted = quoted.substr(0, quoted.find(' '));
      if (is_path(quoted)) {
        EXPECT_TRUE(fs::exists(fs::path(SEMBLANCE_SOURCE_DIR) / quoted)) << page << ": " << quoted;
        ++paths;
      }
      begin = text.find('`', end + 1);
    }
  }
  EXPECT_GT(paths, 20U);
}

TEST(Layers, SeesAnUpwardInclude) {
  const Room& memory = *find_room("memory");
  EXPECT_EQ(objection(memory, false, "#include \"core/error.h\""), "");
  EXPECT_EQ(objection(memory, false, "#include <vector>"), "");
  EXPECT_EQ(objection(memory, false, "  #include \"graph/graph.h\""), "memory may not use graph");
  EXPECT_EQ(objection(memory, true, "#include \"graph/graph.h\""), "memory may not use graph");
  EXPECT_EQ(objection(memory, false, "#include \"tests/support/golden.h\""),
            "only tests may use tests/");
  EXPECT_EQ(objection(memory, false, "#include \"memory/testing.h\""),
            "only tests may use test headers");
  EXPECT_EQ(objection(memory, true, "#include \"tests/support/golden.h\""), "");
  const Room& models = *find_room("models");
  EXPECT_EQ(objection(models, false, "#include \"backend/backends.h\""),
            "models may not use backend");
  EXPECT_EQ(objection(models, true, "#include \"backend/backends.h\""), "");
}

}  // namespace
}  // namespace semblance
