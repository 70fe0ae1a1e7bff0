/* Makes a picture of the person in a photo:
 *   portrait_c MODELS FACE_MODELS PHOTO SETTINGS OUT.png
 * MODELS and SETTINGS are JSON as described in semblance_c.h. In the folder of the demo model:
 *   portrait_c '{"base": "base", "identitynet": "ControlNetModel", "adapter": "ip-adapter.bin"}' \
 *     face-models faces/03.png '{"prompt": "a person in the snow", "seed": 5}' snow.png */
#include <semblance/semblance_c.h>
#include <stdio.h>

static int show_step(void* user, int index, int count) {
  fprintf((FILE*)user, "step %d of %d\n", index, count);
  return 0; /* anything else cancels */
}

static int find_face(const char* models, const char* photo, semblance_person** person) {
  semblance_face_finder* finder = NULL;
  int code = semblance_face_finder_new(models, &finder);
  if (!code) code = semblance_face_finder_largest(finder, photo, person);
  semblance_face_finder_free(finder);
  return code;
}

static int make_picture(semblance_generator* generator, const semblance_person* person,
                        const char* settings, const char* path) {
  char* plan = NULL;
  semblance_generation* generation = NULL;
  semblance_picture* picture = NULL;
  int code = semblance_generator_plan(generator, settings, &plan);
  if (!code) fprintf(stderr, "plan: %s\n", plan);
  if (!code) code = semblance_generator_start(generator, person, settings, NULL, &generation);
  if (!code) code = semblance_generation_run(generation, show_step, stderr);
  if (!code) code = semblance_generation_picture(generation, &picture);
  if (!code) code = semblance_picture_save(picture, path);
  semblance_picture_free(picture);
  semblance_generation_free(generation);
  semblance_free(plan);
  return code;
}

int main(int count, char** words) {
  semblance_person* person = NULL;
  semblance_generator* generator = NULL;
  int code = 0;
  if (count != 6) {
    fputs("portrait_c MODELS FACE_MODELS PHOTO SETTINGS OUT.png\n", stderr);
    return SEMBLANCE_ARGUMENT;
  }
  code = semblance_generator_new(words[1], &generator);
  if (!code) code = find_face(words[2], words[3], &person);
  if (!code) code = make_picture(generator, person, words[4], words[5]);
  if (code)
    fprintf(stderr, "portrait_c: %s\n", semblance_error_text());
  else
    puts(words[5]);
  semblance_person_free(person);
  semblance_generator_free(generator);
  return code;
}
