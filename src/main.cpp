// Entry point: runs the subcommand and turns errors into a message on stderr and an exit code.
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "app/parameters.h"
#include "cli/command.h"
#include "core/closest.h"
#include "core/error.h"
#include "core/library_call.h"
#include "core/parallel.h"
#include "core/refusal.h"
#include "memory/file.h"
#include "memory/heap.h"

namespace {

using semblance::ErrorKind;

constexpr const char* kReport =
    "\n  this is a bug in semblance: please report it, with the command that caused it";

std::string overview() {
  return "Usage: semblance COMMAND [flags]\n"
         "\n"
         "Makes pictures of a person from one photo and a prompt (InstantID), on this machine's\n"
         "processor.\n"
         "\n"
         "Commands\n"
         "  generate   makes pictures from a photo and a prompt\n"
         "  swap       puts a person into a picture, in place of a face in it\n"
         "  face       finds the faces in a photo and saves one as an identity\n"
         "  plan       estimates memory, time and disk of a picture without making it\n"
         "  serve      runs the web page and the HTTP APIs on this machine\n"
         "  gpu        lists the graphics cards and says which can be used; checks one\n"
         "  bench      measures how fast this machine makes pictures\n"
         "  info       tells how a picture was made, and the command that makes it again\n"
         "  memory     shows the available memory and the memory mode it leads to\n"
         "  models     downloads, lists, checks and removes models\n"
         "\n"
         "  semblance COMMAND --help explains a command's flags, with examples;\n"
         "  semblance --version prints the version.\n"
         "\n" +
         semblance::cli::exit_codes_text();
}

int run(std::span<const char* const> words) {
  const std::string command = words.empty() ? "" : words[0];
  const auto rest = words.subspan(words.empty() ? 0 : 1);
  if (command == "generate") return semblance::cli::generate(rest);
  if (command == "swap") return semblance::cli::swap(rest);
  if (command == "face") return semblance::cli::face(rest);
  if (command == "plan") return semblance::cli::plan(rest);
  if (command == "serve") return semblance::cli::serve(rest);
  if (command == "gpu") return semblance::cli::gpu(rest);
  if (command == "bench") return semblance::cli::bench(rest);
  if (command == "info") return semblance::cli::info(rest);
  if (command == "memory") return semblance::cli::memory(rest);
  if (command == "models") return semblance::cli::models(rest);
  if (command == "--version" || command == "-V") {
    semblance::cli::print(semblance::program_version());
    return 0;
  }
  if (words.empty() || command == "--help" || command == "-h" || command == "help") {
    semblance::cli::print(overview());
    return 0;
  }
  const std::vector<std::string_view> known{"generate", "swap",   "face",      "plan",
                                            "serve",    "gpu",    "info",      "memory",
                                            "bench",    "models", "--version", "--help"};
  semblance::fail(ErrorKind::kArgument, "unknown command '{}'{}\n  semblance --help lists them",
                  command, semblance::did_you_mean(command, known));
}

/// Reports an error and returns its exit code. Allocates nothing, since memory may be exhausted.
int report_error(ErrorKind kind, const char* text) {
  std::fflush(stdout);
  std::fprintf(stderr, "semblance: %s%s\n", text, kind == ErrorKind::kInternal ? kReport : "");
  return semblance::exit_code(kind);
}

/// Reports the exception being handled and returns its exit code.
int report_current_exception() {
  try {
    throw;
  } catch (const semblance::Error& error) {
    return report_error(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return report_error(ErrorKind::kMemory, semblance::kMemoryRefused);
  } catch (const std::system_error& error) {
    return report_error(semblance::kind_of(error.code().value()), error.what());
  } catch (const std::exception& error) {
    return report_error(ErrorKind::kInternal, error.what());
  } catch (...) {
    return report_error(ErrorKind::kInternal, "an exception of an unknown type");
  }
}

/// Handles an exception where C++ allows none, as in a destructor. If the system refused a
/// resource, this is no bug: the program ends as it would for the same error anywhere else.
void on_terminate() {
  if (std::current_exception() != nullptr) {
    const int code = report_current_exception();
    if (code != semblance::exit_code(ErrorKind::kInternal)) {
      semblance::remove_unfinished_outputs();
      _exit(code);
    }
  }
  std::abort();
}

}  // namespace

int main(int count, char** words) {
  semblance::wait_passively(words);
  semblance::return_freed_memory();
  // A file at its size limit and a pipe without a reader become write errors instead. The service
  // must outlive the reader of its stderr, and a run the reader of its stdout.
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  std::set_terminate(on_terminate);
  int code = 0;
  try {
    code = run({words + (count > 0 ? 1 : 0), words + count});
  } catch (...) {
    code = report_current_exception();
  }
  semblance::stay_in_library_call();
  return code;
}
