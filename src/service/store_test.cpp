#include "service/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "service/database_test.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using semblance::testing::expect_error;

const Time kStoredAt = Time(std::chrono::milliseconds(1'800'000'000'123));

/// A new folder for every test, with jobs named by a letter: 'a' is the job with the id ...0a.
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

  Job add(char name, const std::string& key = "") {
    Job job{.id = id(name), .created = kStoredAt};
    if (!key.empty()) {
      job.request.repeat_key = "key " + key;
      job.request.digest = std::string(64, 'd');
    }
    job.request.prompt = std::string("job ") + name;
    std::ofstream(store().new_folder_of(job.id) / "photo") << "bytes";
    store().add(job);
    return job;
  }
  Job set(char name, JobState state) {
    Job job = *store().find(id(name));
    job.state = state;
    if (job.ended_already()) job.ended = kStoredAt;
    if (state == JobState::kDone) job.pictures = {{{64, 64}, 1}};
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

  void sql(const std::string& statements) { testing::sql(folder_, statements); }
  void let_live(int hours) {
    close();
    testing::let_live(folder_, hours);
    open();
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

TEST_F(StoreTest, CountsWaitingJobs) {
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

TEST_F(StoreTest, KeepsEverythingOfAJob) {
  Job job = add('a', "a key");
  job.state = JobState::kFailed;
  job.started = kStoredAt + 1s;
  job.ended = kStoredAt + 2s;
  static_cast<Request&>(job.request) = {.prompt = "a \"man\" \xE2\x82\xAC",
                                        .negative = "",
                                        .width = 128,
                                        .height = 64,
                                        .steps = 3,
                                        .guidance = 1.5F,
                                        .seed = 18446744073709551615U,
                                        .vae_tiling = true};
  job.request.count = 2;
  job.request.face = 4;
  job.request.keep_photo = true;
  job.begun = 2;
  job.gain = {1, 17};
  job.pictures = {{{128, 64}, 18446744073709551615U}, {{8, 16}, 0}};
  job.error = {"memory", "cannot fit\n  try less"};
  store().update(job);
  reopen();
  const Job kept = *store().find(job.id);
  EXPECT_EQ(kept.state, JobState::kFailed);
  EXPECT_EQ(kept.created, job.created);
  EXPECT_EQ(kept.started, job.started);
  EXPECT_EQ(kept.ended, job.ended);
  EXPECT_EQ(kept.request.repeat_key, "key a key");
  EXPECT_EQ(kept.request.digest, job.request.digest);
  EXPECT_EQ(kept_text(kept), kept_text(job));
  EXPECT_EQ(kept.begun, 2);
  EXPECT_EQ(kept.gain, job.gain);
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
  EXPECT_EQ(name(*store().find_repeated("key one")), "c");
  EXPECT_EQ(name(*store().find_repeated("key two")), "b");
  EXPECT_FALSE(store().find_repeated("key three"));
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
  set('a', JobState::kDone);
  let_live(3);
  set('b', JobState::kFailed);
  set('c', JobState::kRunning);
  // The wall clock does not count: all of these ended in 2027.
  sql("UPDATE jobs SET ended = 5 WHERE state = 'failed'");
  store().prune(2h, 100);
  EXPECT_EQ(list(), "dcb");
  EXPECT_FALSE(has_folder('a'));
}

TEST_F(StoreTest, AtMostADayCountsBetweenTwoRuns) {
  add('a');
  set('a', JobState::kDone);
  const auto off_for = [&](int hours) {
    close();
    sql("UPDATE lived SET wall = wall - " + std::to_string(hours) + " * 3600000");
    open();
  };
  off_for(24 * 30);
  store().prune(25h, 100);
  EXPECT_EQ(list(), "a");
  off_for(-24 * 30);  // the clock went back
  store().prune(25h, 100);
  EXPECT_EQ(list(), "a");
  off_for(2);
  store().prune(25h, 100);
  EXPECT_EQ(list(), "");
}

TEST_F(StoreTest, DamagedAgesCountAsNew) {
  for (const char c : std::string("abc")) add(c), set(c, JobState::kDone);
  let_live(48);
  sql("UPDATE jobs SET ended_lived = 9e18 WHERE id LIKE '%a'");
  sql("UPDATE jobs SET ended_lived = -5 WHERE id LIKE '%b'");
  sql("UPDATE jobs SET ended_lived = 'long ago' WHERE id LIKE '%c'");
  sql("UPDATE lived SET lived = -7");
  reopen();
  store().prune(1h, 100);
  EXPECT_EQ(list(), "cba");
  let_live(2);
  store().prune(1h, 100);
  EXPECT_EQ(list(), "");
}

TEST_F(StoreTest, AKeyIsRememberedForADay) {
  add('a', "one");
  let_live(23);
  EXPECT_EQ(name(*store().find_repeated("key one")), "a");
  let_live(2);
  EXPECT_FALSE(store().find_repeated("key one"));
  EXPECT_EQ(list(), "a");
}

TEST_F(StoreTest, PrunesByCountButKeepsUnfinishedJobs) {
  for (const char c : std::string("abcdef")) add(c);
  set('a', JobState::kRunning);
  for (const char c : std::string("bcd")) set(c, JobState::kDone);
  store().prune(2h, 2);
  EXPECT_EQ(list(), "fedca");
  EXPECT_FALSE(has_folder('b'));
  EXPECT_TRUE(has_folder('a'));
}

TEST_F(StoreTest, IdentitiesComeAndGo) {
  store().add_identity({id('1'), "Ann", kStoredAt});
  store().add_identity({id('2'), "Bob 'or' 1=1; --", kStoredAt + 1s});
  std::ofstream(store().identity_file(id('1'))) << "{}";
  reopen();
  ASSERT_EQ(store().identities().size(), 2U);
  EXPECT_EQ(store().identities()[0].name, "Bob 'or' 1=1; --");
  EXPECT_EQ(store().find_identity(id('1'))->created, kStoredAt);
  EXPECT_TRUE(store().remove_identity(id('1')));
  EXPECT_FALSE(fs::exists(store().identity_file(id('1'))));
  EXPECT_FALSE(store().remove_identity(id('1')));
  EXPECT_FALSE(store().find_identity(id('1')));
}

TEST_F(StoreTest, OrphanedFilesAreRemovedAtTheStart) {
  add('a');
  store().add_identity({id('1'), "Ann", kStoredAt});
  std::ofstream(store().identity_file(id('1'))) << "{}";
  std::ofstream(store().identity_file(id('2'))) << "{}";
  std::ofstream(store().new_folder_of(id('b')) / "photo") << "of a job that never came about";
  // Files with other names are the user's.
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
  expect_error(ErrorKind::kDevice, "another semblance serve is using it",
               [&] { const Store second(folder()); });
  close();
  const Store second(folder());
}

TEST_F(StoreTest, AnImpossibleFolderIsRefused) {
  close();
  std::ofstream(folder() / "file") << "x";
  expect_error(ErrorKind::kDevice, "cannot make the folder",
               [&] { const Store store(folder() / "file/data"); });
}

TEST_F(StoreTest, ADatabaseOfALaterVersionIsRefused) {
  close();
  sql("PRAGMA user_version = 3");
  expect_error(ErrorKind::kCorrupt, "a later version of semblance wrote it",
               [&] { const Store store(folder()); });
}

TEST_F(StoreTest, ADamagedDatabaseIsRefusedWithASuggestion) {
  close();
  for (const char* end : {"-wal", "-shm"})
    fs::remove(folder() / ("service.sqlite" + std::string(end)));
  std::ofstream(folder() / "service.sqlite") << std::string(8192, 'x');
  expect_error(ErrorKind::kCorrupt, "move the folder away", [&] { const Store store(folder()); });
}

TEST_F(StoreTest, AnUnreadableJobFailsAndDoesNotBlockOthers) {
  add('a'), add('b'), add('c');
  sql("UPDATE jobs SET kept = '{\"settings\": {\"prompt\": 5' WHERE id = '" + id('a') + "'");
  sql("UPDATE jobs SET state = 'asleep' WHERE id = '" + id('b') + "'");
  ::testing::internal::CaptureStderr();
  reopen();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("Z failed job: " + id('a') + ": corrupt: its row in the database cannot be"),
            std::string::npos)
      << said;
  EXPECT_EQ(said.find("prompt"), std::string::npos) << said;
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

/// The job as GET /api/jobs shows it.
std::string shown(const std::optional<Job>& job) { return job ? to_json(*job).dump() : "none"; }

TEST_F(StoreTest, EveryPartOfARowIsChecked) {
  const std::string kept = kept_text({.request = {{.prompt = "x", .negative = {}}}});
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = nlohmann::json::parse(kept);
    changed[key] = value;
    return "kept = '" + changed.dump() + "'";
  };
  const std::vector<std::string> damages{
      "state = 'asleep'",
      "state = CAST(x'717565756564ff' AS TEXT)",
      "state = x'717565756564'",
      "created = 'today'",
      "created = -1",
      "created = 253402300800000",
      "created = 9e18",
      "started = 'x'",
      "started = -9223372036854775808",
      "ended = 5",
      "state = 'done'",
      "state = 'failed'",
      "state = 'done', ended = 5",
      "repeat_key = 'key without a digest'",
      "digest = 'abc'",
      "repeat_key = CAST(x'6b657920ff' AS TEXT), digest = '" + std::string(64, 'a') + "'",
      "kept = ''",
      "kept = 'x'",
      "kept = x'7b7d'",
      "kept = '[]'",
      "kept = CAST(x'7b2273657474696e6773223a22ff227d' AS TEXT)",
      "kept = '" + std::string(70, '[') + "'",
      "kept = '" + std::string(1100000, ' ') + "'",
      with("face", -1),
      with("face", 1001),
      with("face", 1e300),
      with("face", 0.5),
      with("begun", -1),
      with("begun", 5000000000),
      with("keep_photo", 1),
      with("gain", "x"),
      with("gain", {17, 0}),
      with("gain", {0, -1}),
      with("gain", {0}),
      with("pictures", {{64, 64, 1}, {64, 64, 2}}),
      with("pictures", {{64, 64, -1}}),
      with("pictures", {{0, 64, 1}}),
      with("pictures", {{64, 100000, 1}}),
      with("pictures", {{64, 64, 0.5}}),
      with("pictures", {{64, 64}}),
      with("pictures", {5}),
      with("error", {"no such code", "x"}),
      with("error", {"device"}),
      with("error", 5),
      with("settings", {{"prompt", "x"}, {"steps", 0}}),
      with("settings", {{"steps", 5}}),
      with("settings", {{"prompt", "x"}, {"width", 64}}),
      with("settings", 5)};
  for (const std::string& damage : damages) {
    add('a'), add('b');
    sql("UPDATE jobs SET " + damage + " WHERE id = '" + id('a') + "'");
    for (int round = 0; round < 2; ++round) {
      const std::string& what = damage.size() < 300 ? damage : damage.substr(0, 20);
      const std::optional<Job> job = store().find(id('a'));
      ASSERT_TRUE(job) << what;
      EXPECT_EQ(job->state, JobState::kFailed) << what;
      EXPECT_EQ(job->error->code, "corrupt") << what;
      EXPECT_NE(job->error->message.find("cannot read job " + id('a')), std::string::npos) << what;
      EXPECT_TRUE(job->ended) << what;
      shown(job);  // must not throw
      EXPECT_EQ(list(), "ba") << what;
      EXPECT_EQ(next(), "b") << what;
      reopen();  // the same after a restart
    }
    EXPECT_EQ(store().queued(), 1);
    store().remove(id('a')), store().remove(id('b'));
  }
}

TEST_F(StoreTest, AnInvalidIdIsNeverAPath) {
  const fs::path outside = folder() / "outside";
  for (const char* damage :
       {"'../outside'", "'..'", "''", "'.'", "'0123456789abcdef012/'", "5",
        "x'2e2e2f6f757473696465'", "x'3030303030303030303030303030303030303061'",
        "'0000000000000000000A'",
        "CAST(x'3030303030303030303030303030303030303061002e2e2f' AS TEXT)"}) {
    for (const char* state : {"queued", "running", "done"}) {
      for (const bool at_start : {true, false}) {
        fs::create_directories(outside / "deep");
        add('a'), add('b');
        sql(fmt::format("UPDATE jobs SET id = {}, state = '{}' WHERE id = '{}'", damage, state,
                        id('a')));
        sql(fmt::format("INSERT INTO identities VALUES({}, 'Ann', 5)", damage));
        if (at_start) reopen();
        EXPECT_EQ(list(), "b") << damage;
        EXPECT_EQ(next(), "b") << damage;
        EXPECT_TRUE(store().identities().empty()) << damage;
        store().prune(0ms, 0);
        store().remove("../outside");
        store().remove_files("../outside");
        EXPECT_FALSE(store().remove_identity("../outside"));
        EXPECT_TRUE(fs::exists(outside / "deep")) << damage;
        EXPECT_TRUE(fs::exists(folder() / "jobs")) << damage;
        store().remove(id('b'));
        sql("DELETE FROM identities");
        sql("DELETE FROM jobs");
      }
    }
  }
  for (const char* wrong : {"../outside", "", "0000000000000000000A"}) {
    expect_error(ErrorKind::kCorrupt, "its id is damaged", [&] { store().folder_of(wrong); });
    expect_error(ErrorKind::kCorrupt, "its id is damaged", [&] { store().identity_file(wrong); });
  }
}

TEST_F(StoreTest, ASavedFaceSurvivesABadName) {
  sql("INSERT INTO identities VALUES('" + id('1') + "', CAST(x'ff' AS TEXT), 5)");
  sql("INSERT INTO identities VALUES('" + id('2') + "', '', 'x')");
  sql("INSERT INTO identities VALUES('" + id('3') + "', '" + std::string(201, 'n') + "', 9e18)");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store().identities().size(), 3U);
    for (const SavedIdentity& identity : store().identities()) {
      EXPECT_EQ(identity.name, "?");
      EXPECT_LT(time_text(identity.created), "1970-01-02");
    }
    reopen();
  }
}

TEST_F(StoreTest, LinksAreNotFollowed) {
  const fs::path outside = folder() / "outside";
  fs::create_directories(outside);
  std::ofstream(outside / "photo") << "x";
  add('a');
  fs::remove_all(folder() / "jobs" / id('a'));
  fs::create_directory_symlink(outside, folder() / "jobs" / id('a'));
  fs::create_directory_symlink(outside, folder() / "jobs" / id('b'));  // belongs to no job
  fs::create_symlink(outside / "photo", store().identity_file(id('1')));
  expect_error(ErrorKind::kCorrupt, "expected a folder, got a link",
               [&] { store().folder_of(id('a')); });
  store().remove_files(id('b'));
  reopen();
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder() / "jobs" / id('a'))));
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder() / "jobs" / id('b'))));
  EXPECT_FALSE(fs::exists(fs::symlink_status(store().identity_file(id('1')))));
  EXPECT_TRUE(fs::exists(outside / "photo"));
}

TEST_F(StoreTest, PartialFilesAreRemovedAtTheStart) {
  store().add_identity({id('1'), "Ann", kStoredAt});
  std::ofstream(store().identity_file(id('1'))) << "{}";
  const fs::path identities = folder() / "identities";
  const fs::path half = identities / ".semblance-71-3.tmp";
  const fs::path foreign = identities / ".notes.json.tmp";
  std::ofstream(half) << "{";
  std::ofstream(foreign) << "{";
  reopen();
  EXPECT_FALSE(fs::exists(half));
  EXPECT_TRUE(fs::exists(foreign));
  EXPECT_TRUE(fs::exists(store().identity_file(id('1'))));
}

TEST_F(StoreTest, UpgradesADatabaseOfVersion1) {
  add('a', "one"), add('b');
  set('b', JobState::kDone);
  close();
  sql("ALTER TABLE jobs DROP COLUMN digest; ALTER TABLE jobs DROP COLUMN created_lived;"
      "ALTER TABLE jobs DROP COLUMN ended_lived; DROP TABLE lived; PRAGMA user_version = 1;");
  open();
  EXPECT_EQ(list(), "ba");
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(store().find(id('b'))->state, JobState::kDone);
  EXPECT_FALSE(store().find_repeated("key one"));  // its request's digest is unknown
  store().prune(1h, 100);
  EXPECT_EQ(list(), "ba");
}

TEST_F(StoreTest, ADatabaseOfAnotherProgramIsRefused) {
  close();
  for (const char* end : {"", "-wal", "-shm"})
    fs::remove(folder() / ("service.sqlite" + std::string(end)));
  sql("CREATE TABLE songs(title TEXT)");
  expect_error(ErrorKind::kCorrupt, "it is the database of another program",
               [&] { const Store store(folder()); });
}

TEST_F(StoreTest, AListHasShortenedPrompts) {
  add('a');
  Job job = *store().find(id('a'));
  job.request.prompt.assign(kMostPromptBytes, 'x');
  store().update(job);
  EXPECT_EQ(store().list(1).at(0).request.prompt.size(), kShortPromptBytes);
  EXPECT_EQ(store().find(id('a'))->request.prompt, job.request.prompt);
  EXPECT_EQ(store().next()->request.prompt, job.request.prompt);
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
