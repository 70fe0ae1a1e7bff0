// Downloads from a misbehaving server: files on the disk are correct or do not exist.
#include "hub/pull.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <thread>

#include "core/error.h"
#include "hub/hub_server_test.h"
#include "hub/inventory.h"
#include "hub/resolve.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::Fault;
using testing::HubServer;

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

constexpr const char* kWeights = "ControlNetModel/diffusion_pytorch_model.safetensors";

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("semblance_hub_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    places.cache = folder_ / "hub";
    places.face_models = folder_ / "insightface";
    places.local_checkpoints = folder_ / "checkpoints";
    places.local_face_models = folder_ / "models";
    places.endpoint = server.url();
    places.face_endpoint = server.url();
    options.network.first_pause = std::chrono::milliseconds(1);
    options.network.attempts = 3;
    hooks.tell = [this](const std::string& text) { told += text + '\n'; };
    server.publish("InstantX/InstantID", testing::instantid_files());
  }
  ~PullTest() override { fs::remove_all(folder_); }

  fs::path folder() const { return folder_; }
  CachedRepository cached() const { return {places.cache, instantid_repository()}; }
  fs::path snapshot() const { return cached().snapshot(HubServer::commit()); }

  void pull(const std::string& name = "instantid") {
    Puller puller(places, options, hooks);
    puller.download_all(puller.plan({parse_model_name(name)}));
  }
  /// Pulls and returns the error that ends it.
  std::string refused(ErrorKind kind, const std::string& name = "instantid") {
    try {
      pull(name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "not refused";
    return "";
  }
  void expect_whole() {
    for (const auto& [path, bytes] : testing::instantid_files()) {
      if (path == "README.md") continue;
      EXPECT_EQ(bytes_of(snapshot() / path), bytes) << path;
    }
    EXPECT_EQ(bytes_of(cached().ref()), HubServer::commit());
    for (const auto& entry : fs::directory_iterator(cached().folder() / "blobs"))
      EXPECT_NE(entry.path().extension(), ".incomplete");
  }
  void expect_not_there(const std::string& path) {
    EXPECT_FALSE(fs::exists(snapshot() / path)) << path;
  }

  HubServer server;
  Places places;
  PullOptions options;
  DownloadHooks hooks;
  std::string told;

 private:
  fs::path folder_;
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(PullTest, UsesTheLayoutOfTheHubsCache) {
  pull();
  expect_whole();
  expect_not_there("README.md");
  const fs::path link = fs::read_symlink(snapshot() / kWeights);
  EXPECT_EQ(link.parent_path(), "../../../blobs");
  EXPECT_EQ(link.filename().string().size(), 64U);
  EXPECT_EQ(fs::read_symlink(snapshot() / "ControlNetModel/config.json").filename().string(),
            testing::digest_of(DigestKind::kGitBlob, "{}"));
}

TEST_F(PullTest, DoesNotDownloadExistingFilesAgain) {
  pull();
  const auto before = server.requests("resolve").size();
  pull();
  EXPECT_EQ(server.requests("resolve").size(), before);
}

TEST_F(PullTest, ContinuesAfterABrokenConnectionAtAnyByte) {
  for (const std::size_t at : {0U, 1U, 999U, 131'073U, 199'999U}) {
    fs::remove_all(places.cache);
    server.fault("safetensors", {.times = 2, .break_after = at});
    pull();
    expect_whole();
    EXPECT_SAYS(told, "trying again in");
  }
  EXPECT_SAYS(server.requests("safetensors").back(), "Range: bytes=199999-");
}

TEST_F(PullTest, ContinuesADownloadOfAnotherProcess) {
  const std::string bytes = testing::instantid_files()[kWeights];
  const fs::path blob = cached().blob(testing::digest_of(DigestKind::kSha256, bytes));
  write_bytes(incomplete_path(blob), bytes.substr(0, 77'777));
  pull();
  expect_whole();
  ASSERT_EQ(server.requests("safetensors").size(), 1U);
  EXPECT_SAYS(server.requests("safetensors")[0], "Range: bytes=77777-");
}

TEST_F(PullTest, RestartsADamagedPartialDownload) {
  const std::string bytes = testing::instantid_files()[kWeights];
  const fs::path blob = cached().blob(testing::digest_of(DigestKind::kSha256, bytes));
  write_bytes(incomplete_path(blob), std::string(5'000, 'x'));
  pull();
  expect_whole();
  EXPECT_SAYS(told, "the partial download is damaged, starting over");
}

TEST_F(PullTest, AcceptsAServerWithoutRanges) {
  const std::string bytes = testing::instantid_files()[kWeights];
  const fs::path blob = cached().blob(testing::digest_of(DigestKind::kSha256, bytes));
  write_bytes(incomplete_path(blob), bytes.substr(0, 1'234));
  server.fault("safetensors", {.ignores_range = true});
  pull();
  expect_whole();
}

TEST_F(PullTest, RefusesWrongBytes) {
  server.fault("safetensors", {.wrong_byte = true});
  const std::string text = refused(ErrorKind::kCorrupt);
  EXPECT_SAYS(text, "expected SHA-256 ");
  EXPECT_SAYS(text, "they were deleted");
  expect_not_there(kWeights);
  EXPECT_FALSE(fs::exists(cached().ref()));
}

TEST_F(PullTest, RefusesAWrongSize) {
  server.fault("safetensors", {.claimed = 300'000});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "expected 200000 bytes, the server has 300000");
  server.fault("safetensors", {.extra = 10});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "expected 200000 bytes, the server sends more");
  expect_not_there(kWeights);
}

TEST_F(PullTest, RefusesAChecksumOtherThanListed) {
  server.fault("safetensors", {.headers = "X-Linked-Etag: \"" + std::string(64, 'a') + "\"\r\n"});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "the file on the server has changed");
}

TEST_F(PullTest, ExplainsStatusCodes) {
  server.fault("api/models", {.status = 401});
  EXPECT_SAYS(refused(ErrorKind::kMissing), "it does not exist on");
  places.token = "hf_secret";
  EXPECT_SAYS(refused(ErrorKind::kMissing), "rejects the token (401)");
  server.fault("api/models", {.status = 403, .headers = "X-Error-Message: gated\r\n"});
  EXPECT_SAYS(refused(ErrorKind::kMissing),
              "denies access (403): gated\n  accept the model's terms");
  server.fault("api/models", {.status = 404});
  EXPECT_SAYS(refused(ErrorKind::kMissing), "not found on");
  server.fault("api/models", {.status = 418});
  EXPECT_SAYS(refused(ErrorKind::kDevice), "answers 418");
  server.fault("api/models", {.status = 503});
  EXPECT_SAYS(refused(ErrorKind::kDevice), "server error (503)\n  try again later");
  server.fault("api/models", {.status = 429, .headers = "Retry-After: 4000\r\n"});
  EXPECT_SAYS(refused(ErrorKind::kDevice), "(429)\n  try again in 4000 s");
}

TEST_F(PullTest, WaitsAsLongAsTheServerAsks) {
  server.fault("safetensors", {.times = 1, .status = 429, .headers = "Retry-After: 1\r\n"});
  const auto begin = std::chrono::steady_clock::now();
  pull();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(950));
  EXPECT_SAYS(told, "limits requests (429), trying again in 1.0 s");
  expect_whole();
}

TEST_F(PullTest, GivesUpOnASilentConnection) {
  server.fault("safetensors", {.break_after = 0});
  EXPECT_SAYS(refused(ErrorKind::kDevice), "the partial download is kept");
}

TEST_F(PullTest, SendsTheTokenOnlyToTheHub) {
  HubServer other;
  const std::string path = "/InstantX/InstantID/resolve/" + HubServer::commit() + "/" + kWeights;
  other.set("/elsewhere", testing::instantid_files()[kWeights]);
  places.token = "hf_secret";
  server.fault("safetensors",
               {.status = 302, .headers = "Location: " + other.url() + "/elsewhere\r\n"});
  pull();
  expect_whole();
  EXPECT_SAYS(server.requests("api/models")[0], "Authorization: Bearer hf_secret");
  EXPECT_SAYS(server.requests(path)[0], "hf_secret");
  ASSERT_EQ(other.requests("/elsewhere").size(), 1U);
  EXPECT_EQ(other.requests("/elsewhere")[0].find("hf_secret"), std::string::npos);
}

TEST_F(PullTest, RefusesInvalidRedirects) {
  server.fault("safetensors", {.status = 302, .headers = "Location: /api/models/safetensors\r\n"});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "more than 5 redirects");
  server.fault("safetensors", {.status = 302});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "without a location");
  server.fault("safetensors", {.status = 302, .headers = "Location: file:///etc/passwd\r\n"});
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "which is not http or https");
}

TEST_F(PullTest, RefusesHostileLists) {
  const std::string route = "/api/models/InstantX/InstantID/revision/main";
  const auto list = [](const std::string& item) {
    return "{\"sha\":\"" + HubServer::commit() + "\",\"siblings\":[" + item + "]}";
  };
  const std::string blob = "\"blobId\":\"" + std::string(40, 'a') + "\"";
  for (const char* path : {"../../x", "/etc/x", "a//b", "a/./b", "a\\\\b", ""}) {
    server.set(route,
               list("{\"rfilename\":\"" + std::string(path) + "\",\"size\":1," + blob + "}"));
    EXPECT_SAYS(refused(ErrorKind::kCorrupt), "could be outside the model's folder");
  }
  server.set(route, list("{\"rfilename\":\"a\",\"size\":99999999999999," + blob + "}"));
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "size");
  server.set(route, list("{\"rfilename\":\"a\",\"size\":1,\"blobId\":\"../../x\"}"));
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "expected 40 hex digits as the checksum of a");
  server.set(route, "{\"sha\":\"../../x\",\"siblings\":[]}");
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "a commit of 40 hex digits");
  // A missing key is an error of the server, not something the user could add.
  server.set(route, "{\"siblings\":[]}");
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "\"sha\" is missing");
  server.set(route, list("{\"rfilename\":\"model.safetensors\",\"size\":1," + blob + "}"));
  EXPECT_SAYS(refused(ErrorKind::kMissing), "is not a usable model");
  server.set(route, list("{\"rfilename\":\"ip-adapter.bin\",\"size\":1," + blob + "}"));
  EXPECT_SAYS(refused(ErrorKind::kMissing), "it lacks ControlNetModel/config.json");
  server.set(route, std::string(17U << 20, ' '));
  EXPECT_SAYS(refused(ErrorKind::kCorrupt), "the server sends more than 16777216 bytes");
}

TEST_F(PullTest, ChecksDiskSpaceFirst) {
  options.free_bytes = [](const fs::path&) { return std::uint64_t{100'000}; };
  EXPECT_SAYS(refused(ErrorKind::kDevice),
              " free\n  free some space, or set HF_HOME to a folder on another");
  EXPECT_FALSE(fs::exists(places.cache));
  EXPECT_TRUE(server.requests("resolve").empty());
}

TEST_F(PullTest, ContactsNoServerWhenOffline) {
  places.offline = true;
  EXPECT_SAYS(refused(ErrorKind::kArgument), "HF_HUB_OFFLINE is set");
}

TEST_F(PullTest, TwoProcessesDownloadOnce) {
  server.fault("safetensors", {.pause_ms = 2});
  std::jthread other([this] {
    Puller puller(places, options, {});
    puller.download_all(puller.plan({parse_model_name("instantid")}));
  });
  pull();
  other.join();
  expect_whole();
  EXPECT_EQ(server.requests("safetensors").size(), 1U);
}

TEST_F(PullTest, ContinuesAfterACancel) {
  server.fault("safetensors", {.times = 1, .pause_ms = 20});
  std::stop_source stop;
  hooks.stop = stop.get_token();
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  EXPECT_SAYS(refused(ErrorKind::kCancelled), "repeat the command to continue");
  later.join();
  hooks.stop = {};
  pull();
  expect_whole();
  EXPECT_SAYS(server.requests("safetensors").back(), "Range: bytes=");
}

TEST_F(PullTest, LocalUsesTheNotebooksLayout) {
  options.local = true;
  pull();
  EXPECT_EQ(bytes_of(places.local_checkpoints / kWeights), testing::instantid_files()[kWeights]);
  EXPECT_FALSE(fs::exists(places.cache));
  pull();
  write_bytes(places.local_checkpoints / "ip-adapter.bin", "the user's own");
  EXPECT_SAYS(refused(ErrorKind::kArgument), "already exists and is a different file");
  EXPECT_EQ(bytes_of(places.local_checkpoints / "ip-adapter.bin"), "the user's own");
}

TEST_F(PullTest, FindsDamagedFilesAndRemovesModels) {
  pull();
  const auto kept = find_kept(places, parse_model_name("instantid"));
  ASSERT_TRUE(kept && kept->is_whole());
  const auto none = [](auto) {};
  EXPECT_TRUE(wrong_files(*kept, none, none, {}).empty());
  write_bytes(fs::canonical(snapshot() / "ip-adapter.bin"), "damaged");
  const auto wrong = wrong_files(*kept, none, none, {});
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_SAYS(wrong[0], "ip-adapter.bin: expected SHA-256 ");
  remove_kept(places, *kept);
  EXPECT_FALSE(fs::exists(cached().folder()));
  EXPECT_TRUE(kept_models(places).empty());
}

TEST_F(PullTest, ResolvesNamesFromTheCache) {
  setenv("HF_HUB_CACHE", places.cache.c_str(), 1);
  try {
    resolve_models({.base = "sdxl"}, IfMissing::kRefuse);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMissing);
    EXPECT_SAYS(std::string(error.what()), "`semblance models pull sdxl` downloads it");
  }
  EXPECT_EQ(resolve_models({.base = "sdxl"}, IfMissing::kKeep).base, "sdxl");
  pull();
  const NamedModels found = resolve_models({.base = folder()}, IfMissing::kRefuse);
  EXPECT_EQ(found.identitynet, snapshot() / "ControlNetModel");
  EXPECT_EQ(found.adapter, snapshot() / "ip-adapter.bin");
  fs::remove(snapshot() / "ip-adapter.bin");
  try {
    resolve_models({.identitynet = "InstantX/InstantID"}, IfMissing::kRefuse);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_SAYS(std::string(error.what()), "lacks ip-adapter.bin");
  }
  unsetenv("HF_HUB_CACHE");
}

TEST_F(PullTest, PullsOneFile) {
  const std::string weights =
      bytes_of(testing::golden_path("weights/single_file/tiny.safetensors"));
  server.publish("a/models", {{"one.safetensors", weights},
                              {"other.safetensors", "y"},
                              {"sub/two.safetensors", weights},
                              {"README.md", "x"}});
  server.publish("a/lone", {{"film.safetensors", weights}, {"README.md", "x"}});
  setenv("HF_HUB_CACHE", places.cache.c_str(), 1);
  const auto base = [](const std::string& name) {
    return resolve_models({.base = name}, IfMissing::kRefuse).base;
  };
  EXPECT_SAYS(
      refused(ErrorKind::kMissing, "a/models"),
      "name one of its files, as a/models/FILE: one.safetensors, other.safetensors, sub/two");
  EXPECT_SAYS(refused(ErrorKind::kMissing, "a/models/three.safetensors"),
              "a/models has no file three.safetensors\n  it has one.safetensors, "
              "other.safetensors, sub/two");
  pull("a/models/sub/two.safetensors");
  const fs::path folder =
      CachedRepository(places.cache, *parse_repository("a/models")).snapshot(HubServer::commit());
  EXPECT_EQ(bytes_of(folder / "sub/two.safetensors"), weights);
  EXPECT_FALSE(fs::exists(folder / "one.safetensors"));
  EXPECT_EQ(base("a/models/sub/two.safetensors"), folder / "sub/two.safetensors");
  try {
    base("a/models/one.safetensors");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_SAYS(std::string(error.what()),
                "lacks one.safetensors\n  `semblance models pull a/models/one.safetensors`");
  }
  pull("a/lone");
  EXPECT_EQ(base("a/lone").filename(), "film.safetensors");

  std::vector<std::string> names;
  for (const KeptModel& model : kept_models(places)) names.push_back(model.name.text());
  EXPECT_EQ(names,
            (std::vector<std::string>{"a/lone/film.safetensors", "a/models/sub/two.safetensors"}));
  const auto none = [](auto) {};
  const auto kept = find_kept(places, parse_model_name("a/models/sub/two.safetensors"));
  ASSERT_TRUE(kept && kept->is_whole());
  EXPECT_TRUE(wrong_files(*kept, none, none, {}).empty());
  pull("a/models/one.safetensors");  // the same blob
  remove_kept(places, *kept);
  EXPECT_FALSE(fs::exists(folder / "sub/two.safetensors"));
  EXPECT_EQ(bytes_of(folder / "one.safetensors"), weights);
  EXPECT_FALSE(find_kept(places, parse_model_name("a/models/sub/two.safetensors")));
  unsetenv("HF_HUB_CACHE");
}

TEST_F(PullTest, PullsAVaeInDiffusersFormat) {
  server.publish("a/vae", {{"config.json", "{}"},
                           {"diffusion_pytorch_model.safetensors", std::string(2000, 'x')},
                           {"sdxl_vae.safetensors", std::string(2000, 'y')}});
  pull("a/vae");
  const fs::path folder =
      CachedRepository(places.cache, *parse_repository("a/vae")).snapshot(HubServer::commit());
  EXPECT_EQ(CachedRepository::files_of(folder),
            (std::vector<std::string>{"config.json", "diffusion_pytorch_model.safetensors"}));
  setenv("HF_HUB_CACHE", places.cache.c_str(), 1);
  EXPECT_EQ(resolve_models({.vae = "a/vae"}, IfMissing::kRefuse).vae, folder);
  unsetenv("HF_HUB_CACHE");
}

TEST_F(PullTest, ReadsRefsWithSurroundingWhiteSpace) {
  pull();
  const std::string commit = HubServer::commit();
  for (const std::string& text : {commit, commit + "\n", commit + "\r\n", " " + commit + " \r\n",
                                  std::string(), std::string("\r\n")}) {
    write_bytes(cached().ref(), text);
    EXPECT_EQ(cached().find_snapshot(), snapshot()) << "'" << text << "'";
    ASSERT_EQ(kept_models(places).size(), 1U);
    EXPECT_TRUE(kept_models(places)[0].is_whole());
  }
}

TEST_F(PullTest, RefusesARefToAMissingSnapshotAndNamesExistingOnes) {
  setenv("HF_HUB_CACHE", places.cache.c_str(), 1);
  pull();
  const auto refusal = [](const std::string& name) -> std::string {
    try {
      resolve_models({.identitynet = name}, IfMissing::kRefuse);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMissing);
      return error.what();
    }
    return "not refused";
  };
  const std::string other = std::string(40, 'a');
  write_bytes(cached().ref(), other);
  EXPECT_EQ(refusal("instantid"),
            fmt::format("--identitynet: {} names the commit {}, whose snapshot is missing\n  "
                        "`semblance models pull instantid` downloads it; to use an existing "
                        "snapshot, name its commit: --identitynet InstantX/InstantID@{}",
                        cached().ref().string(), other, HubServer::commit()));
  EXPECT_EQ(resolve_models({.identitynet = "InstantX/InstantID@" + HubServer::commit()},
                           IfMissing::kRefuse)
                .identitynet,
            snapshot() / "ControlNetModel");
  const std::vector<KeptModel> kept = kept_models(places);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].lacking,
            std::vector<std::string>{"the snapshot " + other + " that refs/main names"});

  write_bytes(cached().ref(), "<html>\x1b[2J");
  EXPECT_SAYS(refusal("instantid"), "names the commit <html>?[2J, whose snapshot is missing");
  fs::remove(snapshot() / "ip-adapter.bin");
  EXPECT_SAYS(refusal("instantid"), "`semblance models pull instantid` downloads it");
  pull();
  EXPECT_EQ(cached().find_snapshot(), snapshot());
  unsetenv("HF_HUB_CACHE");
}

/// A zip with one member, deflated by zlib.
std::string zip_of(const std::string& name, const std::string& bytes) {
  std::string packed(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto field = [](std::size_t value, int width) {
    std::string out;
    for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
  };
  const std::string sizes = field(0, 4) + field(packed.size(), 4) + field(bytes.size(), 4) +
                            field(name.size(), 2) + field(0, 2);
  const std::string common = field(20, 2) + field(0, 2) + field(8, 2) + field(0, 4) + sizes;
  const std::string local = "PK\3\4" + common + name + packed;
  const std::string directory = "PK\1\2" + field(20, 2) + common + field(0, 2) + field(0, 2) +
                                field(0, 2) + field(0, 4) + field(0, 4) + name;
  return local + directory + "PK\5\6" + field(0, 4) + field(1, 2) + field(1, 2) +
         field(directory.size(), 4) + field(local.size(), 4) + field(0, 2);
}

TEST_F(PullTest, UnpacksTheFaceModels) {
  const std::string model = testing::some_bytes(70'000, 3) + std::string(300'000, 'a');
  const std::string zip = zip_of("antelopev2/glintr100.onnx", model);
  FacePack pack = antelopev2();
  pack.bytes = zip.size();
  pack.sha256 = testing::digest_of(DigestKind::kSha256, zip);
  pack.members = {{"glintr100.onnx", testing::digest_of(DigestKind::kSha256, model)}};
  options.face_pack = &pack;
  server.set(pack.path, zip);
  server.fault("antelopev2.zip", {.times = 1, .break_after = 1000});
  pull("antelopev2");
  const fs::path folder = places.face_models / "antelopev2";
  EXPECT_EQ(bytes_of(folder / "glintr100.onnx"), model);
  EXPECT_FALSE(fs::exists(places.face_models / "antelopev2.zip"));
  EXPECT_EQ(find_pack(places.face_models, pack), folder);

  fs::remove_all(folder);
  pack.members[0].sha256 = std::string(64, 'a');
  EXPECT_SAYS(refused(ErrorKind::kCorrupt, "antelopev2"), "expected SHA-256 aaaa");
  EXPECT_FALSE(fs::exists(folder / "glintr100.onnx"));
  pack.members[0].name = "other.onnx";
  EXPECT_SAYS(refused(ErrorKind::kCorrupt, "antelopev2"), "it does not contain other.onnx");
}

TEST(ModelNames, AreChecked) {
  EXPECT_EQ(parse_model_name("sdxl").text(), "stabilityai/stable-diffusion-xl-base-1.0");
  EXPECT_EQ(parse_model_name("a/b@v1").text(), "a/b@v1");
  const std::string hub = "https://huggingface.co/";
  for (const std::string file :
       {"a/b/c.safetensors", "a/b/d/e f.gguf", "a/b@v1/c.ckpt", "a/b@v1/d/c.ckpt"})
    EXPECT_EQ(parse_model_name(file).text(), file);
  EXPECT_EQ(parse_model_name(hub + "a/b").text(), "a/b");
  EXPECT_EQ(parse_model_name(hub + "a/b/").text(), "a/b");
  EXPECT_EQ(parse_model_name(hub + "a/b/tree/v1").text(), "a/b@v1");
  EXPECT_EQ(parse_model_name(hub + "a/b/resolve/main/d/c%20x.safetensors?download=true").text(),
            "a/b/d/c x.safetensors");
  EXPECT_EQ(parse_model_name("https://hf.co/a/b/blob/v1/c.ckpt").text(), "a/b@v1/c.ckpt");
  EXPECT_EQ(parse_model_name("http://here:1/a/b/blob/v1/c.ckpt", "http://here:1").text(),
            "a/b@v1/c.ckpt");
  EXPECT_EQ(parse_model_name("a/b/c.ckpt").file, "c.ckpt");
  for (const char* bad :
       {"sdlx", "../x", "a/..", "a/b/c", "a--b/c", "a/b@../x", "", "a/b/../c.ckpt", "a/b//c.ckpt",
        "/a/b/c.ckpt", "https://example.org/a/b", "https://huggingface.co/a/b/resolve/main/c.txt",
        "https://huggingface.co/a/b/resolve/main/..%2fc.ckpt",
        "https://huggingface.co/a/b/resolve/main/%zz.ckpt",
        "https://huggingface.co/a/b/commits/main"}) {
    try {
      parse_model_name(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kArgument);
    }
  }
}

TEST(Digests, MatchTheHubs) {
  EXPECT_EQ(testing::digest_of(DigestKind::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(testing::digest_of(DigestKind::kGitBlob, ""),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

}  // namespace
}  // namespace semblance
