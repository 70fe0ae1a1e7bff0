// The rows of the parameters that change what a step computes (pipeline/request.h has the table).
#pragma once

#include "pipeline/parameter.h"

namespace semblance::parameters {

inline constexpr Parameter kReuse{
    .name = "reuse",
    .title = {"Reuse features", "Reutilizar rasgos"},
    .help = {"How many steps share the network's deep features (DeepCache). The first of them "
             "computes everything, the others only the outermost level, which takes a fraction of "
             "the time. 2 or 3 keep the picture's content; detail is lost.",
             "Cuántos pasos comparten los rasgos profundos de la red (DeepCache). El primero "
             "calcula todo, los demás solo el nivel exterior, que tarda una fracción. Con 2 o 3 se "
             "conserva el contenido de la imagen; se pierde detalle."},
    .unit = "steps",
    .least = 1,
    .most = 20,
    .flag = FlagGroup::kAdvanced,
    .png = "Reuse features",
};
inline constexpr Parameter kPerturbedGuidance{
    .name = "perturbed_guidance",
    .title = {"Perturbed guidance", "Guía por perturbación"},
    .help = {"Scale of perturbed attention guidance, which makes shapes more coherent; 3 is usual, "
             "0 turns it off. Each step computes one more picture from its middle on, about a "
             "third more time.",
             "Escala de la guía por atención perturbada, que hace las formas más coherentes; lo "
             "usual es 3 y 0 la desactiva. Cada paso calcula una imagen más desde su mitad, cerca "
             "de un tercio más de tiempo."},
    .most = 20,
    .flag = FlagGroup::kAdvanced,
    .png = "Perturbed guidance",
};
inline constexpr Parameter kFreeU{
    .name = "freeu",
    .title = {"FreeU", "FreeU"},
    .help =
        {"Strengthens the network's features against its skip connections (FreeU, with its "
         "authors' factors for SDXL): smoother surfaces, less noise, at no cost.",
         "Refuerza los rasgos de la red frente a sus conexiones directas (FreeU, con los "
         "factores de sus autores para SDXL): superficies más suaves y menos ruido, sin coste."},
    .flag = FlagGroup::kAdvanced,
    .png = "FreeU",
};

}  // namespace semblance::parameters
