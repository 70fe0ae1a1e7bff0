/* Semblance for C, and for all that can call C: pictures of a person from one photo and a prompt
 * (InstantID), computed on this machine's processor. semblance.h is the same for C++.
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
 * Errors. A function that returns int returns SEMBLANCE_OK or the code of an error, whose text
 * semblance_error_text() then gives. Beside what each function names, any of them may return
 * SEMBLANCE_ARGUMENT for a NULL where none is allowed, SEMBLANCE_MEMORY, SEMBLANCE_INTERNAL. The
 * exceptions are the functions that only look something up: they say what they return.
 *
 * Ownership. What a function gives through a pointer to a pointer is the caller's: a handle goes
 * back with the _free function of its kind, texts and bytes with semblance_free(). All of them take
 * NULL. After an error such a pointer is NULL. What a function returns as `const` stays with its
 * handle. Handles do not hold each other: each may be freed at any time and in any order, but for
 * the persons of a semblance_people.
 *
 * Threads. A generator, the generations that came from it and a face finder compute on the thread
 * that calls them, which leads a team of threads. One thread at a time may use a generator together
 * with its generations, or a face finder; only semblance_generation_stop() may be called from
 * anywhere at any time before the generation is freed. Persons and pictures that nobody changes may
 * be read by several threads. "threads" and "memory_bytes" are of the whole process: make a
 * generator while nothing else computes, and where memory is limited let one compute at a time.
 * Better let one thread do all of the computing, since each thread that does gets its own team.
 * Meanwhile no other thread may load a shared library (dlopen(), in Python the import of a compiled
 * module): pages of code that nobody uses are dropped between the stages of a picture, and a
 * library whose loading is not over could lose its relocations.
 *
 * All texts are UTF-8 and end in a zero; paths are as the system has them. */
#ifndef SEMBLANCE_SEMBLANCE_C_H
#define SEMBLANCE_SEMBLANCE_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function here changes or goes, not when one comes; it is the library's SOVERSION.
 * Keys of the JSON texts are added, and never change their meaning, under the same number. */
#define SEMBLANCE_ABI 1

/* The SEMBLANCE_ABI that the library was built with: compare it after dlopen() and its like. */
int semblance_abi(void);

/* "semblance 0.1.0". The library's own. */
const char* semblance_version(void);

/* The kinds of errors, as semblance::ErrorKind and the exit codes of the program. */
enum {
  SEMBLANCE_OK = 0,
  SEMBLANCE_ARGUMENT = 2,    /* the request itself is wrong */
  SEMBLANCE_MISSING = 3,     /* a file, a tensor or a face is not there */
  SEMBLANCE_CORRUPT = 4,     /* a file is there, but is not what it says it is */
  SEMBLANCE_SHAPE = 5,       /* tensors do not fit each other or their config */
  SEMBLANCE_MEMORY = 6,      /* there is not enough memory */
  SEMBLANCE_DEVICE = 7,      /* the disk, the processor or another device failed */
  SEMBLANCE_INTERNAL = 70,   /* a bug of semblance */
  SEMBLANCE_CANCELLED = 130, /* semblance_generation_stop(), or a step callback */
};

/* What was being done, the rule, what came, and what to do, of the last error on the calling
 * thread; "" before the first. Valid until the thread's next call that ends in an error. */
const char* semblance_error_text(void);

/* Gives back a text or bytes that a function here has given. Takes NULL. */
void semblance_free(void* text_or_bytes);

/* A face: whose it is, and where it stands in its frame. */
typedef struct semblance_person semblance_person;

/* From a file written by semblance_person_save() or by `semblance face --save`. SEMBLANCE_MISSING,
 * SEMBLANCE_CORRUPT, SEMBLANCE_DEVICE. */
int semblance_person_load(const char* path, semblance_person** person);
/* From the text of such a file:
 *   {"embedding": [512 numbers], "keypoints": [[x, y] x 5], "image_size": [w, h],
 *    "score": s, "box": [left, top, right, bottom]}
 * in pixels of a frame of image_size; score and box may be absent. SEMBLANCE_MISSING for a key,
 * SEMBLANCE_CORRUPT. */
int semblance_person_from_json(const char* json, semblance_person** person);
/* The file can be read by its owner alone, and appears whole or not at all. SEMBLANCE_DEVICE,
 * SEMBLANCE_MISSING for its folder. */
int semblance_person_save(const semblance_person* person, const char* path);
/* The text that semblance_person_from_json() takes, to the same bits. */
int semblance_person_to_json(const semblance_person* person, char** json);
void semblance_person_free(semblance_person* person);

/* The people on a photo, the largest face first. */
typedef struct semblance_people semblance_people;

/* 0 for NULL. */
size_t semblance_people_count(const semblance_people* people);
/* NULL where there is none. Valid as long as `people`, and never freed by itself. */
const semblance_person* semblance_people_at(const semblance_people* people, size_t index);
void semblance_people_free(semblance_people* people);

/* Finds faces in photos with insightface's models, which are opened with the first photo. */
typedef struct semblance_face_finder semblance_face_finder;

/* `folder`: one such as antelopev2 or buffalo_l. */
int semblance_face_finder_new(const char* folder, semblance_face_finder** finder);
int semblance_face_finder_new_from_files(const char* detector, const char* recogniser,
                                         semblance_face_finder** finder);
/* All faces of a photo (JPEG, PNG or WebP), which may be none. The photo is resized as the
 * published scripts do, so that frames have a long side of 1280. SEMBLANCE_MISSING for the photo or
 * the models, SEMBLANCE_ARGUMENT for a file that is no picture, SEMBLANCE_CORRUPT, SEMBLANCE_SHAPE,
 * SEMBLANCE_DEVICE. */
int semblance_face_finder_all(semblance_face_finder* finder, const char* path,
                              semblance_people** people);
/* The same of `length` bytes of such a file, which are not kept. */
int semblance_face_finder_all_in_memory(semblance_face_finder* finder, const void* photo,
                                        size_t length, semblance_people** people);
/* The largest face of a photo. As above, and SEMBLANCE_MISSING when there is none. */
int semblance_face_finder_largest(semblance_face_finder* finder, const char* path,
                                  semblance_person** person);
int semblance_face_finder_largest_in_memory(semblance_face_finder* finder, const void* photo,
                                            size_t length, semblance_person** person);
void semblance_face_finder_free(semblance_face_finder* finder);

/* The models, opened and audited; weights are read while pictures are made. */
typedef struct semblance_generator semblance_generator;
/* One picture on its way. */
typedef struct semblance_generation semblance_generation;
/* A picture, 8 bits for each of red, green and blue. */
typedef struct semblance_picture semblance_picture;

/* `models`: a JSON object of
 *   "base"            path of the diffusers folder of an SDXL
 *   "identitynet"     path of InstantID's ControlNetModel
 *   "adapter"         path of InstantID's ip-adapter.bin
 * and, where wanted,
 *   "precision"       "auto", "f32" or "bf16"; auto: bf16 where the processor computes it natively
 *   "threads"         of the whole process, 1 to 1024; 0: one for each processor core
 *   "memory_bytes"    the most that the whole process may hold while a picture is made; 0: no
 *                     limit. The picture is the same, with less it takes longer.
 *   "scratch_folder"  path of the folder for what does not fit in memory meanwhile
 * SEMBLANCE_ARGUMENT for any other key or value, SEMBLANCE_MISSING, SEMBLANCE_CORRUPT,
 * SEMBLANCE_SHAPE, SEMBLANCE_DEVICE. */
int semblance_generator_new(const char* models, semblance_generator** generator);
/* Side in pixels of the square that the model was made for, 1024 for SDXL; 0 for NULL. */
int semblance_generator_native_side(const semblance_generator* generator);
/* What a picture with these settings will take, as a JSON object: "fits" (true or false),
 * "peak_bytes" of the process, 0 where it does not fit, "minimum_bytes" (the smallest
 * "memory_bytes" that fits), "scratch_bytes" on disk, "seconds" of it all, "step_seconds".
 * `settings` as below; without a size it is planned at the native side. Takes seconds where memory
 * is short. SEMBLANCE_ARGUMENT. */
int semblance_generator_plan(const semblance_generator* generator, const char* settings,
                             char** plan);
/* Encodes the prompts and the face, which reads gigabytes where the models are large. `settings`: a
 * JSON object with "prompt" and any of
 *   "negative_prompt"    absent and "" give different pictures
 *   "width", "height"    pixels, multiples of 8 from 8 to 8192; absent: the frame's shape at the
 *                        model's own area
 *   "steps"              1 to 1000; 30
 *   "guidance"           0 to 100, at 1 and below none, half the work; absent: the model's own
 *   "identity_strength", "adapter_strength"    0 to 5; 0.8
 *   "identity_start", "identity_end"           fractions of the steps; 0 and 1
 *   "seed"               a whole number of 64 bits; 0
 *   "vae_tiling"         true: decode in blended tiles, as diffusers' enable_vae_tiling
 *   "clip_skip"          0 to 11 layers of the text encoders; 0
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
 * null is the same as absent. The face stands where `pose` has it, or where `person` has it when
 * `pose` is NULL. Neither is kept. SEMBLANCE_ARGUMENT for any other key or value, SEMBLANCE_MEMORY
 * where it does not fit in "memory_bytes", SEMBLANCE_CORRUPT, SEMBLANCE_DEVICE. */
int semblance_generator_start(semblance_generator* generator, const semblance_person* person,
                              const char* settings, const semblance_person* pose,
                              semblance_generation** generation);
/* Goes on with a file of semblance_generation_save() or `semblance generate`. SEMBLANCE_ARGUMENT
 * when it was begun with other models, another precision or number of threads, SEMBLANCE_MISSING,
 * SEMBLANCE_CORRUPT, and as above. */
int semblance_generator_resume(semblance_generator* generator, const char* path,
                               semblance_generation** generation);
/* Generations that came from it stay as they are. */
void semblance_generator_free(semblance_generator* generator);

/* Steps that are done, and steps there are; 0 for NULL. */
int semblance_generation_step(const semblance_generation* generation);
int semblance_generation_count(const semblance_generation* generation);
/* What was asked for and the picture will not have, as a JSON list of English texts. */
int semblance_generation_warnings(const semblance_generation* generation, char** warnings);

/* Called after a step on the thread that computes, with that step's number from 1 and how many
 * there are. Returns 0 to go on; anything else cancels the generation. It may look at the
 * generation, save it and take its picture, but not free it. */
typedef int (*semblance_step_callback)(void* user, int index, int count);

/* Computes the steps that are left. `on_step` may be NULL; `user` is what it gets.
 * SEMBLANCE_CANCELLED, SEMBLANCE_MEMORY when the machine has become too tight, SEMBLANCE_CORRUPT
 * and SEMBLANCE_DEVICE for files that fail meanwhile. But for a cancelled one, it may be called
 * again when the cause is gone, and goes on with the step that failed. */
int semblance_generation_run(semblance_generation* generation, semblance_step_callback on_step,
                             void* user);
/* Computes one step. *computed is 1, or 0 when there was none left. Errors as above. */
int semblance_generation_next(semblance_generation* generation, int* computed);
/* The picture as it is now: after the last step the result, before that a preview. Errors as above.
 */
int semblance_generation_picture(semblance_generation* generation, semblance_picture** picture);
/* Writes what semblance_generator_resume() goes on from, to the same picture bit for bit. The file
 * appears whole or not at all. Works after an error and after a cancel, too. SEMBLANCE_DEVICE,
 * SEMBLANCE_MISSING for its folder. */
int semblance_generation_save(const semblance_generation* generation, const char* path);
/* Ends what is being computed with SEMBLANCE_CANCELLED, and all that would come later. From any
 * thread. Takes NULL. */
void semblance_generation_stop(semblance_generation* generation);
void semblance_generation_free(semblance_generation* generation);

/* Pixels; 0 for NULL. */
int semblance_picture_width(const semblance_picture* picture);
int semblance_picture_height(const semblance_picture* picture);
/* width * height * 3 bytes: red, green, blue, row by row from the top left. NULL for NULL. */
const unsigned char* semblance_picture_rgb(const semblance_picture* picture);
/* How it was made, in the convention of the AUTOMATIC1111 web UI. Valid until the next call sets
 * another. NULL for NULL. */
const char* semblance_picture_parameters(const semblance_picture* picture);
/* Files of the picture will carry this text; none where it is "". */
int semblance_picture_set_parameters(semblance_picture* picture, const char* parameters);

enum { SEMBLANCE_PNG = 0, SEMBLANCE_JPEG = 1, SEMBLANCE_WEBP = 2 };

/* The bytes of a picture file. SEMBLANCE_ARGUMENT for another `format`, and for a picture or a text
 * too large for it. */
int semblance_picture_encode(const semblance_picture* picture, int format, unsigned char** bytes,
                             size_t* length);
/* By the name's end: .png, .jpg or .webp. The file appears whole or not at all. SEMBLANCE_ARGUMENT
 * for another name, SEMBLANCE_DEVICE, SEMBLANCE_MISSING for its folder. */
int semblance_picture_save(const semblance_picture* picture, const char* path);
void semblance_picture_free(semblance_picture* picture);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
