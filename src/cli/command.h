// The subcommands. Each takes the words after its name and returns the exit code; errors are
// thrown.
#pragma once

#include <span>
#include <string>

namespace semblance::cli {

int bench(std::span<const char* const> words);
int generate(std::span<const char* const> words);
int swap(std::span<const char* const> words);
int face(std::span<const char* const> words);
int gpu(std::span<const char* const> words);
int gpu_check(std::span<const char* const> words);
int info(std::span<const char* const> words);
int memory(std::span<const char* const> words);
int plan(std::span<const char* const> words);
int serve(std::span<const char* const> words);
int models(std::span<const char* const> words);

/// Prints a result on stdout. A closed pipe is ignored; any other failure (a full disk) throws
/// Error(kDevice).
void print(const std::string& text);

/// The exit codes, for --help; docs/errors.md lists them too.
std::string exit_codes_text();

}  // namespace semblance::cli
