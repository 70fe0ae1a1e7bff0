// The words of recipes (app/recipe.h) in both languages, with what the placeholders {0}, {1}, ...
// stand for.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>

#include "core/messages.h"
#include "pipeline/parameter.h"

namespace semblance::recipe_words {

// file, format, width, height, program
inline constexpr Words kInfoPicture{"{0}: {1}, {2} x {3}, made by {4}",
                                    "{0}: {1}, {2} x {3}, hecha por {4}"};
// file, format, width, height
inline constexpr Words kInfoUnknown{"{0}: {1}, {2} x {3}; no text in it says how to make it again",
                                    "{0}: {1}, {2} x {3}; ningún texto dice cómo volver a crearla"};
// most that is read
inline constexpr Words kInfoTooLong{"(longer than {0}, not read)", "(más de {0}, no se lee)"};
inline constexpr Words kInfoCommand{"To make it again", "Para volver a crearla"};
inline constexpr Words kInfoNotes{"What it needs, and what is not carried over",
                                  "Lo que necesita y lo que no se traslada"};
// name, value
inline constexpr Words kNoteField{"{0}: {1} is not carried over", "{0}: {1} no se traslada"};
// name, what is wrong with it
inline constexpr Words kNoteValue{"{0} is not carried over: {1}", "{0} no se traslada: {1}"};
// sampler there, the nearest
inline constexpr Words kNoteNearestSampler{
    "the sampler {0} is not available; {1} is the nearest",
    "el muestreador {0} no está disponible; {1} es el más parecido"};
// sampler there
inline constexpr Words kNoteNoSampler{"the sampler {0} is not known; the model's own is used",
                                      "no se conoce el muestreador {0}; se usa el del modelo"};
// noise levels there, those used
inline constexpr Words kNoteNoCurve{"the noise levels {0} are not available; {1} is used",
                                    "los niveles de ruido {0} no están disponibles; se usa {1}"};
// noise levels, sampler
inline constexpr Words kNoteUnusedCurve{"the noise levels {0} have no effect with {1}",
                                        "los niveles de ruido {0} no tienen efecto con {1}"};
inline constexpr Words kNoteFace{
    "the photo of the person is not in the file: give it with --face",
    "la foto de la persona no está en el archivo: indícala con --face"};
inline constexpr Words kNoteNoPerson{
    "it was made without the photo of a person: to put one in, leave out --identity-strength and "
    "--adapter-strength",
    "se creó sin la foto de una persona: para incluirla, quita --identity-strength y "
    "--adapter-strength"};
inline constexpr Words kNoteInitial{
    "it started from a picture, which is not in the file: give it with --init",
    "partió de una imagen, que no está en el archivo: indícala con --init"};
inline constexpr Words kNoteMask{
    "only a part was repainted; the mask is not in the file: give it with --mask",
    "solo se repintó una parte; la máscara no está en el archivo: indícala con --mask"};
inline constexpr Words kNoteControls{
    "the pictures of the ControlNets are not in the file: --control names them, without folders",
    "las imágenes de las ControlNets no están en el archivo: --control las nombra, sin carpetas"};
inline constexpr Words kNotePose{
    "if another photo set the position of the face, give it with --pose",
    "si la posición de la cara era la de otra foto, indícala con --pose"};
// name
inline constexpr Words kNoteEmbedding{"{0} is an embedding: give its file with --embedding",
                                      "{0} es un embedding: indica su archivo con --embedding"};
// how it begins
inline constexpr Words kNoteNetwork{"{0} is read as plain text", "{0} se lee como texto"};
// number
inline constexpr Words kNoteClipSkip{
    "Clip skip: {0} has no effect there with SDXL, and is left out",
    "Clip skip: {0} no tiene efecto allí con SDXL y se omite"};
// node, its class
inline constexpr Words kNoteNode{"the node {0} ({1}) is not carried over",
                                 "el nodo {0} ({1}) no se traslada"};
// pictures, the last one's number
inline constexpr Words kNoteBatch{
    "it is one of the {0} pictures of a batch: --noise-picture, from 0 to {1}, chooses which",
    "es una de las {0} imágenes de un lote: --noise-picture, de 0 a {1}, elige cuál"};
inline constexpr Words kNoteWeights{
    "ComfyUI weighs words in another way, which is close to a1111's",
    "ComfyUI pondera las palabras de otro modo, parecido al de a1111"};
inline constexpr Words kNoteWindow{
    "where the face starts and ends is a noise level there, and a fraction of the steps here",
    "el inicio y el fin de la cara son allí un nivel de ruido y aquí una fracción de los pasos"};
// width and height of the file
inline constexpr Words kNoteResized{
    "the file has {0} x {1} pixels: it was resized after it was made",
    "el archivo tiene {0} x {1} píxeles: se redimensionó después de crearla"};
// the model's name
inline constexpr Words kNoteDemo{
    "the model {0} is taken for the demo model; if it is another, give --base",
    "se supone que el modelo {0} es el de la demostración; si es otro, indica --base"};

inline constexpr std::array kAll{
    &kInfoPicture,     &kInfoUnknown,  &kInfoTooLong,        &kInfoCommand,   &kInfoNotes,
    &kNoteField,       &kNoteValue,    &kNoteNearestSampler, &kNoteNoSampler, &kNoteNoCurve,
    &kNoteUnusedCurve, &kNoteFace,     &kNoteNoPerson,       &kNoteInitial,   &kNoteMask,
    &kNotePose,        &kNoteControls, &kNoteEmbedding,      &kNoteNetwork,   &kNoteClipSkip,
    &kNoteNode,        &kNoteBatch,    &kNoteWeights,        &kNoteWindow,    &kNoteResized,
    &kNoteDemo};

}  // namespace semblance::recipe_words

namespace semblance {

inline std::string_view in_language(const Words& words) {
  return language() == Language::kSpanish ? words.spanish : words.english;
}

/// In language(), with the placeholders filled.
template <typename... Args>
std::string filled(const Words& words, const Args&... args) {
  return fmt::format(fmt::runtime(in_language(words)), args...);
}

}  // namespace semblance
