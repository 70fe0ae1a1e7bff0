#include "service/jobs.h"

#include "image/decode.h"
#include "image/mask.h"
#include "service/database_test.h"
#include "service/service_test.h"
#include "tests/support/golden.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using testing::photo;
using testing::ServiceTest;

namespace fs = std::filesystem;

class JobsTest : public ServiceTest {
 protected:
  /// Blocks the compute thread until it is destroyed, so that jobs stay in the queue.
  class Pause {
   public:
    explicit Pause(Jobs& jobs)
        : thread_([this, &jobs] {
            jobs.between(HttpRequest(), [this](std::stop_token stop) {
              begun_ = true;
              while (!over_ && !stop.stop_requested()) std::this_thread::sleep_for(1ms);
              return 0;
            });
          }) {
      EXPECT_TRUE(becomes_true([this] { return begun_.load(); }));
    }
    ~Pause() {
      over_ = true;
      thread_.join();
    }

   private:
    std::atomic<bool> begun_ = false, over_ = false;
    std::thread thread_;
  };

  std::string picture_of(const std::string& id) { return Body(jobs().picture(id, 0)).whole(); }
  bool has_photo(const std::string& id) const {
    return fs::exists(folder_of(id) / "photo") || fs::exists(folder_of(id) / "photo.json");
  }
  void add(const Job& job) {
    opened_store().new_folder_of(job.id);
    opened_store().add(job);
  }
  static Job ended_job() {
    Job job{.id = Store::new_id(), .state = JobState::kDone, .pictures = {{{64, 64}, 1}}};
    job.ended = now();
    return job;
  }
  int job_folders() const {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder() / "jobs")) ++count;
    return count;
  }
};

TEST_F(JobsTest, AJobMakesItsPicturesAndDeletesThePhoto) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file);
  job.count = 2;
  const std::string id = jobs().submit(job).id;
  ASSERT_TRUE(becomes(id, JobState::kDone));
  const Job view = jobs().get(id);
  ASSERT_EQ(view.pictures.size(), 2U);
  EXPECT_EQ(view.pictures[0].seed, 7U);
  EXPECT_EQ(view.pictures[1].seed, 8U);
  EXPECT_EQ(view.pictures[1].size, (Size{64, 64}));
  EXPECT_NE(picture(id, 0), picture(id, 1));
  EXPECT_EQ(refusal([&] { jobs().picture(id, 2); }), "404 not_found");
  EXPECT_EQ(probe(*jobs().small_picture(id, 1)).format, ImageFormat::kWebp);
  fs::remove(folder_of(id) / "1.webp");  // as an earlier version left it
  EXPECT_EQ(Body(jobs().small_picture(id, 1)).whole(), picture(id, 1));
  EXPECT_TRUE(becomes_true([&] { return !has_photo(id); }, 5s));
  EXPECT_EQ(jobs().counts().done, 1U);
  EXPECT_EQ(jobs().counts().pictures, 2U);
  EXPECT_EQ(jobs().counts().steps, 4U);
}

TEST_F(JobsTest, TheEngineObeysStopRequests) {
  std::stop_source source;
  source.request_stop();
  const std::stop_token stop = source.get_token();
  const std::string file = photo();
  const auto cancelled = [](const std::function<void()>& work) {
    EXPECT_EQ(refusal(work), "cancelled");
  };
  cancelled(
      [&] { engine().plan({.prompt = "x", .negative = {}, .width = 64, .height = 64}, stop); });
  cancelled([&] {
    engine().plan({.prompt = "x", .negative = {}, .width = 64, .height = 64}, {},
                  [] { return true; });
  });
  cancelled([&] { engine().look(*file_over("the photo", file), stop); });
  cancelled([&] { engine().colours(stop); });
  engine().release();
  cancelled([&] { engine().pipeline(stop); });
  cancelled([&] { const Engine another(engine().options(), stop); });
}

TEST_F(JobsTest, APhotoIsKeptOnRequest) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file);
  job.keep_photo = true;
  const std::string id = jobs().submit(job).id;
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_EQ(Body(jobs().kept_photo(id)).whole(), file);
  job.keep_photo = false;
  const std::string another = jobs().submit(job).id;
  ASSERT_TRUE(becomes(another, JobState::kDone));
  EXPECT_EQ(refusal([&] { jobs().kept_photo(another); }), "404 not_found");
  EXPECT_EQ(refusal([&] { jobs().kept_photo("0"); }), "404 not_found");
}

TEST_F(JobsTest, AFullQueueAnswersWithRetryAfter) {
  begin({.queue_limit = 2});
  const std::string file = photo();
  {
    const Pause pause(jobs());
    jobs().submit(request(file));
    jobs().submit(request(file));
    try {
      jobs().submit(request(file));
      FAIL();
    } catch (const HttpError& error) {
      EXPECT_EQ(error.response().status, 429);
      EXPECT_EQ(error.response().headers.at("Retry-After"), "1");
    }
    EXPECT_EQ(job_folders(), 2);
  }
  EXPECT_TRUE(becomes_true([&] { return jobs().counts().done == 2; }));
  jobs().submit(request(file));
}

TEST_F(JobsTest, AJobStartsFromAPicture) {
  begin();
  const std::string file = photo();
  const auto made = [&](bool from_picture, double strength) {
    JobRequest job = request(file, 5);
    if (from_picture) {
      job.initial.bytes = file;
      job.strength = strength;
    }
    const std::string id = jobs().submit(job).id;
    EXPECT_TRUE(becomes(id, JobState::kDone));
    EXPECT_FALSE(fs::exists(folder_of(id) / "init")) << "it is deleted with the photos";
    return picture(id, 0);
  };
  const std::string plain = made(false, 0);
  const std::string with = made(true, 0.6);
  EXPECT_NE(with, plain);
  EXPECT_EQ(made(true, 0.6), with);
  EXPECT_NE(made(true, 0.8), with);
  EXPECT_NE(with.find("Denoising strength: 0.6"), std::string::npos);

  JobRequest none = request(file);
  none.strength = 0.5;
  EXPECT_EQ(refusal([&] { jobs().submit(none); }), "400 argument");
  none.initial.bytes = "no picture";
  EXPECT_EQ(refusal([&] { jobs().submit(none); }), "400 argument");
  none.initial.bytes = file;
  none.strength = 0;
  EXPECT_EQ(refusal([&] { jobs().submit(none); }), "400 argument");
}

TEST_F(JobsTest, AJobRepaintsAPartOfAPicture) {
  begin();
  const fs::path folder = semblance::testing::golden_path("pipeline/fp16_published/repaint");
  const std::string initial = testing::bytes_of(folder / "initial.png"),
                    mask = testing::bytes_of(folder / "mask.png"), file = photo();
  JobRequest job = request(file, 3);
  job.initial.bytes = initial;
  job.mask.bytes = mask;
  job.pose.bytes = file;
  job.width = job.height = 0;  // the picture's own
  job.strength = 0.8;
  job.mask_blur = 0;
  const std::string id = jobs().submit(job).id;
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_FALSE(fs::exists(folder_of(id) / "mask")) << "it is deleted with the photos";
  const std::string png = picture(id, 0);
  const Image made = decode(*file_over("made.png", png));
  const Image before = decode(folder / "initial.png");
  const Mask covered = grey(decode(folder / "mask.png"));
  ASSERT_EQ(made.size(), before.size());
  std::size_t changed = 0;
  for (std::size_t i = 0; i < made.pixels().size(); ++i) {
    const bool is_same = made.pixels()[i] == before.pixels()[i];
    if (covered.values()[i / 3] == 0) {
      ASSERT_TRUE(is_same) << i;
    }
    if (!is_same) ++changed;
  }
  EXPECT_GT(changed, 1000U);

  job.initial.bytes = {};
  EXPECT_EQ(refusal([&] { jobs().submit(job); }), "400 argument");
  job.initial.bytes = initial;
  job.mask.bytes = "no picture";
  EXPECT_EQ(refusal([&] { jobs().submit(job); }), "400 argument");
  job.mask.bytes = file;  // of another size
  const std::string failing = jobs().submit(job).id;
  ASSERT_TRUE(becomes(failing, JobState::kFailed));
  EXPECT_EQ(jobs().get(failing).error->param, "mask");
}

TEST_F(JobsTest, ABadPhotoIsRefusedAndLeavesNothing) {
  begin();
  EXPECT_EQ(refusal([&] { jobs().submit(request("no picture")); }), "400 argument");
  const std::string file = photo();
  JobRequest posed = request(file);
  posed.pose.bytes = "no picture";
  EXPECT_EQ(refusal([&] { jobs().submit(posed); }), "400 argument");
  JobRequest identity = request("");
  identity.identity = "../../etc/passwd";
  EXPECT_EQ(refusal([&] { jobs().submit(identity); }), "404 not_found");
  EXPECT_EQ(job_folders(), 0);
}

TEST_F(JobsTest, ARepeatedRequestIsTheSameJob) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file);
  job.repeat_key = "key x";
  job.digest = std::string(64, 'd');
  const Pause pause(jobs());
  const std::string id = jobs().submit(job).id;
  EXPECT_EQ(jobs().submit(job).id, id);
  job.begins_anew = true;
  const std::string other = jobs().submit(job).id;
  EXPECT_NE(other, id);
  job.begins_anew = false;
  EXPECT_EQ(jobs().submit(job).id, other);
  job.digest = std::string(64, 'e');
  EXPECT_EQ(refusal([&] { jobs().submit(job); }), "422 key_reused");
  job.digest = std::string(64, 'd');
  // A cancelled job is made anew.
  jobs().cancel(other);
  EXPECT_NE(jobs().submit(job).id, other);
}

TEST_F(JobsTest, ManyTriesAtOnceAreOneJob) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file);
  job.repeat_key = "key x";
  job.digest = std::string(64, 'd');
  std::vector<std::string> ids(8);
  {
    const Pause pause(jobs());
    std::vector<std::jthread> clients;
    for (std::string& id : ids) clients.emplace_back([&] { id = jobs().submit(job).id; });
  }
  for (const std::string& id : ids) EXPECT_EQ(id, ids[0]);
  EXPECT_EQ(jobs().list(100, "").size(), 1U);
  EXPECT_EQ(job_folders(), 1);
}

TEST_F(JobsTest, AJobWhoseClientLeftIsCancelled) {
  begin();
  const std::string file = photo();
  const Pause pause(jobs());
  const std::string id = jobs().submit(request(file)).id;
  {
    const Jobs::Waiter first(jobs(), id);
    { const Jobs::Waiter second(jobs(), id); }
    EXPECT_EQ(jobs().get(id).state, JobState::kQueued);
  }
  EXPECT_EQ(jobs().get(id).state, JobState::kCancelled);
  EXPECT_FALSE(has_photo(id));
}

TEST_F(JobsTest, ADeliveredJobIsLeftAlone) {
  begin();
  const std::string file = photo();
  const Pause pause(jobs());
  const std::string id = jobs().submit(request(file)).id;
  {
    Jobs::Waiter client(jobs(), id);
    client.end();
  }
  EXPECT_EQ(jobs().get(id).state, JobState::kQueued);
}

TEST_F(JobsTest, AJobWithARepeatKeyWaitsForItsClient) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file, 100);
  job.repeat_key = "key x";
  job.digest = std::string(64, 'd');
  const std::string id = jobs().submit(job).id;
  { const Jobs::Waiter client(jobs(), id); }
  ASSERT_TRUE(becomes(id, JobState::kRunning));
  // The returning client finds it, and it is not cancelled after the grace period.
  EXPECT_EQ(jobs().submit(job).id, id);
  const Jobs::Waiter client(jobs(), id);
  std::this_thread::sleep_for(100ms);
  EXPECT_NE(jobs().get(id).state, JobState::kCancelled);
}

TEST_F(JobsTest, StopsAndResumesToTheSamePixels) {
  const std::string file = photo();
  begin();
  const std::string whole = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes(whole, JobState::kDone));
  const std::string id = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 5; }));
  const std::string expected = picture(whole, 0);
  end();
  EXPECT_TRUE(fs::exists(folder_of(id) / "run.resume"));
  begin();
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step > 0; }));
  EXPECT_GE(jobs().get(id).progress.step, 5);
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_LE(jobs().counts().steps, 25U);
  EXPECT_EQ(picture(id, 0), expected);
  EXPECT_EQ(jobs().get(id).begun, 1);
  EXPECT_FALSE(fs::exists(folder_of(id) / "run.resume"));
}

TEST_F(JobsTest, AJobThatKeepsEndingTheProgramIsGivenUp) {
  Job job{.id = Store::new_id(), .state = JobState::kRunning, .begun = 3};
  job.request.prompt = "x";
  add(job);
  begin();
  ASSERT_TRUE(becomes(job.id, JobState::kFailed));
  EXPECT_EQ(jobs().get(job.id).error->message, "the program ended 3 times while making this job");
}

TEST_F(JobsTest, AJobThatGainsAStepAtEachStartIsNotGivenUp) {
  const std::string file = photo();
  begin();
  const std::string whole = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes(whole, JobState::kDone));
  const std::string picture = picture_of(whole);
  const std::string id = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 5; }));
  end();
  const auto crash = [&](int begun, JobGain gain) {
    Job job = *opened_store().find(id);
    job.state = JobState::kRunning;
    job.begun = begun;
    job.gain = gain;
    opened_store().update(job);
  };
  // The last start had 4 steps; now there are more.
  crash(3, {0, 4});
  begin();
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step > 0; }));
  end();
  const Job stopped = *opened_store().find(id);
  EXPECT_EQ(stopped.begun, 0);
  EXPECT_GE(stopped.gain.step, 5);
  // No gain since then.
  crash(3, {0, 29});
  begin();
  ASSERT_TRUE(becomes(id, JobState::kFailed));
  EXPECT_EQ(jobs().get(id).error->code, "internal");
  end();
  // Two crashes are allowed; the next start finishes the job.
  Job again = stopped;
  again.begun = 2;
  again.gain = {0, 29};
  opened_store().update(again);
  std::ofstream(folder_of(id) / "photo") << file;
  begin();
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_TRUE(picture_of(id) == picture);
}

TEST_F(JobsTest, AfterACrashTheFirstStepIsSavedAtOnce) {
  Job job{.id = Store::new_id(), .state = JobState::kRunning, .begun = 1};
  job.request = request("", 100);
  add(job);
  std::ofstream(folder_of(job.id) / "photo") << photo();
  begin({.save_every = 1h});
  EXPECT_TRUE(becomes_true([&] { return fs::exists(folder_of(job.id) / "run.resume"); }, 20s));
  EXPECT_FALSE(jobs().get(job.id).ended_already()) << to_json(jobs().get(job.id)).dump();
}

/// Simulates a failing disk: a file replaces a job's folder.
class FailingFolder {
 public:
  explicit FailingFolder(fs::path folder) : folder_(std::move(folder)), aside_(folder_) {
    aside_ += ".aside";
    fs::rename(folder_, aside_);
    std::ofstream(folder_) << "x";
  }
  ~FailingFolder() {
    fs::remove(folder_);
    fs::rename(aside_, folder_);
  }

 private:
  fs::path folder_, aside_;
};

TEST_F(JobsTest, ADeviceThatFailsForAWhileDelaysTheJob) {
  const std::string file = photo();
  begin({.patience = {.first = 20ms, .longest = 50ms, .in_all = 1h}});
  const std::string whole = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes(whole, JobState::kDone));
  const std::string id = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 3; }));
  {
    const FailingFolder failing(folder_of(id));
    ASSERT_TRUE(becomes_true([&] {
      const auto waiting = jobs().get(id).progress.waiting;
      return waiting && waiting->tries >= 3;
    }));
    const Job view = jobs().get(id);
    EXPECT_EQ(view.state, JobState::kRunning);
    EXPECT_NE(view.progress.waiting->message.find("0.png: Not a directory"), std::string::npos)
        << view.progress.waiting->message;
    // Other work is done meanwhile.
    EXPECT_EQ(jobs().between(HttpRequest(), [](std::stop_token) { return 5; }), 5);
  }
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_EQ(jobs().counts().steps, 60U);  // no step was repeated
  EXPECT_TRUE(picture_of(id) == picture_of(whole));
}

TEST_F(JobsTest, ADeviceThatFailsForGoodFailsTheJobWithItsReason) {
  const std::string file = photo();
  begin({.patience = {.first = 5ms, .longest = 10ms, .in_all = 100ms}});
  const std::string id = jobs().submit(request(file, 30)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 3; }));
  const FailingFolder failing(folder_of(id));
  ASSERT_TRUE(becomes(id, JobState::kFailed));
  EXPECT_EQ(jobs().get(id).error->code, "device");
  EXPECT_NE(jobs().get(id).error->message.find("Not a directory"), std::string::npos);
}

TEST_F(JobsTest, APicturesStepsCanBeEnded) {
  begin();
  const std::string file = photo();
  JobRequest two = request(file, 30);
  two.count = 2;
  const std::string id = jobs().submit(two).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 2; }));
  jobs().end_picture(id);
  ASSERT_TRUE(becomes(id, JobState::kDone));
  EXPECT_EQ(jobs().get(id).pictures.size(), 2U);
  EXPECT_LT(jobs().counts().steps, 60U);
  jobs().end_picture(id);  // it has ended
  two.seed = *two.seed + 1;
  two.count = 1;
  const std::string same = jobs().submit(two).id;
  ASSERT_TRUE(becomes(same, JobState::kDone));
  EXPECT_EQ(picture(id, 1), picture(same, 0));
  EXPECT_NE(picture(id, 0), picture(same, 0));
}

TEST_F(JobsTest, CancelAndStopInterruptWaitingForADevice) {
  const std::string file = photo();
  const PatienceOptions for_ever{.first = 1h, .longest = 1h, .in_all = 10h};
  for (const bool by_user : {true, false}) {
    begin({.patience = for_ever});
    const std::string id = jobs().submit(request(file, 30)).id;
    ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 3; }));
    std::optional<FailingFolder> failing(folder_of(id));
    ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.waiting.has_value(); }));
    if (by_user) {
      jobs().cancel(id);
      EXPECT_TRUE(becomes(id, JobState::kCancelled));
      end();
    } else {
      end();
      failing.reset();
      EXPECT_FALSE(opened_store().find(id)->ended_already());
      begin({.patience = for_ever});
      EXPECT_TRUE(becomes(id, JobState::kDone));
      end();
    }
  }
}

TEST_F(JobsTest, PhotosOfEndedJobsAreDeletedAtTheStart) {
  Job job = ended_job();
  add(job);
  for (const char* name : {"photo", "photo.json", "run.resume", "0.png", "0.webp",
                           ".semblance-71-3.tmp", ".semblance-71-4.tmp", "notes.txt"})
    std::ofstream(folder_of(job.id) / name) << "bytes";
  begin();
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder_of(job.id)))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"0.png", "0.webp", "notes.txt"}));
}

TEST_F(JobsTest, OldResultsArePrunedAtTheStart) {
  add(ended_job());
  end();
  testing::let_live(folder(), 25);
  begin({.keep_age = 24h});
  EXPECT_TRUE(becomes_true([&] { return jobs().list(10, "").empty(); }, 5s));
}

TEST_F(JobsTest, ResultsAreKeptByCount) {
  begin({.keep_count = 2});
  const std::string file = photo();
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(jobs().submit(request(file, 1)).id);
  ASSERT_TRUE(becomes_true([&] { return jobs().counts().done == 4; }));
  EXPECT_TRUE(becomes_true([&] { return jobs().list(10, "").size() == 2; }, 5s));
  EXPECT_EQ(jobs().list(10, "")[0].id, ids[3]);
  EXPECT_FALSE(fs::exists(folder_of(ids[0])));
}

TEST_F(JobsTest, AFailureIsReportedInTheJob) {
  begin();
  const std::string file = photo();
  JobRequest job = request(file);
  job.face = 5;
  const std::string id = jobs().submit(job).id;
  ASSERT_TRUE(becomes(id, JobState::kFailed));
  const Job view = jobs().get(id);
  EXPECT_EQ(view.error->code, "argument");
  EXPECT_EQ(view.error->message, "face: the photo shows 1 faces, got face 5 (counted from 0)");
  EXPECT_FALSE(has_photo(id));
}

TEST_F(JobsTest, WhatDoesNotFitFailsWithASuggestion) {
  begin();
  const std::string file = photo();
  const std::string id = jobs().submit(request(file, 2, 2048)).id;
  ASSERT_TRUE(becomes(id, JobState::kFailed));
  const Job view = jobs().get(id);
  EXPECT_EQ(view.error->code, "memory");
  EXPECT_TRUE(view.error->message.starts_with("cannot fit: 2048x2048 needs at least "))
      << view.error->message;
  EXPECT_NE(view.error->message.find("the budget is " + bytes_text(kBudgetBytes)),
            std::string::npos);
}

TEST_F(JobsTest, WorkRunsBetweenTheStepsOfAJob) {
  begin();
  const std::string file = photo();
  const std::string id = jobs().submit(request(file, 100, 128)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 1; }));
  EXPECT_EQ(jobs().between(HttpRequest(), [](std::stop_token) { return 5; }), 5);
  EXPECT_EQ(jobs().get(id).state, JobState::kRunning);
  jobs().cancel(id);
  EXPECT_TRUE(becomes(id, JobState::kCancelled));
}

TEST_F(JobsTest, WorkThatDoesNotFitBesideAJobRunsAfterIt) {
  begin();
  const std::string file = photo();
  const std::string id = jobs().submit(request(file, 20)).id;
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step >= 1; }));
  std::atomic<int> tries = 0;
  const int state = jobs().between(HttpRequest(), [&](std::stop_token) {
    if (++tries == 1) fail(ErrorKind::kMemory, "it does not fit");
    return static_cast<int>(jobs().get(id).state);
  });
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(state, static_cast<int>(JobState::kDone));
  // Without a running job the error is final.
  EXPECT_EQ(refusal([&] {
              jobs().between(HttpRequest(), [](std::stop_token) {
                fail(ErrorKind::kMemory, "it does not fit");
                return 0;
              });
            }),
            "memory");
}

TEST_F(JobsTest, WorkOfAClientThatLeftIsSkipped) {
  begin();
  std::atomic<bool> done = false;
  {
    const Pause pause(jobs());
    HttpRequest left;
    left.client_left = [] { return true; };
    EXPECT_EQ(refusal([&] { jobs().between(left, [&](std::stop_token) { return done = true; }); }),
              "499 cancelled");
  }
  EXPECT_FALSE(done);
}

TEST_F(JobsTest, AStoppedServiceAcceptsNothing) {
  begin();
  jobs().stop();
  EXPECT_FALSE(jobs().accepts());
  EXPECT_EQ(refusal([&] { jobs().submit(request(photo())); }), "503 shutting_down");
  EXPECT_EQ(refusal([&] { jobs().between(HttpRequest(), [](std::stop_token) { return 0; }); }),
            "503 shutting_down");
}

}  // namespace
}  // namespace semblance::service
