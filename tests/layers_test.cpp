// Dependencies between rooms point downward only. One table holds every edge that is allowed: a new
// one is added there, and argued for in the change that adds it. A room's tests may use every room
// above it in the table.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace semblance {
namespace {

namespace fs = std::filesystem;

struct Room {
  std::string name;
  std::vector<std::string> uses;            // rooms of which it may include headers
  std::vector<std::string> tests_use = {};  // rooms further down that its tests may include too
};

/// In an order in which each room uses only rooms above it.
const std::vector<Room> kRooms = {
    {"core", {}},
    {"memory", {"core"}},
    {"image", {"core", "memory"}},
    {"text", {"core", "memory"}},
    {"sampling", {"core", "memory"}},
    {"graph", {"core", "memory"}},
    {"weights", {"core", "memory"}},
    {"planner", {"core", "memory", "graph"}},
    {"runtime", {"core", "memory", "graph", "weights", "planner"}, {"backend"}},
    {"backend", {"core", "memory", "graph", "weights", "planner", "runtime"}},
    {"models", {"core", "memory", "graph", "weights"}},
    {"onnx", {"core", "memory", "graph", "weights"}},
    {"face",
     {"core", "memory", "image", "graph", "weights", "planner", "runtime", "backend", "onnx"}},
    {"pipeline",
     {"core", "memory", "image", "text", "sampling", "graph", "weights", "planner", "runtime",
      "backend", "models", "onnx", "face"}},
    {"api", {"core", "memory", "image", "text", "backend", "face", "pipeline"}},
    // weights: the directory of the face models' zip, and names out of hostile files.
    {"hub", {"core", "memory", "weights"}},
    {"service",
     {"core", "memory", "image", "text", "face", "runtime", "backend", "pipeline", "api", "hub"}},
    {"cli",
     {"core", "memory", "image", "text", "face", "runtime", "backend", "pipeline", "api", "hub",
      "service"}},
};

const Room* find_room(const std::string& name) {
  const auto place = std::find_if(kRooms.begin(), kRooms.end(),
                                  [&](const Room& room) { return room.name == name; });
  return place == kRooms.end() ? nullptr : &*place;
}

std::size_t place_of(const Room& room) { return static_cast<std::size_t>(&room - kRooms.data()); }

/// The room in #include "room/header.h"; empty for another line, and for an include of a library.
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

/// Why a file of `room` may not have this line; empty when it may.
std::string objection(const Room& room, bool is_test, const std::string& line) {
  const std::string used = included_room(line);
  if (used.empty()) return {};
  if (used == "tests") return is_test ? "" : "only tests may use tests/";
  const auto begin = line.find('"') + 1;
  if (!is_test && is_for_tests(line.substr(begin, line.find('"', begin) - begin))) {
    return "only tests may use what is for tests";
  }
  if (used == room.name) return {};
  if (used == "hwy") return {};  // Highway includes its own headers with quotes
  const Room* other = find_room(used);
  if (other == nullptr) {
    // Not a room: a header of a library, or of include/semblance.
    return fs::is_directory(fs::path(SEMBLANCE_SOURCE_DIR) / "src" / used)
               ? used + " is not in the table"
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

TEST(Layers, TheTableItselfPointsDownward) {
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
    if (!path.has_parent_path()) continue;  // main.cpp: the program puts the rooms together
    const Room* room = find_room(path.begin()->string());
    ASSERT_NE(room, nullptr) << "src/" << path.string() << " is in no room of the table";
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

TEST(Layers, EveryRoomLinksOnlyWhatItMayUse) {
  const fs::path source = fs::path(SEMBLANCE_SOURCE_DIR) / "src";
  for (const auto& item : fs::directory_iterator(source)) {
    std::ifstream stream(item.path() / "CMakeLists.txt");
    std::stringstream text;
    text << stream.rdbuf();
    const std::string list = text.str();
    const auto begin = list.find("semblance_room(");
    if (begin == std::string::npos) continue;
    std::string call = list.substr(begin + 15, list.find(')', begin) - begin - 15);
    std::replace(call.begin(), call.end(), '\n', ' ');
    std::istringstream words(call);
    std::string word;
    words >> word;
    const Room* room = find_room(word);
    ASSERT_NE(room, nullptr) << word << " is not in the table";
    std::string section;
    while (words >> word) {
      if (word == "DEPS" || word == "LIBS" || word == "TEST_DEPS" || word == "TEST_LIBS") {
        section = word;
      } else if (section == "DEPS") {
        EXPECT_NE(std::find(room->uses.begin(), room->uses.end(), word), room->uses.end())
            << room->name << " may not use " << word;
      }
    }
  }
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
            "only tests may use what is for tests");
  EXPECT_EQ(objection(memory, true, "#include \"tests/support/golden.h\""), "");
  const Room& models = *find_room("models");
  EXPECT_EQ(objection(models, false, "#include \"backend/backends.h\""),
            "models may not use backend");
  EXPECT_EQ(objection(models, true, "#include \"backend/backends.h\""), "");
}

}  // namespace
}  // namespace semblance
