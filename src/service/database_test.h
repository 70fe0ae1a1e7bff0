// What somebody else may do to a service's database. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>

namespace semblance::service::testing {

/// Runs statements on the database of a data folder.
inline void sql(const std::filesystem::path& folder, const std::string& statements) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "service.sqlite").c_str(), &database), SQLITE_OK);
  char* problem = nullptr;
  EXPECT_EQ(sqlite3_exec(database, statements.c_str(), nullptr, nullptr, &problem), SQLITE_OK)
      << problem;
  sqlite3_free(problem);
  sqlite3_close(database);
}

/// As if the service had lived through so many more hours, and ended just now.
inline void let_live(const std::filesystem::path& folder, int hours) {
  sql(folder, "UPDATE lived SET lived = lived + " + std::to_string(hours) + " * 3600000");
}

}  // namespace semblance::service::testing
