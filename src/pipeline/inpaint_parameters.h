// The rows of the parameters for repainting a part of a picture (pipeline/request.h has the table).
#pragma once

#include <array>

#include "pipeline/parameter.h"

namespace semblance {

/// What of the picture is computed.
inline constexpr std::array<std::string_view, 2> kInpaintAreaNames{"whole", "masked"};
/// What the repainted part begins with, beside noise.
inline constexpr std::array<std::string_view, 3> kMaskedContentNames{"original", "noise", "fill"};

namespace parameters {

inline constexpr Parameter kMaskBlur{
    .name = "mask_blur",
    .title = {"Mask blur", "Desenfoque de la máscara"},
    .help = {"How far the new part fades into the picture around it: the standard deviation of the "
             "blur of the mask's edge. Beyond two and a half times this distance from the mask no "
             "pixel changes. With 0, none outside the mask.",
             "Hasta dónde se funde la parte nueva con la imagen que la rodea: la desviación típica "
             "del desenfoque del borde de la máscara. A más de dos veces y media esa distancia de "
             "la máscara no cambia ningún píxel. Con 0, ninguno fuera de la máscara."},
    .unit = "pixels",
    .most = 64,
    .flag = FlagGroup::kInpaint,
    .page = {PagePlace::kMask, 0, 64, 1},
    .png = "Mask blur",
};
inline constexpr Parameter kInpaintArea{
    .name = "inpaint_area",
    .title = {"Inpaint area", "Zona de repintado"},
    .help = {"What is computed for a mask. whole: the whole picture. masked: only the mask's "
             "surroundings, enlarged to the size (by default the model's own), which gives a small "
             "face all of the model's detail; the rest of the picture is not touched.",
             "Qué se calcula con una máscara. whole: la imagen entera. masked: solo los "
             "alrededores de la máscara, ampliados al tamaño indicado (por omisión, el propio del "
             "modelo), lo que da a una cara pequeña todo el detalle del modelo; el resto de la "
             "imagen no se toca."},
    .choices = kChoiceOf<kInpaintAreaNames>,
    .flag = FlagGroup::kInpaint,
    .page = {PagePlace::kMask},
    .png = "Inpaint area",
};
inline constexpr Parameter kInpaintPadding{
    .name = "inpaint_padding",
    .title = {"Inpaint padding", "Margen de repintado"},
    .help = {"With inpaint_area masked: how much of the picture around the mask is computed with "
             "it, so that the new part suits its surroundings.",
             "Con inpaint_area masked: cuánto de la imagen alrededor de la máscara se calcula con "
             "ella, para que la parte nueva encaje con su entorno."},
    .unit = "pixels",
    .most = 256,
    .flag = FlagGroup::kInpaint,
    .page = {PagePlace::kMask, 0, 256, 4},
    .png = "Masked area padding",
};
inline constexpr Parameter kMaskedContent{
    .name = "masked_content",
    .title = {"Masked content", "Contenido enmascarado"},
    .help =
        {"What the repainted part begins with. original: the picture, so that colours and "
         "shapes are kept as strength says. noise: nothing of it. fill: the colours around the "
         "mask, "
         "blurred into it.",
         "De qué parte la zona repintada. original: de la imagen, de modo que se conservan "
         "colores y formas según la intensidad. noise: de nada de ella. fill: de los colores que "
         "rodean la máscara, difuminados hacia dentro."},
    .choices = kChoiceOf<kMaskedContentNames>,
    .flag = FlagGroup::kInpaint,
    .page = {PagePlace::kMask},
    .png = "Masked content",
};

namespace extend_detail {
constexpr Parameter row(std::string_view name, Words title, Words help, std::string_view png) {
  return {.name = name,
          .title = title,
          .help = help,
          .unit = "pixels",
          .most = 4096,
          .multiple_of = 8,
          .flag = FlagGroup::kInpaint,
          .page = {PagePlace::kInitial, 0, 512, 8},
          .png = png};
}
}  // namespace extend_detail

inline constexpr Parameter kExtendLeft = extend_detail::row(
    "extend_left", {"More on the left", "Más a la izquierda"},
    {"Makes the picture that is started from this much wider, to the left. Only what is new is "
     "painted; it begins with the colours beside it.",
     "Ensancha en esta medida, hacia la izquierda, la imagen de partida. Solo se pinta lo nuevo, "
     "que parte de los colores que tiene al lado."},
    "Extend left");
inline constexpr Parameter kExtendTop = extend_detail::row(
    "extend_top", {"More above", "Más arriba"},
    {"The same above the picture.", "Lo mismo por encima de la imagen."}, "Extend top");
inline constexpr Parameter kExtendRight =
    extend_detail::row("extend_right", {"More on the right", "Más a la derecha"},
                       {"The same on the right.", "Lo mismo a la derecha."}, "Extend right");
inline constexpr Parameter kExtendBottom = extend_detail::row(
    "extend_bottom", {"More below", "Más abajo"},
    {"The same below the picture.", "Lo mismo por debajo de la imagen."}, "Extend bottom");

}  // namespace parameters
}  // namespace semblance
