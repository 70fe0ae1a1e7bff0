// The rows of the parameters that concern the person (pipeline/request.h has the table).
#pragma once

#include <array>
#include <string_view>

#include "pipeline/parameter.h"
#include "pipeline/person_choice.h"
#include "pipeline/photos.h"

namespace semblance {

/// Whether the face is repainted (app/face_pass.h).
inline constexpr std::array<std::string_view, 3> kRefineNames{"auto", "on", "off"};
/// Views of a face and places for it: app/face_view.h.
inline constexpr std::array<std::string_view, 9> kViewNames{
    "front", "three-quarter-left", "three-quarter-right", "profile-left", "profile-right", "up",
    "down",  "tilt-left",          "tilt-right"};
inline constexpr std::array<std::string_view, 3> kFramingNames{"close-up", "bust", "half"};

}  // namespace semblance

namespace semblance::parameters {

inline constexpr Parameter kCombine{
    .name = "combine",
    .title = {"Several photos", "Varias fotos"},
    .help = {"How several photos of the person are combined. average: the mean of what is "
             "recognised in them. norm_average: the same with each number divided by its norm over "
             "the photos. concat: the picture reads the face tokens of every photo, IdentityNet "
             "those of the first. sequence: the face tokens are made from all photos at once. "
             "Without effect for a single photo.",
             "Cómo se combinan varias fotos de la persona. average: la media de lo que se reconoce "
             "en ellas. norm_average: lo mismo, con cada número dividido por su norma entre las "
             "fotos. concat: la imagen lee los tokens de cada foto, IdentityNet los de la primera. "
             "sequence: los tokens se crean de todas las fotos a la vez. Sin efecto con una sola "
             "foto."},
    .choices = kChoiceOf<kCombineNames>,
    .flag = FlagGroup::kPerson,
    .page = {.place = PagePlace::kFiner},
    .png = "Combine photos",
};
inline constexpr Parameter kIdentityStrength{
    .name = "identity_strength",
    .title = {"IdentityNet strength", "Fuerza de IdentityNet"},
    .help =
        {"How strongly IdentityNet holds the position and features of the face; 0 turns it off.",
         "Con qué fuerza mantiene IdentityNet la posición y los rasgos de la cara; 0 la "
         "desactiva."},
    .most = 5,
    .flag = FlagGroup::kPerson,
    .web_ui = "points.weight",
    .page = {PagePlace::kDials, 0, 1.5, 0.05},
    .png = "IdentityNet strength",
    .png_always = true,
};
inline constexpr Parameter kAdapterStrength{
    .name = "adapter_strength",
    .title = {"Adapter strength", "Fuerza del adaptador"},
    .help =
        {"How strongly the face adapter brings the person into the whole picture. Lower it to give "
         "the prompt more weight, or when colours are too strong; 0 turns it off.",
         "Con qué fuerza lleva el adaptador a la persona a toda la imagen. Conviene bajarla para "
         "dar más peso a la descripción o si los colores son demasiado intensos; 0 lo desactiva."},
    .most = 5,
    .flag = FlagGroup::kPerson,
    .web_ui = "face.weight",
    .page = {PagePlace::kDials, 0, 1.5, 0.05},
    .png = "Adapter strength",
    .png_always = true,
};
inline constexpr Parameter kIdentityStart{
    .name = "identity_start",
    .title = {"IdentityNet start", "Inicio de IdentityNet"},
    .help = {"IdentityNet is on from this fraction of the steps.",
             "IdentityNet actúa desde esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_start",
    .png = "IdentityNet start",
};
inline constexpr Parameter kIdentityEnd{
    .name = "identity_end",
    .title = {"IdentityNet end", "Fin de IdentityNet"},
    .help = {"IdentityNet is on up to this fraction of the steps.",
             "IdentityNet actúa hasta esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_end",
    .png = "IdentityNet end",
};

inline constexpr Parameter kAdapterStart{
    .name = "adapter_start",
    .title = {"Adapter start", "Inicio del adaptador"},
    .help = {"The face adapter is on from this fraction of the steps.",
             "El adaptador de cara actúa desde esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "face.guidance_start",
    .png = "Adapter start",
};
inline constexpr Parameter kAdapterEnd{
    .name = "adapter_end",
    .title = {"Adapter end", "Fin del adaptador"},
    .help = {"The face adapter is on up to this fraction of the steps.",
             "El adaptador de cara actúa hasta esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "face.guidance_end",
    .png = "Adapter end",
};
inline constexpr Parameter kNoKeypoints{
    .name = "no_keypoints",
    .title = {"No keypoints", "Sin puntos clave"},
    .help =
        {"IdentityNet gets a black picture in place of the keypoints: it brings the person, but "
         "the face may be anywhere.",
         "IdentityNet recibe una imagen negra en lugar de los puntos clave: lleva a la persona, "
         "pero la cara puede estar en cualquier lugar."},
    .flag = FlagGroup::kAdvanced,
    .png = "No keypoints",
};
inline constexpr Parameter kIdentityNoise{
    .name = "identity_noise",
    .title = {"Identity noise", "Ruido de identidad"},
    .help =
        {"Noise of this strength takes the place of the empty face that guidance compares "
         "with, as in ComfyUI_InstantID, whose usual value is 0.35: colours are less strong. "
         "Without effect when guidance is 1 or less.",
         "Un ruido de esta fuerza sustituye a la cara vacía con la que compara la guía, como en "
         "ComfyUI_InstantID, cuyo valor habitual es 0,35: los colores son menos intensos. Sin "
         "efecto si la guía es 1 o menos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .png = "Identity noise",
};
inline constexpr Parameter kRefineFaces{
    .name = "refine_faces",
    .title = {"Small faces", "Caras pequeñas"},
    .help =
        {"Repaints the face at the model's own size in a second pass, which gives a small face "
         "the likeness that a large one has; each person's face in a pass of its own. auto: if it "
         "is smaller than an eighth of the picture's shorter side. Needs face models. Without "
         "effect with a mask.",
         "Repinta la cara al tamaño propio del modelo en una segunda pasada, lo que da a una "
         "cara pequeña el parecido de una grande; la de cada persona en una pasada propia. auto: "
         "si mide menos de un octavo del lado menor de la imagen. Necesita los modelos de cara. "
         "Sin efecto con una máscara."},
    .choices = kChoiceOf<kRefineNames>,
    .flag = FlagGroup::kPerson,
    .page = {.place = PagePlace::kFiner},
    .png = "Refine faces",
};
inline constexpr Parameter kView{
    .name = "view",
    .title = {"View", "Vista"},
    .help =
        {"Turns the face to this view, with keypoints from the person's own proportions, where "
         "it would be otherwise.",
         "Gira la cara hacia esta vista, con puntos clave según las proporciones de la persona, "
         "donde estaría si no."},
    .choices = kChoiceOf<kViewNames>,
    .absent = {"as in the photo", "como en la foto"},
    .flag = FlagGroup::kPerson,
    .png = "View",
};
inline constexpr Parameter kFraming{
    .name = "framing",
    .title = {"Framing", "Encuadre"},
    .help =
        {"Places the face in the middle of the picture as in a close-up, a bust or a half-length "
         "portrait.",
         "Coloca la cara en el centro de la imagen como en un primer plano, un busto o un plano "
         "medio."},
    .choices = kChoiceOf<kFramingNames>,
    .absent = {"as in the photo", "como en la foto"},
    .flag = FlagGroup::kPerson,
    .png = "Framing",
};
inline constexpr Parameter kRegionMask{
    .name = "region_mask",
    .title = {"Person in the face only", "Persona solo en la cara"},
    .help = {"Limits IdentityNet and the face adapter to the box of the face (\"enhance non-face "
             "region\"): the rest follows the prompt alone.",
             "Limita IdentityNet y el adaptador de cara al recuadro de la cara (\"enhance non-face "
             "region\"): el resto sigue solo la descripción."},
    .flag = FlagGroup::kAdvanced,
    .page = {.place = PagePlace::kDials, .start = 1},
    .png = "Region mask",
};
inline constexpr Parameter kPeople{
    .name = "people",
    .title = {"People", "Personas"},
    .help = {"Several people in one picture, each a JSON object (docs/people.md).",
             "Varias personas en una imagen, cada una un objeto JSON (docs/people.md)."},
    .most = kMostPeople,
    .text_problem = person_problem,
    .service = {4,
                {"Each takes as long as a picture of one person.",
                 "Cada una tarda tanto como una imagen de una persona."}},
    .absent = {"none", "ninguna"},
    .flag = FlagGroup::kPerson,
    .flag_name = "--people",
    .page = {.place = PagePlace::kOwnField},
};
inline constexpr Parameter kBestOf{
    .name = "best_of",
    .title = {"Best of", "La mejor de"},
    .help = {"Makes this many pictures for each, with consecutive seeds, and keeps the one whose "
             "face is most alike to the person. Needs face models.",
             "Crea este número de imágenes por cada una, con semillas consecutivas, y conserva "
             "aquella cuya cara se parece más a la persona. Necesita los modelos de cara."},
    .least = 1,
    .most = 100,
    .service = {8,
                {"The service runs one job at a time; all others wait for it.",
                 "El servicio procesa un trabajo a la vez; los demás esperan."}},
    .shapes_picture = false,  // the kept picture's seed alone makes it again
    .flag = FlagGroup::kPerson,
    .page = {PagePlace::kFiner, 1, 8, 1},
};

}  // namespace semblance::parameters
