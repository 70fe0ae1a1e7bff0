// The Semblance library: makes pictures of a person from photos and a prompt (InstantID) on this
// machine's processor.
//
//   semblance::Person person = semblance::FaceFinder("antelopev2").largest("me.jpg");
//   semblance::Generator generator({.base = "sdxl", .identitynet = "ControlNetModel",
//                                   .adapter = "ip-adapter.bin"});
//   semblance::Generation generation = generator.start(person, {.prompt = "a man in the snow"});
//   for (const semblance::Step& step : generation.steps()) show(step.index, step.count);
//   generation.picture().save("snow.png");
//
// Functions throw only semblance::Error and std::bad_alloc. Paths are passed to the system
// unchanged, texts are UTF-8. This header needs only the standard library; semblance_c.h is the
// same for C.
//
// Threads. A Generator, its Generations and a FaceFinder compute on the calling thread, which leads
// a team of threads. Use a Generator together with its Generations, or a FaceFinder, from one
// thread at a time; only Generation::stop() may be called from any thread. All other types are
// plain values. Models::threads and memory_bytes apply to the whole process: create a Generator
// while nothing else computes, and if memory is limited, let only one compute at a time.
// Preferably, one thread does all the computing, since each computing thread gets its own team.
// During a computation, no other thread may load a shared library (dlopen): unused pages of code
// are dropped between the stages of a picture, and a library that is still being loaded could lose
// its relocations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {
// The version keeps these names apart from those of the library's own sources; users write
// semblance::X. It is raised when the layout of a type changes, so that a program built with an
// older header fails to start instead of misreading data.
#ifndef SEMBLANCE_IMPLEMENTATION
inline
#endif
    namespace v1 {

/// The values are the program's exit codes.
enum class ErrorKind {
  kArgument = 2,     // the request itself is wrong
  kMissing = 3,      // a file, a tensor or a face is missing
  kCorrupt = 4,      // a file is damaged or not what it claims to be
  kShape = 5,        // tensors do not match each other or their config
  kMemory = 6,       // not enough memory
  kDevice = 7,       // the disk, the processor or another device failed
  kInternal = 70,    // a bug in semblance
  kCancelled = 130,  // Generation::stop() was called
};

/// what() says what was being done, the rule, what was given, and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// A face: its identity, and its position in a frame.
struct Person {
  std::vector<float> embedding = {};  // 512 numbers from the recogniser
  /// The same person's in further photos, at most 15 (Settings::combine); all else is of the first.
  std::vector<std::vector<float>> other_embeddings = {};
  std::array<std::array<float, 2>, 5> keypoints =
      {};               // eyes, nose, corners of the mouth, left first
  int frame_width = 0;  // pixels; keypoints and box are relative to it
  int frame_height = 0;
  float score = 0;                // the detector's, 0 to 1
  std::array<float, 4> box = {};  // left, top, right, bottom

  /// One person from several photos, placed as in the first. Throws Error(kArgument) for none, more
  /// than 16, and a photo of somebody else, which its text names by its number from 1.
  static Person join(std::span<const Person> photos);
  /// How alike two persons are: the cosine of their embeddings, -1 to 1.
  double likeness(const Person& other) const;
  /// From a file written by save() or by `semblance face --save`.
  static Person load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;
  /// From the text of such a file, and back. Keeps every bit.
  static Person from_json(std::string_view text);
  std::string to_json() const;
};

struct Picture;

/// Finds faces in photos with insightface's models.
class FaceFinder {
 public:
  /// `folder`: such as antelopev2 or buffalo_l.
  explicit FaceFinder(const std::filesystem::path& folder);
  FaceFinder(const std::filesystem::path& detector, const std::filesystem::path& recogniser);
  FaceFinder(FaceFinder&&) noexcept;
  FaceFinder& operator=(FaceFinder&&) noexcept;
  ~FaceFinder();

  /// All faces of a photo (JPEG, PNG or WebP), the largest first. The photo is resized as in the
  /// published scripts, so the long side of frames is 1280.
  std::vector<Person> all(const std::filesystem::path& photo);
  /// The same from the bytes of such a file.
  std::vector<Person> all(std::span<const std::byte> photo);
  /// How alike the largest face of a picture is to the person, -1 to 1: the cosine of the
  /// embeddings. Absent if it shows no face.
  std::optional<double> likeness(const Picture& picture, const Person& person);
  /// The largest face. Throws Error(kMissing) if there is none.
  Person largest(const std::filesystem::path& photo);
  Person largest(std::span<const std::byte> photo);

 private:
  struct State;
  std::unique_ptr<State> state_;
  friend class Generation;
};

enum class PictureFormat { kPng, kJpeg, kWebp };

struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb = {};  // [height, width, 3]
  /// How it was made, in the format of the AUTOMATIC1111 web UI; clear it to omit it from files.
  std::string parameters = {};

  /// The name's ending selects the format: .png, .jpg or .webp. Never leaves a partial file.
  void save(const std::filesystem::path& path) const;
  /// The bytes of such a file.
  std::vector<std::byte> encode(PictureFormat format) const;
};

/// auto: bf16 if the processor supports it natively; f16 on a graphics card that stores it.
enum class Precision { kAuto, kF32, kBF16 };

struct Models {
  std::filesystem::path base = {};                     // diffusers folder of an SDXL, or one file
  std::filesystem::path identitynet = {};              // InstantID's ControlNetModel
  std::filesystem::path adapter = {};                  // InstantID's ip-adapter.bin
  std::vector<std::filesystem::path> embeddings = {};  // textual inversions; words are their names
  Precision precision = Precision::kAuto;
  int threads = 0;  // of the whole process; 0: one for each processor core
  /// The most memory that the whole process may hold while it makes a picture; 0: no limit. Less
  /// memory takes longer but gives the same picture.
  std::uint64_t memory_bytes = 0;
  /// Where models are computed: "cpu"; "gpu", the best graphics card; "gpu:1" or "gpu:NAME", one of
  /// those that `semblance gpu` lists; "auto", a discrete card, else an integrated one that
  /// computes faster than the processor, else the processor.
  std::string device = "cpu";
  /// The most memory of the card to use; 0: 80 % of what is free.
  std::uint64_t gpu_memory_bytes = 0;
  /// The folder for temporary data that does not fit in memory; empty: the first of TMPDIR,
  /// /var/tmp and /tmp that is on a disk.
  std::filesystem::path scratch_folder = {};
  /// Where LoRAs are looked up by name; empty: loras beside the base model, then semblance/loras in
  /// XDG_DATA_HOME or ~/.local/share.
  std::filesystem::path lora_folder = {};
  /// Where ControlNets are looked up by name; empty: controlnet beside the base model, then
  /// semblance/controlnet in XDG_DATA_HOME or ~/.local/share.
  std::filesystem::path control_folder = {};
  // In place of the base's; empty: the base's.
  std::filesystem::path unet = {};           // one file
  std::filesystem::path vae = {};            // one file, or a diffusers folder
  std::filesystem::path text_encoders = {};  // one file with one or both, or a folder
  std::filesystem::path styles = {};         // file of styles beside the built-in ones
  std::filesystem::path wildcards = {};      // folder of files for __name__ in prompts
};

/// The memory and time that a picture will need.
struct Plan {
  bool fits = true;                 // in Models::memory_bytes
  std::uint64_t peak_bytes = 0;     // of the process; 0 if it does not fit
  std::uint64_t minimum_bytes = 0;  // the smallest Models::memory_bytes that fits
  /// The smallest Models::gpu_memory_bytes that fits; 0 without a card that has its own memory.
  std::uint64_t minimum_gpu_bytes = 0;
  std::uint64_t scratch_bytes = 0;  // on disk
  double seconds = 0;               // all steps, encoding and decoding
  double step_seconds = 0;
};

struct Settings {
  std::string prompt = {};
  std::optional<std::string> negative = {};  // absent and "" give different pictures
  std::optional<std::string> style = {};     // "Film Noir", ..., or one of Models::styles
  int width = 0;  // multiples of 8; 0: the frame's shape at the model's native area
  int height = 0;
  std::optional<int> steps = {};  // absent: 30, or what a model or LoRA for few steps asks for
  /// At 1 and below: no guidance, half the work. Absent: the model's own.
  std::optional<float> guidance = {};
  /// Several photos of the person: "average", "norm_average", "concat" or "sequence".
  std::string combine = "average";
  float identity_strength = 0.8F;  // 0 to 5
  float adapter_strength = 0.8F;   // 0 to 5
  double identity_start = 0;       // fractions of the steps
  double identity_end = 1;
  double adapter_start = 0;
  double adapter_end = 1;
  bool no_keypoints = false;  // IdentityNet sees no position; the face may be anywhere
  float identity_noise = 0;   // 0 to 1: noise in place of guidance's empty face
  /// "front", "three-quarter-left", "profile-right", "up", ...: turns the face; absent: as it is.
  std::optional<std::string> view = {};
  std::optional<std::string> framing = {};  // "close-up", "bust" or "half": places the face
  bool region_mask = false;                 // the person only in the box of the face
  /// Several people in one picture, each a JSON object (docs/people.md) without "faces".
  std::vector<std::string> people = {};
  std::uint64_t seed = 0;
  /// "FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]", at most 16; a path has a slash, anything else is a name.
  std::vector<std::string> loras = {};
  /// ControlNets beside IdentityNet: "model=FILE|DIR|NAME,image=FILE,strength=0.4,start=0,end=1,
  /// prepare=none|canny,type=...". A path of a model has a slash.
  std::vector<std::string> controls = {};
  bool vae_tiling = false;        // decode in blended tiles, as diffusers' enable_vae_tiling
  std::string encoding = "auto";  // of prompts: auto, plain, weighted or a1111
  int clip_skip = 0;              // 0 to 11 layers of the text encoders, as diffusers' clip_skip
  /// 0 to 1, fraction of the steps; guidance is off after it. Absent: 1, or what a LoRA for few
  /// steps asks for.
  std::optional<double> guidance_end = {};
  int reuse = 1;                        // 1 to 20 steps that share deep features (DeepCache)
  float perturbed_guidance = 0;         // 0 to 20, perturbed attention guidance
  std::optional<double> strength = {};  // with a picture to start from: 0 to 1; 0.8
  // With a mask of the part that is repainted:
  int mask_blur = 4;                        // 0 to 64 pixels
  std::string inpaint_area = "whole";       // or "masked": compute its surroundings alone, enlarged
  int inpaint_padding = 32;                 // 0 to 256 pixels of these surroundings
  std::string masked_content = "original";  // or "noise", "fill"
  int extend_left =
      0;  // 0 to 4096 pixels, multiples of 8: painted beside the picture to start from
  int extend_top = 0;
  int extend_right = 0;
  int extend_bottom = 0;
  std::string refine_faces = "auto";  // or "on", "off": for Generation::refined_picture()
  double hires = 1;                   // 1 to 4: how much larger a second pass makes the picture
  double hires_strength = 0.4;        // 0 to 1: how much that pass makes anew
  bool freeu = false;                 // FreeU, with its authors' factors for SDXL
  bool fast = false;                  // with the LCM-LoRA, in 6 steps
  std::optional<std::string> quality = {};  // "draft", "good" or "best"; absent: as `steps` says
  // How it is sampled; absent: as the model's scheduler_config.json says.
  std::optional<std::string> scheduler = {};   // the sampler: "euler", "dpmpp_2m", "DPM++ 2M", ...
  std::optional<std::string> sigmas = {};      // noise levels: "default", "karras", ...
  std::optional<std::string> spacing = {};     // "leading", "trailing" or "linspace"
  std::optional<std::string> prediction = {};  // "epsilon" or "v"
  bool zero_snr = false;                       // as diffusers' rescale_betas_zero_snr
  double eta = 0;                              // 0 to 1: new noise in each step of DDIM and TCD
  float guidance_rescale = 0;                  // 0 to 1
  /// The program and device whose noise to use: "cpu" or "cuda" as torch, "a1111-gpu", "a1111-cpu",
  /// "comfy", "comfy-cpu"; on a GPU optionally with its name, "cuda:t4".
  std::string noise = "cpu";
  /// Which picture of how many: ComfyUI draws the noise of a batch together, from one seed. With
  /// the others a picture's seed counts up.
  int noise_picture = 0;
  std::optional<int> noise_batch = {};  // absent: up to this one
};

struct Step {
  int index = 0;  // of the step just done, from 1
  int count = 0;
};

/// One picture in progress. It may outlive its Generator.
class Generation {
 public:
  /// A single-pass range: each iteration of a loop over it computes one step.
  class Steps {
   public:
    class iterator {
     public:
      using iterator_category = std::input_iterator_tag;
      using value_type = Step;
      using difference_type = std::ptrdiff_t;
      using pointer = const Step*;
      using reference = const Step&;
      iterator() = default;
      explicit iterator(Generation* generation);
      const Step& operator*() const { return step_; }
      const Step* operator->() const { return &step_; }
      iterator& operator++();
      void operator++(int) { ++*this; }
      friend bool operator==(const iterator& a, std::default_sentinel_t) {
        return a.generation_ == nullptr;
      }

     private:
      Generation* generation_ = nullptr;
      Step step_;
    };
    iterator begin() { return iterator(generation_); }
    std::default_sentinel_t end() const { return {}; }

   private:
    friend class Generation;
    explicit Steps(Generation* generation) : generation_(generation) {}
    Generation* generation_;
  };

  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// The remaining steps.
  Steps steps() { return Steps(this); }
  /// Computes one step; false if none was left.
  bool next();
  int step() const;   // steps done
  int count() const;  // steps in total
  /// Requested features that the picture will lack, in English: weights in a prompt, the end of a
  /// prompt that is too long, a sampler of the model that Semblance lacks.
  const std::vector<std::string>& warnings() const;
  /// The current picture: the result after the last step, a preview before that.
  Picture picture();
  /// The finished picture after a second pass over its face, if it is to have one
  /// (Settings::refine_faces), which takes more steps and is stopped like them; else picture().
  Picture refined_picture(FaceFinder& finder);
  /// The current latent, [1, 4, height / 8, width / 8].
  std::vector<float> latent() const;
  /// Writes the state for Generator::resume(), which then makes the same picture bit for bit: the
  /// finished steps, the settings, the face and which models were used. Never leaves a partial
  /// file. Also works after a step has thrown.
  void save(const std::filesystem::path& path) const;
  /// Makes the current step and all later ones throw Error(kCancelled). Thread-safe.
  void stop();

 private:
  friend class Generator;
  struct State;
  explicit Generation(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The models, opened and checked; weights are read while pictures are made. For one thread at a
/// time, together with its Generations: see the top of this header.
class Generator {
 public:
  /// Sets the thread count of the whole process; do not call it while anything here computes.
  explicit Generator(const Models& models);
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;
  ~Generator();

  /// Side in pixels of the square that the model was trained for: 1024 for SDXL.
  int native_side() const;
  /// What start() and all steps with these settings will need. Settings without a size are planned
  /// at native_side(). Takes seconds if memory is short.
  Plan plan(const Settings& settings) const;
  /// The face is placed as in `pose` if given, else as in `person`. `initial`: a picture file
  /// (JPEG, PNG or WebP) to start from instead of noise; its size, floored to multiples of 8, is
  /// the default. `mask`: a picture file of its size, white where it is repainted; the others of
  /// its pixels stay as they are. Throws Error(kArgument) for a strength or mask without `initial`,
  /// and for a mask of another size or of one colour.
  Generation start(const Person& person, const Settings& settings, const Person* pose = nullptr,
                   std::span<const std::byte> initial = {}, std::span<const std::byte> mask = {});
  /// A picture of several people, one for each of Settings::people. A person without "keypoints" is
  /// placed as the face of its number in `pose`, from the left. Settings without a size have that
  /// of `pose`, or native_side().
  Generation start(std::span<const Person> people, const Settings& settings,
                   std::span<const Person> pose = {});
  /// Resumes from a file written by save() or by `semblance generate`. Throws Error(kArgument) if
  /// it was started with other models, precision or thread count, and Error(kCorrupt) if it is
  /// damaged. A run with a mask needs both files again.
  Generation resume(const std::filesystem::path& path, std::span<const std::byte> initial = {},
                    std::span<const std::byte> mask = {});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// "semblance 0.1.0"
std::string version();

}  // namespace v1
}  // namespace semblance
