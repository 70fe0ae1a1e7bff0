// The subcommands. Each reads the words behind its name, does its work and returns the exit code;
// errors are thrown.
#pragma once

#include <span>
#include <string>

namespace semblance::cli {

int generate(std::span<const char* const> words);
int face(std::span<const char* const> words);
int memory(std::span<const char* const> words);
int plan(std::span<const char* const> words);
int serve(std::span<const char* const> words);
int models(std::span<const char* const> words);

/// Prints a result on stdout; nothing where nobody reads the pipe any more. Throws Error(kDevice)
/// when it fails otherwise (a full disk).
void print(const std::string& text);

/// The exit codes, as --help and docs/errors.md list them.
std::string exit_codes_text();

}  // namespace semblance::cli
