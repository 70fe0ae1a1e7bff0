// The rows of the parameters for enlarging a picture in a second pass (pipeline/request.h has the
// table).
#pragma once

#include "pipeline/parameter.h"

namespace semblance::parameters {

inline constexpr Parameter kHires{
    .name = "hires",
    .title = {"Enlarge", "Ampliar"},
    .help =
        {"Makes the picture this many times larger in a second pass, which starts from the first "
         "one's enlarged picture and adds detail. Composition and pose stay those of the model's "
         "own size. 1: no second pass.",
         "Hace la imagen este número de veces mayor en una segunda pasada, que parte de la imagen "
         "de la primera, ampliada, y añade detalle. La composición y la pose siguen siendo las del "
         "tamaño propio del modelo. 1: sin segunda pasada."},
    .least = 1,
    .most = 4,
    .flag = FlagGroup::kPicture,
    .page = {PagePlace::kFiner, 1, 2, 0.25},
    .png = "Hires upscale",
};
inline constexpr Parameter kHiresStrength{
    .name = "hires_strength",
    .title = {"Enlarging strength", "Intensidad de la ampliación"},
    .help = {"How much the second pass makes anew: the share of the steps that it makes.",
             "Cuánto rehace la segunda pasada: la parte de los pasos que hace."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .page = {PagePlace::kFiner, 0.1, 0.9, 0.05},
    .png = "Hires strength",
};

}  // namespace semblance::parameters
