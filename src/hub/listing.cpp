#include "hub/listing.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "hub/repository.h"
#include "weights/names.h"

namespace semblance {
namespace {

RemoteFile file_of(const std::string& name, const Json& item) {
  RemoteFile file;
  file.path = item.get_string("rfilename");
  if (!is_safe_path(file.path)) {
    fail(ErrorKind::kCorrupt,
         "cannot use {}: it lists the file '{}', which could be outside the model's folder\n  "
         "nothing is downloaded, because the server cannot be trusted",
         name, printable(file.path));
  }
  const bool large = item.has("lfs");
  const Json source = large ? item.child("lfs") : item;
  file.bytes = static_cast<std::uint64_t>(source.get_int(
      "size", std::nullopt, {.least = 0, .most = static_cast<std::int64_t>(kMostFileBytes)}));
  const std::string checksum = source.get_string(large ? "sha256" : "blobId");
  const bool known = parse_digest(checksum, file.digest);
  if (!known || (file.digest.kind == DigestKind::kSha256) != large) {
    fail(ErrorKind::kCorrupt,
         "cannot use {}: expected {} hex digits as the checksum of {}, got '{}'", name,
         large ? 64 : 40, printable(file.path), printable(checksum));
  }
  return file;
}

Listing read_listing(const std::string& name, std::string_view text) {
  constexpr std::size_t kMostFiles = 100'000;
  const Json json = Json::parse(name, text).expect_object();
  Listing listing;
  listing.commit = json.get_string("sha");
  if (!is_hex(listing.commit, 40)) json.refuse("sha", "a commit of 40 hex digits");
  if (json.has("cardData") && json.child("cardData").is_object()) {
    const nlohmann::json& card = json.child("cardData").value();
    for (const char* key : {"license_name", "license"}) {
      if (listing.licence.empty() && card.contains(key) && card[key].is_string())
        listing.licence = printable(card[key].get<std::string>());
    }
  }
  const std::vector<Json> items = json.child("siblings").items();
  if (items.size() > kMostFiles) json.refuse("siblings", "a list of at most 100000 files");
  for (const Json& item : items) listing.files.push_back(file_of(name, item));
  return listing;
}

}  // namespace

Listing parse_listing(const std::string& name, std::string_view text) {
  try {
    return read_listing(name, text);
  } catch (const Error& error) {
    // A missing key is an error of the server, not something the user could add.
    if (error.kind() == ErrorKind::kMissing) fail(ErrorKind::kCorrupt, "{}", error.what());
    throw;
  }
}

}  // namespace semblance
