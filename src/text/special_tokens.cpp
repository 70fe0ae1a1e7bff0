#include "text/special_tokens.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::int64_t kMostId = 999'999'999;
constexpr std::array<std::string_view, 7> kOrder = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

SpecialToken read_object_token(const Json& json) {
  for (const std::string_view flag : {"lstrip", "rstrip", "single_word"}) {
    if (json.get_bool(flag, false)) {
      json.refuse(flag, "false (Semblance matches tokens exactly)");
    }
  }
  SpecialToken token;
  token.content = json.get_string("content");
  token.is_object = true;
  token.special = json.get_bool("special", false);
  if (json.has("normalized")) token.normalized = json.get_bool("normalized");
  return token;
}

SpecialToken read_token(const Json& owner, std::string_view key) {
  const Json json = owner.child(key);
  if (json.value().is_string()) {
    SpecialToken token;
    token.content = json.value().get<std::string>();
    return token;
  }
  if (!json.is_object()) owner.refuse(key, "a token (a string or an object)");
  return read_object_token(json);
}

}  // namespace

void SpecialTokens::read_config(const Json& config) {
  read_named(config, false);
  read_extra(config, "additional_special_tokens");
  read_extra(config, "extra_special_tokens");
  for (const std::string_view side : {"padding_side", "truncation_side"}) {
    if (config.get_string(side, "right") != "right") config.refuse(side, "\"right\"");
  }
  if (config.get_bool("split_special_tokens", false)) {
    config.refuse("split_special_tokens", "false");
  }
}

void SpecialTokens::read_decoder(const Json& decoder) {
  decoder.expect_object();
  for (const std::string& key : decoder.keys()) {
    const bool digits =
        !key.empty() && key.size() <= 9 &&
        std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: a key of added_tokens_decoder must be an id, got {}", decoder.file(),
           shown_token(key));
    }
    by_id_[std::stoi(key)] = read_object_token(decoder.child(key));
  }
  file_ = decoder.file();
}

void SpecialTokens::read_list(const Json& list) {
  for (const Json& item : list.items()) {
    const auto id = item.expect_object().get_int("id", {}, {.least = 0, .most = kMostId});
    by_id_[static_cast<std::int32_t>(id)] = read_object_token(item);
  }
  file_ = list.file();
}

void SpecialTokens::read_map(const Json& map) {
  map.expect_object();
  read_named(map, true);
  read_extra(map, "additional_special_tokens");
  read_extra(map, "extra_special_tokens");
}

void SpecialTokens::read_added(const Json& json) {
  json.expect_object();
  for (const std::string& key : json.keys()) {
    SpecialToken token;
    token.content = key;
    token.is_object = true;
    token.special = is_named(key) || std::any_of(extra_.begin(), extra_.end(),
                                                 [&](const auto& t) { return t.content == key; });
    const auto id = json.get_int(key, {}, {.least = 0, .most = kMostId});
    by_id_[static_cast<std::int32_t>(id)] = std::move(token);
  }
  file_ = json.file();
}

std::string SpecialTokens::content_of(std::string_view name, std::string_view fallback) const {
  const auto found = named_.find(std::string(name));
  return found == named_.end() ? std::string(fallback) : found->second.content;
}

std::vector<AddedToken> SpecialTokens::add_to(Vocabulary& vocabulary) {
  for (const std::string_view name : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const bool start = name == "bos_token";
    named_.try_emplace(std::string(name),
                       SpecialToken{.content = start ? "<|startoftext|>" : "<|endoftext|>"});
  }
  std::vector<SpecialToken> tokens;
  std::set<std::string> declared;
  for (const auto& [id, token] : by_id_) {
    tokens.push_back(token);
    declared.insert(token.content);
  }
  const auto offer = [&](const SpecialToken& token) {
    if (declared.contains(token.content)) return;
    if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
  };
  for (const std::string_view name : kOrder) {
    const auto found = named_.find(std::string(name));
    if (found != named_.end()) offer(found->second);
  }
  for (const auto& [name, token] : named_) {
    if (std::find(kOrder.begin(), kOrder.end(), name) == kOrder.end()) offer(token);
  }
  for (const SpecialToken& token : extra_) offer(token);

  std::vector<AddedToken> added;
  for (SpecialToken& token : tokens) {
    if (token.content.empty()) continue;
    if (!token.is_object || is_named(token.content)) token.special = true;
    const std::int32_t id = vocabulary.add(token.content);
    const AddedToken result{token.content, id, token.is_normalized()};
    const auto same =
        std::find_if(added.begin(), added.end(), [&](const auto& a) { return a.id == id; });
    if (same == added.end()) {
      added.push_back(result);
    } else {
      *same = result;
    }
  }
  for (const auto& [id, token] : by_id_) {
    if (token.content.empty() || *vocabulary.find(token.content) == id) continue;
    fail(ErrorKind::kCorrupt, "cannot read {}: the added token {} must have id {}, got {}", file_,
         shown_token(token.content), *vocabulary.find(token.content), id);
  }
  return added;
}

void SpecialTokens::read_named(const Json& json, bool special) {
  for (const std::string& key : json.keys()) {
    const bool standard = std::find(kOrder.begin(), kOrder.end(), key) != kOrder.end();
    if (!key.ends_with("_token") || !json.has(key)) continue;
    const nlohmann::json& value = json.value().at(key);
    if (!standard && !value.is_string() && !value.is_object()) continue;
    SpecialToken token = read_token(json, key);
    token.special |= special && token.is_object;
    named_[key] = std::move(token);
  }
}

void SpecialTokens::read_extra(const Json& json, std::string_view key) {
  if (!json.has(key)) return;
  for (const Json& item : json.child(key).items()) {
    SpecialToken token;
    if (item.is_object()) {
      token = read_object_token(item);
      token.special = true;
    } else if (item.value().is_string()) {
      token.content = item.value().get<std::string>();
    } else {
      json.refuse(key, "a list of tokens");
    }
    if (std::find(extra_.begin(), extra_.end(), token) == extra_.end()) extra_.push_back(token);
  }
}

bool SpecialTokens::is_named(const std::string& content) const {
  return std::any_of(named_.begin(), named_.end(),
                     [&](const auto& item) { return item.second.content == content; });
}

}  // namespace semblance
