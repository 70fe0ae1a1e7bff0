#include "pipeline/fingerprint.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "memory/file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPieces = 8;  // a file is sampled between these pieces and at both ends
constexpr std::uint64_t kPieceBytes = 4096;

std::string text_of(const Fnv1a& hash) { return fmt::format("{:016x}", hash.value()); }

void add_sampled(Fnv1a& hash, const File& file) {
  hash.add(file.size());
  std::array<std::byte, kPieceBytes> piece{};
  const std::uint64_t count = std::min(kPieceBytes, file.size());
  for (std::uint64_t i = 0; i <= kPieces; ++i) {
    const std::span<std::byte> bytes = std::span(piece).first(count);
    file.read((file.size() - count) * i / kPieces, bytes);
    hash.add(bytes);
  }
}

void add_weights(Fnv1a& hash, const WeightMap& weights, std::string_view prefix = {}) {
  std::vector<const File*> files;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(prefix)) files.push_back(tensor.file.get());
  }
  // Shards are sorted by content, since their names do not identify the model.
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::vector<std::string> sampled;
  for (const File* file : files) {
    Fnv1a own;
    add_sampled(own, *file);
    sampled.push_back(text_of(own));
  }
  std::sort(sampled.begin(), sampled.end());
  for (const std::string& text : sampled) hash.add(std::as_bytes(std::span(text)));
}

/// Adds a small file in full; a missing file counts as empty.
void add_text(Fnv1a& hash, const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    hash.add(std::uint64_t{0});
    return;
  }
  constexpr std::uint64_t kLimitBytes = std::uint64_t{64} << 20;
  const std::string text = read_small_file(path, kLimitBytes);
  hash.add(text.size());
  hash.add(std::as_bytes(std::span(text)));
}

void add_settings(Fnv1a& hash, const ModelSource& source, std::string_view component) {
  for (const fs::path& path : source.settings(component)) add_text(hash, path);
}

std::string of_text_encoder(const ModelSource& source, const WeightMap& weights,
                            const std::string& suffix) {
  Fnv1a hash;
  add_weights(hash, weights);
  add_settings(hash, source, "text_encoder" + suffix);
  add_settings(hash, source, "tokenizer" + suffix);
  return text_of(hash);
}

std::string of_part(const ModelSource& source, std::string_view component, const WeightMap& weights,
                    std::string_view prefix) {
  Fnv1a hash;
  add_weights(hash, weights, prefix);
  add_settings(hash, source, component);
  return text_of(hash);
}

std::string of_embeddings(const std::vector<TextualInversion>& embeddings) {
  Fnv1a hash;
  for (const TextualInversion& embedding : embeddings) {
    hash.add(embedding.word.size());
    hash.add(std::as_bytes(std::span(embedding.word)));
    for (const StoredTensor& vectors : embedding.vectors) add_sampled(hash, *vectors.file);
  }
  return text_of(hash);
}

}  // namespace

std::string fingerprint_of(const File& file) {
  Fnv1a hash;
  add_sampled(hash, file);
  return text_of(hash);
}

std::string fingerprint_of(const WeightMap& weights, std::span<const fs::path> settings) {
  Fnv1a hash;
  add_weights(hash, weights);
  for (const fs::path& path : settings) add_text(hash, path);
  return text_of(hash);
}

Fingerprints fingerprints_of(const ModelSource& source, const OpenedModels& models) {
  Fnv1a scheduler;
  add_settings(scheduler, source, "scheduler");
  add_settings(scheduler, source, "model_index");
  Fingerprints all{
      {"the scheduler", text_of(scheduler)},
      {"the first text encoder", of_text_encoder(source, models.clip_weights[0], "")},
      {"the second text encoder", of_text_encoder(source, models.clip_weights[1], "_2")},
      {"the UNet", of_part(source, "unet", models.denoiser_weights, "unet.")},
      {"the VAE", of_part(source, "vae", models.vae_weights, "")},
      {"IdentityNet", of_part(source, "identitynet", models.denoiser_weights, "identitynet.")},
      {"the face adapter", of_part(source, "adapter", models.denoiser_weights, "ip_adapter.")},
  };
  if (!models.embeddings.empty())
    all[std::string(kEmbeddingsPart)] = of_embeddings(models.embeddings);
  return all;
}

}  // namespace semblance
