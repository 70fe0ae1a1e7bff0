#include "face/likeness.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace semblance {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  SEMBLANCE_ASSERT(a.size() == b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// A photo's embedding and what messages call it.
struct NamedPhoto {
  FaceEmbedding embedding;
  std::string name;
};

double photo_likeness(const NamedPhoto& a, const NamedPhoto& b) {
  return likeness(std::span<const float>(a.embedding), std::span<const float>(b.embedding));
}

std::vector<NamedPhoto> photos_of(std::span<const Identity> people,
                                  std::span<const std::string> names) {
  std::vector<NamedPhoto> photos;
  for (std::size_t i = 0; i < people.size(); ++i) {
    photos.push_back({people[i].embedding, names[i]});
    for (const FaceEmbedding& other : people[i].others) photos.push_back({other, names[i]});
  }
  return photos;
}

/// For each photo, the first photo of the same person.
std::vector<std::size_t> person_of_each(const std::vector<NamedPhoto>& photos) {
  std::vector<std::size_t> person(photos.size());
  std::iota(person.begin(), person.end(), std::size_t{0});
  for (std::size_t i = 0; i < photos.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (photo_likeness(photos[i], photos[j]) < kAnotherPerson) continue;
      const auto [keep, replaced] = std::minmax(person[i], person[j]);
      std::ranges::replace(person, std::size_t{replaced}, std::size_t{keep});
    }
  }
  return person;
}

void check_one_person(const std::vector<NamedPhoto>& photos) {
  const std::vector<std::size_t> person = person_of_each(photos);
  std::size_t main = 0;
  for (const std::size_t each : person) {
    if (std::ranges::count(person, each) > std::ranges::count(person, main)) main = each;
  }
  for (std::size_t i = 0; i < photos.size(); ++i) {
    if (person[i] == main) continue;
    double best = -1;
    for (std::size_t j = 0; j < photos.size(); ++j) {
      if (person[j] == main) best = std::max(best, photo_likeness(photos[i], photos[j]));
    }
    fail(ErrorKind::kArgument,
         "cannot combine the photos: {} shows somebody else than {}: expected a likeness of at "
         "least {}, got {:.2f}\n  leave it out, or use photos of one person",
         photos[i].name, photos[main].name, kAnotherPerson, best);
  }
}

/// The mean of the directions of [n,512], times n.
FaceEmbedding mean_direction(std::span<const float> photos) {
  SEMBLANCE_ASSERT(photos.size() % kEmbeddingSize == 0);
  FaceEmbedding sum{};
  for (; !photos.empty(); photos = photos.subspan(kEmbeddingSize)) {
    const std::span<const float> photo = photos.first(kEmbeddingSize);
    const double length = std::sqrt(dot(photo, photo));
    if (length == 0) continue;
    for (std::size_t i = 0; i < sum.size(); ++i)
      sum[i] += static_cast<float>(static_cast<double>(photo[i]) / length);
  }
  return sum;
}

}  // namespace

double likeness(std::span<const float> a, std::span<const float> b) {
  const double lengths = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return lengths > 0 ? std::clamp(dot(a, b) / lengths, -1.0, 1.0) : 0;
}

double likeness(const FaceEmbedding& face, std::span<const float> photos) {
  return likeness(std::span<const float>(face), std::span<const float>(mean_direction(photos)));
}

std::optional<double> likeness(std::span<const Face> faces, std::span<const float> photos,
                               std::span<const int> counts) {
  std::optional<double> least;
  for (const int count : counts) {
    const std::span<const float> own =
        photos.first(static_cast<std::size_t>(count) * kEmbeddingSize);
    photos = photos.subspan(own.size());
    std::optional<double> best;
    for (const Face& face : faces) {
      const double alike = likeness(face.embedding, own);
      best = std::max(best.value_or(alike), alike);
    }
    if (!best) return std::nullopt;
    least = std::min(least.value_or(*best), *best);
  }
  return least;
}

double likeness(const Identity& a, const Identity& b) {
  return likeness(mean_direction(a.embeddings()), b.embeddings());
}

Spread spread_of(const Identity& person) {
  std::vector<FaceEmbedding> photos{person.embedding};
  photos.insert(photos.end(), person.others.begin(), person.others.end());
  if (photos.size() == 1) return {};
  Spread spread{.least = 1, .most = -1};
  for (std::size_t i = 0; i < photos.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double alike = likeness(std::span<const float>(photos[i]), photos[j]);
      spread.least = std::min(spread.least, alike);
      spread.most = std::max(spread.most, alike);
    }
  }
  return spread;
}

Identity join_identities(std::span<const Identity> people, std::span<const std::string> names) {
  SEMBLANCE_ASSERT(!people.empty() && people.size() == names.size());
  const std::vector<NamedPhoto> photos = photos_of(people, names);
  if (photos.size() > kMostPhotos) {
    fail(ErrorKind::kArgument, "cannot combine the photos: expected at most {}, got {}",
         kMostPhotos, photos.size());
  }
  if (people.size() > 1) check_one_person(photos);
  Identity joined = people.front();
  joined.others.clear();
  for (std::size_t i = 1; i < photos.size(); ++i) joined.others.push_back(photos[i].embedding);
  return joined;
}

}  // namespace semblance
