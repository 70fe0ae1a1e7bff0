// Tampering with a service's database, for tests only.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>

namespace semblance::service::testing {

/// Runs SQL statements on a data folder's database.
inline void sql(const std::filesystem::path& folder, const std::string& statements) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "service.sqlite").c_str(), &database), SQLITE_OK);
  char* problem = nullptr;
  EXPECT_EQ(sqlite3_exec(database, statements.c_str(), nullptr, nullptr, &problem), SQLITE_OK)
      << problem;
  sqlite3_free(problem);
  sqlite3_close(database);
}

/// Adds `hours` to the service's lived time.
inline void let_live(const std::filesystem::path& folder, int hours) {
  sql(folder, "UPDATE lived SET lived = lived + " + std::to_string(hours) + " * 3600000");
}

}  // namespace semblance::service::testing
