// The pictures of a run: their likeness, which of several is kept, and what is printed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/subject.h"
#include "pipeline/resume.h"

namespace semblance::cli {

/// Measures how alike the results are to the person.
class LikenessMeter {
 public:
  /// `photos`: the embeddings of each person's `counts` photos, [n,512]. Without a reader nothing
  /// is measured.
  LikenessMeter(SubjectReader* reader, std::vector<float> photos, std::vector<int> counts)
      : reader_(reader), photos_(std::move(photos)), counts_(std::move(counts)) {}

  bool measures() const { return reader_ != nullptr; }
  /// The faces that it measures; measures() must hold.
  FoundFaces faces(const Image& picture, std::stop_token stop) const;
  /// Absent if the picture shows no face.
  std::optional<double> of(const FoundFaces& found) const;

 private:
  SubjectReader* reader_;
  std::vector<float> photos_;
  std::vector<int> counts_;
};

/// Whether `next` is kept in place of `best`: only if it is more alike. A picture without a face is
/// the least alike.
bool is_better(const Candidate& next, const std::optional<Candidate>& best);

/// Each path `times` times.
std::vector<std::filesystem::path> repeated(const std::vector<std::filesystem::path>& paths,
                                            int times);
/// numbered() paths in place of `paths`; neighbours with the same path still have the same.
std::vector<std::filesystem::path> renumbered(const std::vector<std::filesystem::path>& paths,
                                              const std::filesystem::path& first);

/// {"path", "width", "height", "seed", "likeness"}, in one line.
std::string result_json(const std::filesystem::path& path, Size size, const Candidate& result);

}  // namespace semblance::cli
