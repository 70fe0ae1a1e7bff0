// tokenize_tool FOLDER: reads texts from standard input, each as "LENGTH\n" and LENGTH bytes, and
// prints the ids of each text on one line. tools/oracle/text.py --full compares them with
// transformers' ids.
#include <iostream>
#include <string>

#include "text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenize_tool FOLDER < texts\n";
    return 2;
  }
  try {
    const semblance::Tokenizer tokenizer = semblance::Tokenizer::load(argv[1]);
    std::string line;
    while (std::getline(std::cin, line)) {
      std::string text(std::stoul(line), '\0');
      std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
      for (const std::int32_t id : tokenizer.tokenize(text)) std::cout << id << ' ';
      std::cout << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
