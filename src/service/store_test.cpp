#include "service/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <set>

#include "tests/support/errors.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using semblance::testing::expect_error;

const Time kNow = Time(std::chrono::milliseconds(1'800'000'000'123));

/// A folder of its own for every test, and words for jobs in it: "a" is the job ...0a.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("semblance_store_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    open();
  }
  ~StoreTest() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  void open() { store_.emplace(folder_); }
  void close() { store_.reset(); }
  void reopen() {
    close();
    open();
  }
  Store& store() { return *store_; }
  const fs::path& folder() const { return folder_; }

  static std::string id(char name) { return std::string(19, '0') + name; }
  static std::string name(const Job& job) { return job.id.substr(19); }

  Job add(char name, const std::string& repeat_key = "", Time created = kNow) {
    Job job{.id = id(name), .created = created, .repeat_key = repeat_key};
    job.settings.prompt = std::string("job ") + name;
    std::ofstream(store().folder_of(job.id) / "photo") << "bytes";
    store().add(job);
    return job;
  }
  Job set(char name, JobState state, std::optional<Time> ended = {}) {
    Job job = *store().find(id(name));
    job.state = state;
    if (job.ended_already()) job.ended = ended.value_or(kNow);
    store().update(job);
    return job;
  }
  std::string next() {
    const std::optional<Job> job = store().next();
    return job ? name(*job) : "none";
  }
  std::string list(int most = 100, const std::string& before = "") {
    std::string names;
    for (const Job& job : store().list(most, before)) names += name(job);
    return names;
  }
  bool has_folder(char name) const { return fs::exists(folder_ / "jobs" / id(name)); }

  void sql(const std::string& statements) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder_ / "service.sqlite").c_str(), &database), SQLITE_OK);
    char* problem = nullptr;
    EXPECT_EQ(sqlite3_exec(database, statements.c_str(), nullptr, nullptr, &problem), SQLITE_OK)
        << problem;
    sqlite3_close(database);
  }

 private:
  fs::path folder_;
  std::optional<Store> store_;
};

TEST_F(StoreTest, ARunningJobGoesFirstThenTheOldest) {
  EXPECT_EQ(next(), "none");
  add('a'), add('b'), add('c');
  EXPECT_EQ(next(), "a");
  set('b', JobState::kRunning);
  EXPECT_EQ(next(), "b");
  reopen();
  EXPECT_EQ(next(), "b");
  set('b', JobState::kDone);
  EXPECT_EQ(next(), "a");
  set('a', JobState::kCancelled);
  EXPECT_EQ(next(), "c");
  set('c', JobState::kFailed);
  EXPECT_EQ(next(), "none");
}

TEST_F(StoreTest, CountsThoseThatWait) {
  add('a'), add('b'), add('c');
  EXPECT_EQ(store().queued(), 3);
  EXPECT_EQ(store().position(id('a')), 0);
  EXPECT_EQ(store().position(id('c')), 2);
  set('a', JobState::kRunning);
  EXPECT_EQ(store().queued(), 2);
  EXPECT_EQ(store().position(id('c')), 1);
  set('b', JobState::kCancelled);
  EXPECT_EQ(store().position(id('c')), 0);
}

TEST_F(StoreTest, KeepsAllOfAJob) {
  Job job = add('a', "key");
  job.state = JobState::kFailed;
  job.started = kNow + 1s;
  job.ended = kNow + 2s;
  job.settings = {.prompt = "a \"man\" \xE2\x82\xAC",
                  .negative = "",
                  .width = 128,
                  .height = 64,
                  .steps = 3,
                  .guidance = 1.5,
                  .seed = 18446744073709551615U,
                  .vae_tiling = true,
                  .count = 2};
  job.face = 4;
  job.keep_photo = true;
  job.begun = 2;
  job.pictures = {{{128, 64}, 18446744073709551615U}, {{8, 16}, 0}};
  job.error = {"memory", "cannot fit\n  try less"};
  store().update(job);
  reopen();
  const Job kept = *store().find(job.id);
  EXPECT_EQ(kept.state, JobState::kFailed);
  EXPECT_EQ(kept.created, job.created);
  EXPECT_EQ(kept.started, job.started);
  EXPECT_EQ(kept.ended, job.ended);
  EXPECT_EQ(kept.repeat_key, "key");
  EXPECT_EQ(kept_text(kept), kept_text(job));
  EXPECT_EQ(kept.begun, 2);
  EXPECT_EQ(kept.pictures.at(0).seed, 18446744073709551615U);
  EXPECT_EQ(kept.error->message, job.error->message);
}

TEST_F(StoreTest, ListsTheNewestFirstPageByPage) {
  for (const char c : std::string("abcde")) add(c);
  EXPECT_EQ(list(), "edcba");
  EXPECT_EQ(list(2), "ed");
  EXPECT_EQ(list(2, id('d')), "cb");
  EXPECT_EQ(list(2, "no such job"), "");
}

TEST_F(StoreTest, FindsTheNewestOfARepeatKey) {
  add('a', "one"), add('b', "two"), add('c', "one"), add('d');
  EXPECT_EQ(name(*store().find_repeated("one")), "c");
  EXPECT_EQ(name(*store().find_repeated("two")), "b");
  EXPECT_FALSE(store().find_repeated("three"));
  EXPECT_FALSE(store().find_repeated(""));
}

TEST_F(StoreTest, RemovesAJobWithItsFiles) {
  add('a'), add('b');
  store().remove(id('a'));
  EXPECT_EQ(list(), "b");
  EXPECT_FALSE(has_folder('a'));
  EXPECT_TRUE(has_folder('b'));
}

TEST_F(StoreTest, PrunesByAge) {
  for (const char c : std::string("abcd")) add(c);
  set('a', JobState::kDone, kNow - 3h);
  set('b', JobState::kFailed, kNow - 1h);
  set('c', JobState::kRunning);
  store().prune(kNow - 2h, 100);
  EXPECT_EQ(list(), "dcb");
  EXPECT_FALSE(has_folder('a'));
}

TEST_F(StoreTest, PrunesByCountAndNeverWhatIsUnfinished) {
  for (const char c : std::string("abcdef")) add(c);
  set('a', JobState::kRunning);
  for (const char c : std::string("bcd")) set(c, JobState::kDone);
  store().prune(kNow - 2h, 2);
  EXPECT_EQ(list(), "fedca");
  EXPECT_FALSE(has_folder('b'));
  EXPECT_TRUE(has_folder('a'));
}

TEST_F(StoreTest, IdentitiesComeAndGo) {
  store().add_identity({id('1'), "Ann", kNow});
  store().add_identity({id('2'), "Bob 'or' 1=1; --", kNow + 1s});
  std::ofstream(store().identity_file(id('1'))) << "{}";
  reopen();
  ASSERT_EQ(store().identities().size(), 2U);
  EXPECT_EQ(store().identities()[0].name, "Bob 'or' 1=1; --");
  EXPECT_EQ(store().find_identity(id('1'))->created, kNow);
  EXPECT_TRUE(store().remove_identity(id('1')));
  EXPECT_FALSE(fs::exists(store().identity_file(id('1'))));
  EXPECT_FALSE(store().remove_identity(id('1')));
  EXPECT_FALSE(store().find_identity(id('1')));
}

TEST_F(StoreTest, WhatBelongsToNothingIsRemovedAtTheStart) {
  add('a');
  store().add_identity({id('1'), "Ann", kNow});
  std::ofstream(store().identity_file(id('1'))) << "{}";
  std::ofstream(store().identity_file(id('2'))) << "{}";
  std::ofstream(store().folder_of(id('b')) / "photo") << "of a job that never came about";
  // What has not our names is the user's.
  fs::create_directories(folder() / "jobs/applications");
  std::ofstream(folder() / "identities/notes.json") << "{}";
  reopen();
  EXPECT_TRUE(has_folder('a'));
  EXPECT_FALSE(has_folder('b'));
  EXPECT_TRUE(fs::exists(store().identity_file(id('1'))));
  EXPECT_FALSE(fs::exists(store().identity_file(id('2'))));
  EXPECT_TRUE(fs::exists(folder() / "jobs/applications"));
  EXPECT_TRUE(fs::exists(folder() / "identities/notes.json"));
}

TEST_F(StoreTest, OneProgramAtATimeUsesAFolder) {
  expect_error(ErrorKind::kDevice, "another semblance serve uses it",
               [&] { const Store second(folder()); });
  close();
  const Store second(folder());
}

TEST_F(StoreTest, AFolderThatCannotBeIsRefused) {
  close();
  std::ofstream(folder() / "file") << "x";
  expect_error(ErrorKind::kDevice, "cannot make the folder",
               [&] { const Store store(folder() / "file/data"); });
}

TEST_F(StoreTest, ADatabaseOfALaterVersionIsRefused) {
  close();
  sql("PRAGMA user_version = 2");
  expect_error(ErrorKind::kCorrupt, "a later version of semblance wrote it",
               [&] { const Store store(folder()); });
}

TEST_F(StoreTest, ADamagedDatabaseIsRefusedWithAWayOut) {
  close();
  for (const char* end : {"-wal", "-shm"})
    fs::remove(folder() / ("service.sqlite" + std::string(end)));
  std::ofstream(folder() / "service.sqlite") << std::string(8192, 'x');
  expect_error(ErrorKind::kCorrupt, "move the folder away", [&] { const Store store(folder()); });
}

TEST_F(StoreTest, AnUnreadableJobHasFailedAndHoldsUpNoOther) {
  add('a'), add('b'), add('c');
  sql("UPDATE jobs SET kept = '{\"settings\": {\"prompt\": 5' WHERE id = '" + id('a') + "'");
  sql("UPDATE jobs SET state = 'asleep' WHERE id = '" + id('b') + "'");
  const Job damaged = *store().find(id('a'));
  EXPECT_EQ(damaged.state, JobState::kFailed);
  EXPECT_EQ(damaged.error->code, "corrupt");
  EXPECT_TRUE(damaged.error->message.starts_with("cannot read job " + id('a')))
      << damaged.error->message;
  EXPECT_EQ(store().find(id('b'))->state, JobState::kFailed);
  EXPECT_EQ(list(), "cba");
  EXPECT_EQ(next(), "c");
  set('c', JobState::kDone);
  EXPECT_EQ(next(), "none");
  EXPECT_EQ(store().queued(), 0);
}

TEST(StoreId, CannotBeGuessedFromAnother) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = Store::new_id();
    EXPECT_EQ(id.size(), 20U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000U);
}

}  // namespace
}  // namespace semblance::service
