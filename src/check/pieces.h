// The parts of card_check(). Private to check/.
#pragma once

#include <nlohmann/json.hpp>

#include "check/card_check.h"
#include "pipeline/request.h"

namespace semblance::checking {

using OrderedJson = nlohmann::ordered_json;

OrderedJson memory(const CheckedCard& card);
OrderedJson copies(const CheckedCard& card, const std::stop_token& stop);
OrderedJson rates(const CheckedCard& card, const std::stop_token& stop);
/// "agreement" and "layer".
std::vector<CheckPiece> agreements(const CheckedCard& card);
std::vector<CheckPiece> layers(const CheckedCard& card);
/// `precision`: f32 or f16.
OrderedJson picture(const CheckedCard& card, const ModelPaths& demo, Precision precision,
                    const std::stop_token& stop);
OrderedJson step(const CheckedCard& card, const std::optional<ModelPaths>& demo,
                 const std::stop_token& stop);

/// As JSON, which has no infinity.
OrderedJson number(double value);

}  // namespace semblance::checking
