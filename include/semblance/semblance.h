// Semblance as a library: pictures of a person from one photo and a prompt (InstantID), computed on
// this machine's processor.
//
//   semblance::Person person = semblance::FaceFinder("antelopev2").largest("me.jpg");
//   semblance::Generator generator({.base = "sdxl", .identitynet = "ControlNetModel",
//                                   .adapter = "ip-adapter.bin"});
//   semblance::Generation generation = generator.start(person, {.prompt = "a man in the snow"});
//   for (const semblance::Step& step : generation.steps()) show(step.index, step.count);
//   generation.picture().save("snow.png");
//
// Every function throws semblance::Error and nothing else but std::bad_alloc. Paths are as the
// system has them, texts are UTF-8. This header needs the standard library alone; semblance_c.h is
// the same for C.
//
// Threads. A Generator, its Generations and a FaceFinder compute on the thread that calls them,
// which leads a team of threads. One thread at a time may use a Generator together with its
// Generations, or a FaceFinder; only Generation::stop() may be called from anywhere. All else is
// plain values. Models::threads and memory_bytes are of the whole process: make a Generator while
// nothing else computes, and where memory is limited let one compute at a time. Better let one
// thread do all of the computing, since each thread that does gets its own team. Meanwhile no other
// thread may load a shared library (dlopen): pages of code that nobody uses are dropped between the
// stages of a picture, and a library whose loading is not over could lose its relocations.
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
// The library's own sources tell its names from these by the version; to users they are
// semblance::X. A change of a type's layout raises it, so that a program that was built with an
// older header does not start instead of misreading.
#ifndef SEMBLANCE_IMPLEMENTATION
inline
#endif
    namespace v1 {

/// The values are the program's exit codes.
enum class ErrorKind {
  kArgument = 2,     // the request itself is wrong
  kMissing = 3,      // a file, a tensor or a face is not there
  kCorrupt = 4,      // a file is there, but is not what it says it is
  kShape = 5,        // tensors do not fit each other or their config
  kMemory = 6,       // there is not enough memory
  kDevice = 7,       // the disk, the processor or another device failed
  kInternal = 70,    // a bug of semblance
  kCancelled = 130,  // Generation::stop() was called
};

/// what() says what was being done, the rule, what came, and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// A face: whose it is, and where it stands in its frame.
struct Person {
  std::vector<float> embedding = {};  // 512 numbers, as the recogniser gives them
  std::array<std::array<float, 2>, 5> keypoints =
      {};               // eyes, nose, corners of the mouth, left first
  int frame_width = 0;  // pixels; the frame of keypoints and box
  int frame_height = 0;
  float score = 0;                // the detector's, 0 to 1
  std::array<float, 4> box = {};  // left, top, right, bottom

  /// From a file written by save() or by `semblance face --save`.
  static Person load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;
  /// From the text of such a file, and back to the same bits.
  static Person from_json(std::string_view text);
  std::string to_json() const;
};

/// Finds faces in photos with insightface's models.
class FaceFinder {
 public:
  /// A folder such as antelopev2 or buffalo_l.
  explicit FaceFinder(const std::filesystem::path& folder);
  FaceFinder(const std::filesystem::path& detector, const std::filesystem::path& recogniser);
  FaceFinder(FaceFinder&&) noexcept;
  FaceFinder& operator=(FaceFinder&&) noexcept;
  ~FaceFinder();

  /// All faces of a photo (JPEG, PNG or WebP), the largest first. The photo is resized as the
  /// published scripts do, so that frames have a long side of 1280.
  std::vector<Person> all(const std::filesystem::path& photo);
  /// The same of the bytes of such a file.
  std::vector<Person> all(std::span<const std::byte> photo);
  /// The largest face. Throws Error(kMissing) when there is none.
  Person largest(const std::filesystem::path& photo);
  Person largest(std::span<const std::byte> photo);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class PictureFormat { kPng, kJpeg, kWebp };

struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb = {};  // [height, width, 3]
  /// How it was made, in the convention of the AUTOMATIC1111 web UI; clear it to leave it out.
  std::string parameters = {};

  /// By the name's end: .png, .jpg or .webp. The file appears whole or not at all.
  void save(const std::filesystem::path& path) const;
  /// The bytes of such a file.
  std::vector<std::byte> encode(PictureFormat format) const;
};

enum class Precision { kAuto, kF32, kBF16 };  // auto: bf16 where the processor computes it natively

struct Models {
  std::filesystem::path base = {};         // diffusers folder of an SDXL
  std::filesystem::path identitynet = {};  // InstantID's ControlNetModel
  std::filesystem::path adapter = {};      // InstantID's ip-adapter.bin
  Precision precision = Precision::kAuto;
  int threads = 0;  // of the whole process, 0: one for each processor core
  /// The most that the whole process may hold while a picture is made; 0: no limit. The picture is
  /// the same, with less it takes longer.
  std::uint64_t memory_bytes = 0;
  /// The folder for what does not fit in memory meanwhile; empty: the first of TMPDIR, /var/tmp and
  /// /tmp that is on a disk.
  std::filesystem::path scratch_folder = {};
};

/// What a picture will take, before it is made.
struct Plan {
  bool fits = true;                 // in Models::memory_bytes
  std::uint64_t peak_bytes = 0;     // of the process; 0 where it does not fit
  std::uint64_t minimum_bytes = 0;  // the smallest Models::memory_bytes that fits
  std::uint64_t scratch_bytes = 0;  // on disk
  double seconds = 0;               // of all steps, encoding and decoding
  double step_seconds = 0;
};

struct Settings {
  std::string prompt = {};
  std::optional<std::string> negative = {};  // absent and "" give different pictures
  int width = 0;  // multiples of 8; 0: the frame's shape at the model's own area
  int height = 0;
  int steps = 30;
  /// At 1 and below: none, half the work. Absent: the model's own.
  std::optional<float> guidance = {};
  float identity_strength = 0.8F;  // 0 to 5
  float adapter_strength = 0.8F;   // 0 to 5
  double identity_start = 0;       // fractions of the steps
  double identity_end = 1;
  std::uint64_t seed = 0;
  bool vae_tiling = false;  // decode in blended tiles, as diffusers' enable_vae_tiling
  int clip_skip = 0;        // 0 to 11 layers of the text encoders, as diffusers' clip_skip
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
  int index = 0;  // of the step that was just done, from 1
  int count = 0;
};

/// One picture on its way. It may outlive its Generator.
class Generation {
 public:
  /// A single-pass range: each turn of a loop over it computes one step.
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

  /// The steps that are left.
  Steps steps() { return Steps(this); }
  /// Computes one step; false when there was none left.
  bool next();
  int step() const;   // steps done
  int count() const;  // steps there are
  /// What was asked for and the picture will not have, in English: weights in a prompt, what is cut
  /// off of a long one, a sampler of the model's that there is not here.
  const std::vector<std::string>& warnings() const;
  /// The picture as it is now: after the last step the result, before that a preview.
  Picture picture();
  /// The latent as it is now, [1, 4, height / 8, width / 8].
  std::vector<float> latent() const;
  /// Writes what Generator::resume() goes on from, to the same picture bit for bit: the steps that
  /// are done, the settings, the face, what the models are. The file appears whole or not at all.
  /// After a step that has thrown, too.
  void save(const std::filesystem::path& path) const;
  /// Ends a step that is being computed with Error(kCancelled), and all later ones. Thread-safe.
  void stop();

 private:
  friend class Generator;
  struct State;
  explicit Generation(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The models, opened and audited; weights are read while pictures are made. For one thread at a
/// time, its Generations included, as the top of this header says.
class Generator {
 public:
  /// Sets the number of threads of the whole process: not while anything here computes.
  explicit Generator(const Models& models);
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;
  ~Generator();

  /// Side of the square that the model was made for: 1024 for SDXL.
  int native_side() const;
  /// What start() and all steps with these settings will take. Settings without a size are planned
  /// at native_side(). Takes seconds where memory is short.
  Plan plan(const Settings& settings) const;
  /// The face stands where `pose` has it, when given, else where `person` has it.
  Generation start(const Person& person, const Settings& settings, const Person* pose = nullptr);
  /// Goes on with a file written by save() or by `semblance generate`. Throws Error(kArgument) when
  /// it was begun with other models, another precision or number of threads, Error(kCorrupt) for a
  /// damaged file.
  Generation resume(const std::filesystem::path& path);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// "semblance 0.1.0"
std::string version();

}  // namespace v1
}  // namespace semblance
