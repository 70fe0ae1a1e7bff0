// The row of the ControlNets beside IdentityNet (pipeline/request.h has the table).
#pragma once

#include "pipeline/control_choice.h"
#include "pipeline/parameter.h"

namespace semblance::parameters {

inline constexpr Parameter kControls{
    .name = "controls",
    .short_name = "control",
    .title = {"ControlNets", "ControlNets"},
    .help = {"A ControlNet for SDXL beside IdentityNet, as model=FILE|DIR|NAME,image=FILE with any "
             "of strength=0.4 (0 to 5), start=0, end=1 (fractions of the steps), prepare=canny "
             "(its picture's edges) and, for a Union net, type=pose|depth|scribble|canny|normal|"
             "segment|tile|repaint. A name is looked up in the ControlNet folder. Several add up.",
             "Una ControlNet para SDXL junto a IdentityNet, como model=FILE|DIR|NAME,image=FILE "
             "con strength=0.4 (de 0 a 5), start=0, end=1 (fracciones de los pasos), prepare=canny "
             "(los bordes de su imagen) y, para una red Union, type=pose|depth|scribble|canny|"
             "normal|segment|tile|repaint si se quiere. Un nombre se busca en la carpeta de "
             "ControlNet. Varias se suman."},
    .most = 8,
    .text_problem = control_problem,
    .service = {4,
                {"Each takes about half as long as the UNet.",
                 "Cada una tarda cerca de la mitad que la UNet."}},
    .absent = {"none", "ninguna"},
    .placeholder = "CONTROL",
    .page = {.place = PagePlace::kOwnField},
};

}  // namespace semblance::parameters
