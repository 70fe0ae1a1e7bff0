/* The Semblance library for C and every language that can call C: makes pictures of a person from
 * one photo and a prompt (InstantID) on this machine's processor. semblance.h is the same for C++.
 *
 *   semblance_generator* generator = NULL;
 *   semblance_person* person = NULL;
 *   semblance_generation* generation = NULL;
 *   semblance_picture* picture = NULL;
 *   if (semblance_generator_new("{\"base\": \"sdxl\", \"identitynet\": \"ControlNetModel\","
 *                               " \"adapter\": \"ip-adapter.bin\"}", &generator) ||
 *       semblance_person_load("me.json", &person) ||
 *       semblance_generator_start(generator, person, "{\"prompt\": \"a man in the snow\"}", NULL,
 *                                 &generation) ||
 *       semblance_generation_run(generation, NULL, NULL) ||
 *       semblance_generation_picture(generation, &picture) ||
 *       semblance_picture_save(picture, "snow.png"))
 *     fprintf(stderr, "%s\n", semblance_error_text());
 *
 * Errors. A function that returns int returns SEMBLANCE_OK or an error code;
 * semblance_error_text() then gives the text. Besides the codes listed for each function, any may
 * return SEMBLANCE_ARGUMENT for a NULL that is not allowed, SEMBLANCE_MEMORY and
 * SEMBLANCE_INTERNAL. Getters are the exception: they say what they return.
 *
 * Ownership. The caller owns what a function returns through a pointer to a pointer. Free a handle
 * with the _free function of its type, texts and bytes with semblance_free(). All of them accept
 * NULL. After an error such a pointer is NULL. What a function returns as `const` belongs to its
 * handle. Handles do not refer to each other: free them at any time and in any order, except the
 * persons of a semblance_people.
 *
 * Threads. A generator, its generations and a face finder compute on the calling thread, which
 * leads a team of threads. Use a generator together with its generations, or a face finder, from
 * one thread at a time; only semblance_generation_stop() may be called from any thread at any time
 * before the generation is freed. Several threads may read persons and pictures that none changes.
 * "threads" and "memory_bytes" apply to the whole process: create a generator while nothing else
 * computes, and if memory is limited, let only one compute at a time. Preferably, one thread does
 * all the computing, since each computing thread gets its own team. During a computation, no other
 * thread may load a shared library (dlopen(), in Python the import of a compiled module): unused
 * pages of code are dropped between the stages of a picture, and a library that is still being
 * loaded could lose its relocations.
 *
 * All texts are zero-terminated UTF-8; paths are passed to the system unchanged. */
#ifndef SEMBLANCE_SEMBLANCE_C_H
#define SEMBLANCE_SEMBLANCE_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function is changed or removed, not when one is added; it is the library's
 * SOVERSION. Under the same number, JSON keys may be added but never change their meaning. */
#define SEMBLANCE_ABI 1

/* The SEMBLANCE_ABI that the library was built with: compare it after dlopen() or similar. */
int semblance_abi(void);

/* "semblance 0.1.0". Owned by the library. */
const char* semblance_version(void);

/* The kinds of errors: the same values as semblance::ErrorKind and the program's exit codes. */
enum {
  SEMBLANCE_OK = 0,
  SEMBLANCE_ARGUMENT = 2,    /* the request itself is wrong */
  SEMBLANCE_MISSING = 3,     /* a file, a tensor or a face is missing */
  SEMBLANCE_CORRUPT = 4,     /* a file is damaged or not what it claims to be */
  SEMBLANCE_SHAPE = 5,       /* tensors do not match each other or their config */
  SEMBLANCE_MEMORY = 6,      /* not enough memory */
  SEMBLANCE_DEVICE = 7,      /* the disk, the processor or another device failed */
  SEMBLANCE_INTERNAL = 70,   /* a bug in semblance */
  SEMBLANCE_CANCELLED = 130, /* semblance_generation_stop(), or a step callback */
};

/* The text of the calling thread's last error: what was being done, the rule, what was given, and
 * what to do; "" before the first. Valid until the thread's next call that fails. */
const char* semblance_error_text(void);

/* Frees a text or bytes returned by a function here. Accepts NULL. */
void semblance_free(void* text_or_bytes);

/* A face: its identity, and its position in a frame. */
typedef struct semblance_person semblance_person;

/* From a file written by semblance_person_save() or by `semblance face --save`. SEMBLANCE_MISSING,
 * SEMBLANCE_CORRUPT, SEMBLANCE_DEVICE. */
int semblance_person_load(const char* path, semblance_person** person);
/* From the text of such a file:
 *   {"embedding": [512 numbers], "keypoints": [[x, y] x 5], "image_size": [w, h],
 *    "score": s, "box": [left, top, right, bottom], "other_embeddings": [[512 numbers], ...]}
 * in pixels of a frame of image_size; score, box and the embeddings of further photos may be
 * absent. SEMBLANCE_MISSING for a missing key, SEMBLANCE_CORRUPT. */
int semblance_person_from_json(const char* json, semblance_person** person);
/* Only its owner can read the file. Never leaves a partial file. SEMBLANCE_DEVICE,
 * SEMBLANCE_MISSING for a missing folder. */
int semblance_person_save(const semblance_person* person, const char* path);
/* One person from `count` photos, placed as in the first. SEMBLANCE_ARGUMENT for no photo, more
 * than 16, or a photo of somebody else, which the text names by its number from 1. The photos may
 * be freed afterwards. */
int semblance_person_join(const semblance_person* const* photos, size_t count,
                          semblance_person** person);
/* How alike two persons are: the cosine of their embeddings, -1 to 1. */
int semblance_person_likeness(const semblance_person* a, const semblance_person* b,
                              double* likeness);
/* The text for semblance_person_from_json(). Keeps every bit. */
int semblance_person_to_json(const semblance_person* person, char** json);
void semblance_person_free(semblance_person* person);

/* The people in a photo, the largest face first. */
typedef struct semblance_people semblance_people;

/* 0 for NULL. */
size_t semblance_people_count(const semblance_people* people);
/* NULL if there is none. Valid as long as `people`; do not free it. */
const semblance_person* semblance_people_at(const semblance_people* people, size_t index);
void semblance_people_free(semblance_people* people);

/* Finds faces in photos with insightface's models. Opens the models for the first photo. */
typedef struct semblance_face_finder semblance_face_finder;

/* `folder`: such as antelopev2 or buffalo_l. */
int semblance_face_finder_new(const char* folder, semblance_face_finder** finder);
int semblance_face_finder_new_from_files(const char* detector, const char* recogniser,
                                         semblance_face_finder** finder);
/* All faces of a photo (JPEG, PNG or WebP), possibly none. The photo is resized as in the published
 * scripts, so the long side of frames is 1280. SEMBLANCE_MISSING for the photo or the models,
 * SEMBLANCE_ARGUMENT for a file that is not an image, SEMBLANCE_CORRUPT, SEMBLANCE_SHAPE,
 * SEMBLANCE_DEVICE. */
int semblance_face_finder_all(semblance_face_finder* finder, const char* path,
                              semblance_people** people);
/* The same from the `length` bytes of such a file; no copy of them is kept. */
int semblance_face_finder_all_in_memory(semblance_face_finder* finder, const void* photo,
                                        size_t length, semblance_people** people);
/* The largest face of a photo. As above, and SEMBLANCE_MISSING if there is none. */
int semblance_face_finder_largest(semblance_face_finder* finder, const char* path,
                                  semblance_person** person);
int semblance_face_finder_largest_in_memory(semblance_face_finder* finder, const void* photo,
                                            size_t length, semblance_person** person);
void semblance_face_finder_free(semblance_face_finder* finder);

/* The models, opened and checked; weights are read while pictures are made. */
typedef struct semblance_generator semblance_generator;
/* One picture in progress. */
typedef struct semblance_generation semblance_generation;
/* A picture, 8 bits each for red, green and blue. */
typedef struct semblance_picture semblance_picture;

/* `models`: a JSON object of
 *   "base"            path of the diffusers folder of an SDXL, or of one file
 *   "identitynet"     path of InstantID's ControlNetModel
 *   "adapter"         path of InstantID's ip-adapter.bin
 * and optionally
 *   "precision"       "auto", "f32" or "bf16"; auto: bf16 if the processor supports it natively,
 *                     f16 on a graphics card that stores it
 *   "threads"         of the whole process, 1 to 1024; 0: one for each processor core
 *   "memory_bytes"    the most memory that the whole process may hold while it makes a picture; 0:
 *                     no limit. Less memory takes longer but gives the same picture.
 *   "device"          where models are computed: "cpu" (the default); "gpu", the best graphics
 * card; "gpu:1" or "gpu:NAME", one of those that `semblance gpu` lists; "auto", a discrete card,
 * else an integrated one that computes faster than the processor, else the processor
 *   "gpu_memory_bytes"
 *                     the most memory of the card to use; 0: 80 % of what is free
 *   "scratch_folder"  path of the folder for temporary data that does not fit in memory
 *   "embeddings"      paths of textual inversions; their words are the files' names
 *   "styles"          path of a file of styles beside the built-in ones
 *   "wildcards"       path of the folder of files for __name__ in prompts
 *   "lora_folder"     path of the folder in which LoRAs are looked up by name; absent: loras beside
 *                     the base model, then semblance/loras in XDG_DATA_HOME or ~/.local/share
 *   "control_folder"  the same of ControlNets, controlnet in place of loras
 *   "unet", "vae", "text_encoders"
 *                     paths of what is used in place of the base's: a UNet in one file; a VAE in
 * one file or a diffusers folder; a file with one or both encoders, or a folder SEMBLANCE_ARGUMENT
 * for any other key or value, SEMBLANCE_MISSING, SEMBLANCE_CORRUPT, SEMBLANCE_SHAPE,
 * SEMBLANCE_DEVICE. */
int semblance_generator_new(const char* models, semblance_generator** generator);
/* Side in pixels of the square that the model was trained for, 1024 for SDXL; 0 for NULL. */
int semblance_generator_native_side(const semblance_generator* generator);
/* What a picture with these settings will need, as a JSON object: "fits" (true or false),
 * "peak_bytes" of the process (0 if it does not fit), "minimum_bytes" (the smallest "memory_bytes"
 * that fits), "minimum_gpu_bytes" (the smallest "gpu_memory_bytes" that fits; 0 without a card that
 * has its own memory), "scratch_bytes" on disk, "seconds" in total, "step_seconds". `settings` as
 * below; without a size it is planned at the native side. Takes seconds if memory is short.
 * SEMBLANCE_ARGUMENT. */
int semblance_generator_plan(const semblance_generator* generator, const char* settings,
                             char** plan);
/* Encodes the prompts and the face, which reads gigabytes if the models are large. `settings`: a
 * JSON object with "prompt" and any of
 *   "negative_prompt"    absent and "" give different pictures
 *   "style"              "Film Noir", ..., or one of the file of styles; absent: none
 *   "width", "height"    pixels, multiples of 8 from 8 to 8192; absent: the frame's shape at the
 *                        model's native area
 *   "steps"              1 to 1000; 30, or what a model or LoRA for few steps asks for
 *   "guidance"           0 to 100, none at 1 and below (half the work); absent: the model's own
 *   "combine"            several photos of the person: "average" (the default), "norm_average",
 *                        "concat" or "sequence"
 *   "identity_strength", "adapter_strength"    0 to 5; 0.8
 *   "identity_start", "identity_end"           fractions of the steps; 0 and 1
 *   "adapter_start", "adapter_end"             likewise
 *   "no_keypoints"       true: IdentityNet sees no position, the face may be anywhere; false
 *   "identity_noise"     0 to 1, noise in place of guidance's empty face; 0
 *   "view"               of the face: "front", "three-quarter-left", "three-quarter-right",
 *                        "profile-left", "profile-right", "up", "down", "tilt-left", "tilt-right"
 *   "framing"            places the face: "close-up", "bust" or "half"
 *   "region_mask"        true: the person only in the box of the face; false
 *   "people"             several people, at most 8: texts, each a JSON object (docs/people.md)
 *   "seed"               a whole number of 64 bits; 0
 *   "loras"              texts "FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]", at most 16; a path has a slash
 *   "controls"           ControlNets beside IdentityNet, at most 8: texts
 *                        "model=FILE|DIR|NAME,image=FILE,strength=0.4,start=0,end=1,
 *                        prepare=none|canny,type=..." without breaks; a model's path has a slash
 *   "vae_tiling"         true: decode in blended tiles, as diffusers' enable_vae_tiling
 *   "encoding"           of prompts: "auto", "plain", "weighted" or "a1111"; "auto"
 *   "clip_skip"          0 to 11 layers of the text encoders; 0
 *   "guidance_end"       0 to 1, fraction of the steps; guidance is off after it; 1, or what a LoRA
 *                        for few steps asks for
 *   "reuse"              1 to 20 steps that share deep features (DeepCache); 1
 *   "perturbed_guidance" 0 to 20, perturbed attention guidance; 0
 *   "strength"           0 to 1, with a picture to start from; 0.8
 *   "mask_blur"          with a mask, as the next three: 0 to 64 pixels; 4
 *   "inpaint_area"       "whole", or "masked": compute its surroundings alone, enlarged; "whole"
 *   "inpaint_padding"    0 to 256 pixels of these surroundings; 32
 *   "masked_content"     "original", "noise" or "fill": what the repainted part begins with;
 *                        "original"
 *   "extend_left", "extend_top", "extend_right", "extend_bottom"
 *                        0 to 4096 pixels, multiples of 8: painted beside the picture to start
 *                        from; 0
 *   "refine_faces"       "auto", "on" or "off": for semblance_generation_refined_picture(); "auto"
 *   "hires"              1 to 4: how much larger a second pass makes the picture; 1
 *   "hires_strength"     0 to 1: how much that pass makes anew; 0.4
 *   "freeu"              true or false; false
 *   "fast"               true or false: with the LCM-LoRA, in 6 steps; false
 *   "quality"            "draft", "good" or "best"; as "steps" says
 *   "scheduler"          the sampler: "euler", "dpmpp_2m", ...; absent: the model's own
 *   "sigmas"             noise levels: "default", "karras", "exponential", "beta", ...
 *   "spacing"            of timesteps: "leading", "trailing" or "linspace"
 *   "prediction"         "epsilon" or "v"; these three absent: the model's own
 *   "zero_snr"           true: as diffusers' rescale_betas_zero_snr
 *   "eta"                0 to 1, new noise in each step of DDIM and TCD; 0
 *   "guidance_rescale"   0 to 1; 0
 *   "noise"              as "cpu", "cuda", "a1111-gpu", "a1111-cpu", "comfy", "comfy-cpu"; "cpu"
 *   "noise_picture", "noise_batch"    which picture of a batch of how many; 0, and
 *                        absent: up to that picture
 * null is the same as absent. The face is placed as in `pose`, or as in `person` if `pose` is NULL.
 * Both may be freed afterwards. SEMBLANCE_ARGUMENT for any other key or value, SEMBLANCE_MEMORY if
 * it does not fit in "memory_bytes", SEMBLANCE_CORRUPT, SEMBLANCE_DEVICE. */
int semblance_generator_start(semblance_generator* generator, const semblance_person* person,
                              const char* settings, const semblance_person* pose,
                              semblance_generation** generation);
/* The same from a picture file in memory (JPEG, PNG or WebP) instead of noise. Its size, floored to
 * multiples of 8, is the default. `mask`: another of its size, white where the picture is
 * repainted, while all other pixels stay as they are; NULL to redraw all of it. */
int semblance_generator_start_from(semblance_generator* generator, const semblance_person* person,
                                   const char* settings, const semblance_person* pose,
                                   const void* picture, size_t length, const void* mask,
                                   size_t mask_length, semblance_generation** generation);
/* Resumes from a file written by semblance_generation_save() or `semblance generate`.
 * SEMBLANCE_ARGUMENT if it was started with other models, precision or thread count,
 * SEMBLANCE_MISSING, SEMBLANCE_CORRUPT, and as above. */
int semblance_generator_resume(semblance_generator* generator, const char* path,
                               semblance_generation** generation);
/* The same for a run with a mask, which needs both files again. */
int semblance_generator_resume_from(semblance_generator* generator, const char* path,
                                    const void* picture, size_t length, const void* mask,
                                    size_t mask_length, semblance_generation** generation);
/* Its generations remain usable. */
void semblance_generator_free(semblance_generator* generator);

/* Steps done, and steps in total; 0 for NULL. */
int semblance_generation_step(const semblance_generation* generation);
int semblance_generation_count(const semblance_generation* generation);
/* Requested features that the picture will lack, as a JSON list of English texts. */
int semblance_generation_warnings(const semblance_generation* generation, char** warnings);

/* Called after each step on the computing thread, with the step's number from 1 and the number of
 * steps. Returns 0 to continue; anything else cancels the generation. It may read and save the
 * generation and get its picture, but not free it. */
typedef int (*semblance_step_callback)(void* user, int index, int count);

/* Computes the remaining steps. `on_step` may be NULL; `user` is passed to it.
 * SEMBLANCE_CANCELLED, SEMBLANCE_MEMORY if the machine has run short of memory, SEMBLANCE_CORRUPT
 * and SEMBLANCE_DEVICE for files that fail meanwhile. Unless it was cancelled, call it again once
 * the cause is removed: it continues with the step that failed. */
int semblance_generation_run(semblance_generation* generation, semblance_step_callback on_step,
                             void* user);
/* Computes one step. *computed is 1, or 0 if none was left. Errors as above. */
int semblance_generation_next(semblance_generation* generation, int* computed);
/* The current picture: the result after the last step, a preview before that. Errors as above. */
int semblance_generation_picture(semblance_generation* generation, semblance_picture** picture);
/* The finished picture after a second pass over its face, if it is to have one ("refine_faces"),
 * which takes more steps and is stopped like them; else as above. */
int semblance_generation_refined_picture(semblance_generation* generation,
                                         semblance_face_finder* finder,
                                         semblance_picture** picture);
/* Writes the state for semblance_generator_resume(), which then makes the same picture bit for bit.
 * Never leaves a partial file. Also works after an error or a cancellation. SEMBLANCE_DEVICE,
 * SEMBLANCE_MISSING for a missing folder. */
int semblance_generation_save(const semblance_generation* generation, const char* path);
/* Ends the current and all later computations with SEMBLANCE_CANCELLED. Call it from any thread.
 * Accepts NULL. */
void semblance_generation_stop(semblance_generation* generation);
void semblance_generation_free(semblance_generation* generation);

/* Pixels; 0 for NULL. */
int semblance_picture_width(const semblance_picture* picture);
int semblance_picture_height(const semblance_picture* picture);
/* width * height * 3 bytes: red, green, blue, row by row from the top left. NULL for NULL. */
const unsigned char* semblance_picture_rgb(const semblance_picture* picture);
/* How it was made, in the format of the AUTOMATIC1111 web UI. Valid until it is set again. NULL for
 * NULL. */
const char* semblance_picture_parameters(const semblance_picture* picture);
/* Sets the text written to files of the picture; "" writes none. */
int semblance_picture_set_parameters(semblance_picture* picture, const char* parameters);

enum { SEMBLANCE_PNG = 0, SEMBLANCE_JPEG = 1, SEMBLANCE_WEBP = 2 };

/* The bytes of a picture file. SEMBLANCE_ARGUMENT for an unknown `format`, and for a picture or a
 * text too large for it. */
int semblance_picture_encode(const semblance_picture* picture, int format, unsigned char** bytes,
                             size_t* length);
/* The name's ending selects the format: .png, .jpg or .webp. Never leaves a partial file.
 * SEMBLANCE_ARGUMENT for another ending, SEMBLANCE_DEVICE, SEMBLANCE_MISSING for a missing folder.
 */
int semblance_picture_save(const semblance_picture* picture, const char* path);
/* How alike the largest face of a picture is to the person, -1 to 1: the cosine of the embeddings.
 * SEMBLANCE_MISSING if it shows no face. */
int semblance_face_finder_likeness(semblance_face_finder* finder, const semblance_picture* picture,
                                   const semblance_person* person, double* likeness);
void semblance_picture_free(semblance_picture* picture);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
