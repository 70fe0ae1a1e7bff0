// semblance memory: shows the available memory and the mode it leads to.
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "device/cards.h"
#include "memory/budget.h"
#include "memory/meter.h"
#include "memory/mode.h"
#include "memory/scratch_file.h"
#include "runtime/machine_facts.h"
#include "runtime/workspace.h"

namespace semblance::cli {
namespace {

struct Settings {
  MemoryRequest budget;
  Language language = Language::kEnglish;
  bool json = false;
  bool measure = false;
};

void declare(Flags& flags, Settings& s) {
  flags.group("What to do");
  flags.toggle("--measure",
               "First measures how fast this machine computes, reads and writes; plans use this to "
               "predict times. Takes a few seconds. `generate` does this once by itself.",
               s.measure);
  flags.toggle(
      "--json",
      "Prints {\"ram\": {\"total_bytes\", \"available_bytes\", \"used_bytes\", "
      "\"used_percent\"}, \"control_group\": {\"version\", \"limit_bytes\", "
      "\"usage_bytes\", \"reclaimable_bytes\", \"room_bytes\"} or null, \"process_limit\": "
      "{\"kind\", \"limit_bytes\", \"mapped_bytes\", \"room_bytes\"} or null, \"gpu\": {\"name\", "
      "\"driver\", \"free_bytes\", \"total_bytes\", \"used_bytes\"} or null, "
      "\"available_bytes\", \"budget_bytes\", \"mode\", \"message\"}.",
      s.json);
  flags.value("--memory", "AMOUNT",
              "Shows the mode of a run with this budget: 256MiB or 2GiB (binary), 300MB or 1.5GB "
              "(decimal), 60% (of the available memory), or auto (80%). Default: auto.",
              [&s](const std::string& flag, const std::string& text) {
                s.budget = parse_memory(text, flag);
              });
  flags.value("--lang", "en|es",
              "Language: English or Spanish. Default: from LC_ALL, LC_MESSAGES or LANG.",
              [&s](const std::string& flag, const std::string& text) {
                s.language = parse_language(text, flag);
              });
  flags.epilogue(
      "Available memory is the smallest of: what the machine has left, what the control group\n"
      "has left, and what ulimit -v and -d leave. Droppable page cache counts as available,\n"
      "swap does not. See docs/memory.md.\n"
      "\n"
      "Examples\n"
      "  semblance memory\n"
      "  semblance memory --memory 60% --lang es\n"
      "\n" +
      exit_codes_text());
}

Mode mode_of(const MemoryRequest& request, const MachineMemory& machine) {
  return mode_for(request.is_named() ? request.bytes : machine.for_run_bytes(), 0);
}

std::string json_of(const Settings& s, const MachineMemory& machine) {
  const Mode mode = mode_of(s.budget, machine);
  nlohmann::ordered_json json;
  json["ram"] = {{"total_bytes", machine.total_bytes},
                 {"available_bytes", machine.available_bytes},
                 {"used_bytes", machine.used_bytes()},
                 {"used_percent", machine.used_percent()}};
  json["control_group"] = nullptr;
  if (const auto& group = machine.group) {
    json["control_group"] = {{"version", group->version},
                             {"limit_bytes", group->limit_bytes},
                             {"usage_bytes", group->usage_bytes},
                             {"reclaimable_bytes", group->reclaimable_bytes},
                             {"room_bytes", group->room_bytes}};
  }
  json["process_limit"] = nullptr;
  if (const auto& limit = machine.limit) {
    const bool space = limit->kind == ProcessLimit::Kind::kAddressSpace;
    json["process_limit"] = {{"kind", space ? "address_space" : "data"},
                             {"limit_bytes", limit->limit_bytes},
                             {"mapped_bytes", limit->mapped_bytes},
                             {"room_bytes", limit->room_bytes()}};
  }
  json["gpu"] = nullptr;
  if (const auto& gpu = machine.gpu) {
    json["gpu"] = {{"name", gpu->name},
                   {"driver", gpu->driver},
                   {"free_bytes", gpu->free_bytes},
                   {"total_bytes", gpu->total_bytes},
                   {"used_bytes", gpu->used_bytes()}};
  }
  json["available_bytes"] = machine.for_run_bytes();
  json["budget_bytes"] = budget_bytes_of(s.budget, machine);
  json["mode"] = name_of(mode);
  json["message"] = text_of(message_of(mode));
  return json.dump(2);
}

/// The line of the card that --device gpu would use, or of one that it cannot.
std::string gpu_line(const MachineMemory& machine, const Cards& cards) {
  if (const auto& gpu = machine.gpu) {
    return text_of(Message::kGpu, gpu->name, gpu->driver, bytes_text(gpu->free_bytes),
                   bytes_text(gpu->total_bytes), bytes_text(gpu->used_bytes()));
  }
  for (const Card& card : cards.cards) {
    if (!card.is_usable()) return text_of(Message::kGpuUnusable, card.facts.name, card.why_not);
  }
  return text_of(Message::kGpuNone);
}

std::string report_of(const Settings& s, const MachineMemory& machine, const Cards& cards) {
  std::string out =
      text_of(Message::kRam, gib_text(machine.total_bytes), gib_text(machine.available_bytes),
              gib_text(machine.used_bytes()), machine.used_percent()) +
      '\n';
  if (const auto& group = machine.group) {
    out += text_of(Message::kGroup, bytes_text(group->limit_bytes),
                   bytes_text(group->usage_bytes - group->reclaimable_bytes),
                   bytes_text(group->room_bytes));
  } else {
    out += text_of(Message::kGroupNone);
  }
  out += '\n';
  if (const auto& limit = machine.limit) {
    out += text_of(Message::kLimit, bytes_text(limit->limit_bytes),
                   limit->kind == ProcessLimit::Kind::kAddressSpace ? "v" : "d",
                   bytes_text(limit->mapped_bytes), bytes_text(limit->room_bytes()));
  } else {
    out += text_of(Message::kLimitNone);
  }
  out += '\n';
  out += gpu_line(machine, cards);
  const std::uint64_t budget = budget_bytes_of(s.budget, machine);
  const Mode mode = mode_of(s.budget, machine);
  out += '\n' + text_of(Message::kForRun, bytes_text(machine.for_run_bytes()), bytes_text(budget));
  out += '\n' + text_of(Message::kModeLine, text_of(title_of(mode)), text_of(message_of(mode)));
  if (budget > machine.for_run_bytes()) {
    out += '\n' + text_of(Message::kBudgetAboveAvailable, bytes_text(budget),
                          bytes_text(machine.for_run_bytes()));
  }
  return out;
}

}  // namespace

int memory(std::span<const char* const> words) {
  Settings s;
  s.language = language_of_environment();
  Flags flags(
      "memory [--json] [--measure] [--memory AMOUNT] [--lang en|es]",
      "Shows the memory of this machine and its control group, and the memory mode of a run.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  set_language(s.language);
  if (s.measure) {
    set_threads(available_cores());
    const std::uint64_t budget = budget_bytes_of(s.budget, Meter().machine());
    machine_facts(cpu_backend(), choose_scratch_folder({}),
                  {.room_bytes = room_in(budget), .refresh = true});
  }
  MachineMemory machine = Meter().machine();
  const Cards cards = find_cards();
  machine.gpu = gpu_memory(cards);
  print(s.json ? json_of(s, machine) : report_of(s, machine, cards));
  return 0;
}

}  // namespace semblance::cli
