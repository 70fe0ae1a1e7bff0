// How alike faces are, and several photos of one person as one identity.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "face/identity.h"

namespace semblance {

/// Below this likeness two faces are of different people, as insightface's own example of face
/// recognition judges its models (web-demos/src_recognition/main.py: "They are NOT the same
/// person").
inline constexpr double kAnotherPerson = 0.2;

/// The cosine of two of the recogniser's embeddings, -1 to 1; 0 if one of them is zero.
double likeness(std::span<const float> a, std::span<const float> b);

/// The same of a face and what a person's photos, [n,512], have in common: the mean of their
/// directions.
double likeness(const FaceEmbedding& face, std::span<const float> photos);
/// How alike the faces of a picture are to its people. `photos`, [n,512], are as many of each
/// person as `counts` says. Each person is compared with the face that is most alike; the result is
/// that of the least alike person. nullopt if there is no face.
std::optional<double> likeness(std::span<const Face> faces, std::span<const float> photos,
                               std::span<const int> counts);
/// The same of two persons' photos.
double likeness(const Identity& a, const Identity& b);

/// Between any two photos of an identity; 1 for a single one.
struct Spread {
  double least = 1;
  double most = 1;
};
Spread spread_of(const Identity& person);

/// One identity from several of one person, each with one photo or more; all but the embeddings is
/// the first one's. `names`: of the photos, for messages. Throws Error(kArgument) that names a
/// photo of somebody else, and for more than kMostPhotos: a photo belongs to the person if it is
/// alike to any other of that person's; the person is the one with most photos, or the first.
Identity join_identities(std::span<const Identity> people, std::span<const std::string> names);

}  // namespace semblance
