// semblance serve: runs the web page and the APIs until a signal ends it.
#include <sys/stat.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <thread>

#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/device_flags.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "cli/photo_flags.h"
#include "cli/progress.h"
#include "cli/request_flags.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "memory/file.h"
#include "service/access_control.h"
#include "service/log.h"
#include "service/routes.h"
#include "service/server.h"
#include "service/service_manager.h"

namespace semblance::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kGrace{2};    // for responses in progress at shutdown
constexpr std::chrono::seconds kEndTime{9};  // for the whole shutdown, the running job included
constexpr service::HttpLimits kLimits;
static_assert(kLimits.most_bytes() <= service::kServiceBytes);

struct ServeSettings {
  std::string listen = "127.0.0.1:7860";
  std::vector<std::string> hosts, origins, proxies;
  std::string public_url;
  fs::path key_file;
  fs::path data;
  ModelPaths models;
  ModelPlaces places;
  PromptFlags prompts;
  PhotoFlags looking;
  MemoryRequest memory;
  DeviceFlags where;
  fs::path scratch;
  bool no_spill = false;
  int precision = 0;
  std::int64_t threads = 0;
  std::int64_t queue = 64, keep_count = 200, keep_days = 14, upload_mib = 16, release_seconds = 60;
  int log_level = static_cast<int>(service::LogOptions().level);
  int log_format = 0;
  bool log_prompts = false;
  Language language = language_of_environment();
  bool quiet = false;
};

service::LogOptions log_of(const ServeSettings& s) {
  return {.level = static_cast<service::LogLevel>(s.log_level),
          .is_json = s.log_format == 1,
          .with_prompts = s.log_prompts};
}

void declare_where(Flags& flags, ServeSettings& s) {
  flags.group("Where");
  flags.text("--listen", "ADDRESS:PORT",
             "Address and port to listen on; port 0 picks a free one. Addresses that other "
             "machines can reach (0.0.0.0:7860) need --api-key-file. Default: 127.0.0.1:7860.",
             s.listen);
  flags.path("--api-key-file", "FILE",
             "File whose first line is the API key, 16 to 512 characters. Requests send it as "
             "`Authorization: Bearer KEY`; on the page it is typed in once and starts a session of "
             "30 days. Default: no key.",
             s.key_file);
  flags.values("--host", "NAME",
               "Another host name under which requests are accepted, for example behind a proxy. "
               "May be given more than once.",
               [&s](const std::string&, const std::string& text) { s.hosts.push_back(text); });
  flags.values("--cors-origin", "ORIGIN",
               "Origin of a web page elsewhere that may call the service, such as "
               "https://app.example. May be given more than once. Default: none.",
               [&s](const std::string&, const std::string& text) { s.origins.push_back(text); });
  flags.text("--public-url", "URL",
             "URL of the service as seen from outside, such as https://semblance.example. Links in "
             "responses start with it, and its host name is accepted as with --host. Default: the "
             "URL that the client used.",
             s.public_url);
  flags.values(
      "--proxy", "ADDRESS",
      "IP address of a trusted proxy, whose X-Forwarded-For, -Proto and -Host or Forwarded "
      "headers are believed. May be given more than once. Default: none.",
      [&s](const std::string&, const std::string& text) { s.proxies.push_back(text); });
  flags.path("--data", "DIR",
             "Folder for the queue, pictures and saved faces. Default: semblance in XDG_STATE_HOME "
             "or ~/.local/state.",
             s.data);
}

void declare(Flags& flags, ServeSettings& s) {
  declare_where(flags, s);
  flags.group(kModelsGroup);
  declare_model_flags(flags, s.models, s.places);
  declare_embeddings(flags, s.models);
  s.prompts.declare_sources(flags);
  s.looking.declare_models(
      flags,
      "Face detector and recogniser: insightface's antelopev2 or buffalo_l folder. Default: the "
      "ones downloaded by `semblance models pull antelopev2`.");
  s.where.declare(flags);
  flags.group("Limits");
  flags.value("--memory", "SIZE|PERCENT|auto",
              "Memory budget of the whole service: 2GiB (binary), 300MB (decimal), 60% (of the "
              "available memory), or auto (80%). Jobs run one after the other; a job that cannot "
              "fit is refused. Default: auto.",
              [&s](const std::string& flag, const std::string& text) {
                s.memory = parse_memory(text, flag);
              });
  flags.whole(
      "--queue",
      "Maximum number of waiting jobs, 1 to 100000; further ones get status 429. Default: 64.", 1,
      100000, s.queue);
  flags.whole("--upload-limit",
              "Maximum size in MiB of a request with its photos, 1 to 24. Default: 16.", 1,
              kLimits.bodies_bytes >> 20U, s.upload_mib);
  flags.whole("--keep",
              "Number of finished jobs to keep, with their pictures, 1 to 1000000. Default: 200.",
              1, 1000000, s.keep_count);
  flags.whole("--keep-days", "Days to keep finished jobs, 1 to 36500. Default: 14.", 1, 36500,
              s.keep_days);
  flags.whole("--release-after",
              "Idle seconds after which the models' memory is released, 1 to 1000000. Default: 60.",
              1, 1000000, s.release_seconds);
  flags.path("--scratch", "DIR",
             "Folder for the scratch file, which holds data that does not fit in memory. It must "
             "be on a disk, not in memory (tmpfs). Default: the first of TMPDIR, /var/tmp and /tmp "
             "that is on a disk.",
             s.scratch);
  flags.toggle("--no-spill", "Writes no scratch file; this needs more memory.", s.no_spill);
  flags.group("Log");
  flags.choice(
      "--log-level",
      "What is written to stderr: error (failures), warning (wrong keys, too), info (a line "
      "for each request and job, too), or debug (probes of health and metrics, too). "
      "Default: warning.",
      {service::kLogLevels.begin(), service::kLogLevels.end()}, s.log_level);
  flags.choice("--log-format", "text, or a line of JSON each. Default: text.", {"text", "json"},
               s.log_format);
  flags.toggle("--log-prompts", "Writes the prompt into the line of each job.", s.log_prompts);
  flags.group("Advanced");
  flags.choice(
      "--precision",
      "Number format of the computation: f32, bf16 or, on graphics cards, f16. auto: bf16 if "
      "the processor computes it natively, f16 if the card stores it, else f32. Default: "
      "auto.",
      {"auto", "f32", "bf16", "f16"}, s.precision);
  flags.whole("--threads", "Processor cores to use, 1 to 1024. Default: all available.", 1, 1024,
              s.threads);
  s.looking.declare_advanced(flags);
  flags.value("--lang", "en|es",
              "Language of the messages printed here: English or Spanish. The page has its own "
              "setting; the log is always English. Default: from LC_ALL, LC_MESSAGES or LANG.",
              [&s](const std::string& flag, const std::string& text) {
                s.language = parse_language(text, flag);
              });
  flags.toggle("-q,--quiet", "Prints only the address and warnings.", s.quiet);
  flags.epilogue(
      "Examples\n"
      "  semblance serve        (the page is at http://127.0.0.1:7860/; demo model)\n"
      "  semblance serve --base sdxl --memory 4GiB\n"
      "  semblance serve --base sdxl --listen 0.0.0.0:7860 --api-key-file key.txt\n"
      "\n"
      "docs/service.md describes the APIs, docs/operating.md proxies, systemd and the log.\n"
      "ctrl-C or SIGTERM ends the service within 10 seconds; the job in progress resumes at the\n"
      "next start.\n"
      "\n" +
      exit_codes_text());
}

fs::path data_folder(const ServeSettings& s) {
  if (!s.data.empty()) return s.data;
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state != '\0') return fs::path(state) / "semblance";
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    fail(ErrorKind::kArgument, "--data is needed: neither HOME nor XDG_STATE_HOME is set");
  }
  return fs::path(home) / ".local/state/semblance";
}

std::string key_of(const ServeSettings& s) {
  if (s.key_file.empty()) return "";
  std::string text = read_small_file(s.key_file, 4096);
  text = text.substr(0, text.find('\n'));
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.empty()) {
    fail(ErrorKind::kArgument,
         "cannot take --api-key-file: expected the key in the first line of {}, got an empty line",
         s.key_file.string());
  }
  service::check_key(text);
  return text;
}

/// Waits for the signal that ends the service and requests a stop of all running work.
class EndSignal {
 public:
  /// Must be created before other threads, because it blocks the signals in all of them.
  EndSignal() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::thread([this] {
      int number = 0;
      sigwait(&set_, &number);
      stop_.request_stop();
    });
  }
  ~EndSignal() {
    if (!thread_.joinable()) return;
    // The thread takes it from sigwait(). NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  EndSignal(const EndSignal&) = delete;
  EndSignal& operator=(const EndSignal&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  void wait() { thread_.join(); }

 private:
  sigset_t set_{};
  std::stop_source stop_;
  std::thread thread_;
};

/// Kills the process if an orderly shutdown takes too long: a kernel may compute for many seconds
/// and cannot be interrupted. No job is lost: its state is saved throughout, and it resumes at the
/// next start.
class EndWatch {
 public:
  EndWatch()
      : thread_([](std::stop_token over) {
          std::mutex mutex;
          std::unique_lock guard(mutex);
          std::condition_variable_any never;
          never.wait_for(guard, over, kEndTime, [] { return false; });
          if (over.stop_requested()) return;
          service::Log::stderr_log().line(service::LogLevel::kWarning, "slow end",
                                          {{"part", "the service"}},
                                          "ended in the middle of its work");
          std::_Exit(0);
        }) {}

 private:
  std::jthread thread_;
};

bool find_models(ServeSettings& s) {
  const bool with_demo = take_demo_models(s.models, s.looking.files);
  find_models(s.models, s.places, s.looking, IfMissing::kRefuse);
  if (with_demo) return true;
  if (s.models.base.empty() || s.models.identitynet.empty() || s.models.adapter.empty()) {
    fail(ErrorKind::kArgument,
         "serve needs --base, --identitynet and --adapter, or none of them for the demo model\n  "
         "`semblance models pull sdxl instantid antelopev2` downloads the published models");
  }
  return false;
}

/// The files of "demo", of "photos", the published models, or of another base model with
/// InstantID's parts and face models as the service was started with them, else the published ones.
/// Throws Error(kMissing) if they are not there.
service::ModelSet models_named(const std::string& name, const service::OtherModel* other,
                               const service::ModelSet& started) {
  const bool demo = name == service::kDemoName;
  if (demo && started.demo) return started;
  service::ModelSet set{.demo = demo};
  if (demo) {
    if (!take_demo_models(set.models, set.faces))
      fail(ErrorKind::kMissing, "the demo model is not installed");
    return set;
  }
  NamedModels wanted{.base = other == nullptr ? fs::path("sdxl") : other->path};
  if (!started.demo) {
    wanted.identitynet = started.models.identitynet;
    wanted.adapter = started.models.adapter;
  }
  const NamedModels found = resolve_models(wanted, IfMissing::kRefuse);
  if (!started.demo && found.base == started.models.base) return started;
  if (found.identitynet.empty() || found.adapter.empty()) {
    fail(ErrorKind::kMissing,
         "InstantID's models are not there\n  `semblance models pull instantid` downloads them");
  }
  each_model_path([](const ModelPathRow&, auto& to, const auto& from) { to = from; }, set.models,
                  found);
  set.models.lcm = found.lcm;
  set.faces = started.faces;
  if (started.demo) set.faces = {.folder = resolve_face_models("antelopev2", IfMissing::kRefuse)};
  return set;
}

/// Opens everything and serves until a signal ends it.
void run_service(ServeSettings& s, const service::Listen& listen, const std::string& key,
                 EndSignal& end) {
  const bool demo = find_models(s);
  const service::ModelSet started{s.models, s.looking.files, demo};
  set_threads(s.threads > 0 ? static_cast<int>(s.threads) : available_cores());
  Progress progress(s.quiet);
  if (demo) progress.note(text_of(Message::kDemoModel));
  service::Store store(data_folder(s));
  progress.now(text_of(Message::kOpeningModels));
  std::optional<int> detector_size;
  if (s.looking.detector_size) detector_size = static_cast<int>(*s.looking.detector_size);
  service::Engine engine({.models = s.models,
                          .faces = s.looking.files,
                          .demo = demo,
                          .precision = static_cast<Precision>(s.precision),
                          .backend = s.where.device,
                          .lora_folders = lora_places(s.places, s.models),
                          .control_folders = control_places(s.places, s.models),
                          .memory = s.memory,
                          .card_memory = s.where.card_memory,
                          .scratch = s.scratch,
                          .may_spill = !s.no_spill,
                          .detector_size = detector_size,
                          .prompts = s.prompts.sources()},
                         end.token());
  progress.clear();
  service::Jobs jobs(engine, store,
                     {.queue_limit = static_cast<int>(s.queue),
                      .keep_count = static_cast<int>(s.keep_count),
                      .keep_age = std::chrono::hours(24 * s.keep_days),
                      .release_after = std::chrono::seconds(s.release_seconds)});
  const service::Links links(store.link_secret());
  service::ModelShop shop(
      places_of_environment, {},
      {.models_dir = s.places.models, .started = demo ? fs::path() : s.models.base});
  service::Context context{
      .engine = engine,
      .jobs = jobs,
      .store = store,
      .links = links,
      .upload_bytes = static_cast<std::uint64_t>(s.upload_mib) << 20U,
      .queue_limit = static_cast<int>(s.queue),
      .key_required = !key.empty(),
      .shop = &shop,
      .find_models = [&](const std::string& name, const service::OtherModel* other) {
        return models_named(name, other, started);
      }};
  service::Router router;
  service::add_all_routes(router, context);
  service::HttpServer server(listen,
                             {.listen_address = listen.address,
                              .hosts = s.hosts,
                              .key = key,
                              .origins = s.origins,
                              .public_url = s.public_url,
                              .proxies = s.proxies,
                              .links = &links},
                             std::move(router), kLimits, context.http);
  progress.note(text_of(Message::kServeSummary, text_of(title_of(engine.mode())),
                        bytes_text(engine.budget().bytes), data_folder(s).string()));
  const service::Listen bound{listen.address, server.port()};
  print(text_of(Message::kServeListening, fmt::format("http://{}/", bound.text())));
  if (!service::is_loopback(listen))
    progress.warn(text_of(Message::kServeNotEncrypted, listen.text()));
  service::tell_service_manager("READY=1");
  end.wait();
  service::tell_service_manager("STOPPING=1");
  const EndWatch watch;
  progress.note(text_of(Message::kServeEnding));
  jobs.stop();
  server.stop(kGrace);
}

/// The service manager's socket, or --listen.
service::Listen listen_of(const Flags& flags, const ServeSettings& s) {
  const auto passed = service::passed_socket();
  if (!passed) return service::parse_listen(s.listen);
  if (flags.gives("--listen")) {
    fail(ErrorKind::kArgument,
         "cannot take --listen: systemd has passed the socket of {}, which is used instead\n  "
         "leave out --listen, and set the address in the socket unit",
         passed->text());
  }
  return *passed;
}

}  // namespace

int serve(std::span<const char* const> words) {
  ServeSettings s;
  Flags flags("serve [--listen ADDRESS:PORT] [--memory SIZE] [flags]",
              "Runs the web page and the HTTP APIs on this machine, within one memory budget.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  s.looking.check();
  s.where.find(flags);
  set_language(s.language);
  umask(S_IRWXG | S_IRWXO);  // it stores people's faces
  service::Log::stderr_log().set(log_of(s));
  const service::Listen listen = listen_of(flags, s);
  const std::string key = key_of(s);
  if (key.empty() && !service::is_loopback(listen)) {
    fail(ErrorKind::kArgument,
         "cannot listen on {} without a key: other machines can reach it\n  write a key into a "
         "file and add --api-key-file FILE, or listen on 127.0.0.1",
         listen.text());
  }
  EndSignal end;
  try {
    run_service(s, listen, key, end);
  } catch (const Error& error) {
    // A signal before the service was up is no error.
    if (error.kind() != ErrorKind::kCancelled || !end.token().stop_requested()) throw;
  }
  return 0;
}

}  // namespace semblance::cli
