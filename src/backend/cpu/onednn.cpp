#include "backend/cpu/onednn.h"

#include <dnnl.hpp>
#include <optional>

#include "core/error.h"
#include "core/hash.h"
#include "core/library_call.h"
#include "core/parallel.h"

namespace semblance::onednn {
namespace {

using Dims = dnnl::memory::dims;

dnnl::engine& engine() {
  // Equal nodes already share a kernel, so the library need not cache what we release.
  [[maybe_unused]] static const auto capacity = dnnl_set_primitive_cache_capacity(0);
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream() {
  static dnnl::stream stream(engine());
  return stream;
}

/// Calls into the library that do not compute.
template <typename F>
auto prepares(F&& f) {
  set_openmp_threads();
  return library_call(std::forward<F>(f));
}

/// Calls that compute on all threads.
template <typename F>
auto computes(F&& f) {
  start_threads();
  return library_call(std::forward<F>(f));
}

/// The text of the library's error. Throws Error(kMemory) instead if it ran out of memory.
std::string text_of(const dnnl::error& error) {
  if (error.status == dnnl_out_of_memory) fail(ErrorKind::kMemory, "oneDNN: {}", error.what());
  return fmt::format("oneDNN: {}", error.what());
}

dnnl::memory::data_type data_type(DType dtype) {
  return dtype == DType::kBF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// Calls choose(desc) with the library's first description of the convolution; choose may advance
/// it to the next ones.
template <typename Choose>
auto describe(const ConvolutionShape& shape, Choose&& choose) {
  using Tag = dnnl::memory::format_tag;
  const auto type = data_type(shape.dtype);
  const dnnl::memory::desc x({shape.n, shape.c, shape.h, shape.w}, type, Tag::nhwc);
  const dnnl::memory::desc dst({shape.n, shape.out_c, shape.out_h, shape.out_w}, type, Tag::nhwc);
  const Dims sizes = shape.groups > 1
                         ? Dims{shape.groups, shape.out_c / shape.groups, shape.c / shape.groups,
                                shape.kernel[0], shape.kernel[1]}
                         : Dims{shape.out_c, shape.c, shape.kernel[0], shape.kernel[1]};
  const dnnl::memory::desc weight(sizes, type, Tag::any);
  const dnnl::memory::desc bias =
      shape.has_bias ? dnnl::memory::desc({shape.out_c}, dnnl::memory::data_type::f32, Tag::x)
                     : dnnl::memory::desc();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (shape.adds_to_dst) {
    dnnl::post_ops post_ops;
    post_ops.append_sum(1.0F);
    attributes.set_post_ops(post_ops);
  }
  const Dims strides{shape.stride[0], shape.stride[1]};
  const Dims dilates{shape.dilation[0] - 1, shape.dilation[1] - 1};
  const Dims before{shape.pad[0], shape.pad[1]};
  const Dims after{shape.pad[2], shape.pad[3]};
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  dnnl::convolution_forward::primitive_desc desc(engine(), kKind, kAlgorithm, x, weight, bias, dst,
                                                 strides, dilates, before, after, attributes);
#else
  // Descriptions point to it, so it must live while they are advanced.
  const dnnl::convolution_forward::desc operation(kKind, kAlgorithm, x, weight, bias, dst, strides,
                                                  dilates, before, after);
  dnnl::convolution_forward::primitive_desc desc(operation, attributes, engine());
#endif
  return choose(desc);
}

/// Whether a convolution may be computed by a batch-reduce implementation ("brg"): plain 3x3 with
/// few terms per sum (c * 9), as in the VAE and in the UNet's first level. These are up to 1.4
/// times as fast, but split the sums by how many output channels they compute at once, so a part of
/// the channels can have different last bits. Such weights are small enough to be held whole. The
/// rule must not depend on the number of rows, which differs in parts.
bool gives_up_output_channels(const ConvolutionShape& shape) {
  constexpr std::int64_t kMostChannels = 512;
  constexpr std::int64_t kLeastWidth = 64;
  constexpr std::int64_t kWidthStep = 8;
  constexpr std::array<std::int64_t, 2> kThree{3, 3};
  constexpr std::array<std::int64_t, 2> kOne{1, 1};
  return shape.kernel == kThree && shape.dilation == kOne && shape.groups == 1 &&
         shape.c <= kMostChannels && shape.out_w >= kLeastWidth && shape.out_w % kWidthStep == 0;
}

/// If few rows would leave threads idle, the library computes fewer output channels at once. So a
/// layer uses the split of a tall picture, and a band for which the library would choose another
/// split is described for fewer threads until it gets the same one. That such a number of threads
/// exists, and that the same split gives the same bits, was tested, not proven: for these numbers
/// of output channels and even widths, on few threads (the slow tests keep searching; with 8
/// threads, 1 layer of 60 differed).
bool may_batch_reduce(const ConvolutionShape& shape) {
  const bool steady =
      shape.out_c <= 16 || (shape.out_c >= 128 && shape.out_c % 64 == 0 && shape.out_c % 48 != 0);
  return gives_up_output_channels(shape) && steady;
}
constexpr std::int64_t kTallRows = 256;

bool is_batch_reduce(std::string_view implementation) {
  return implementation.find("brg") != implementation.npos;
}

using Desc = dnnl::convolution_forward::primitive_desc;

/// The library's first implementation whose order of additions does not depend on the whole shape,
/// unlike matrix products; nullopt if there is none. Direct ones are as fast for 1x1.
std::optional<Desc> describe_direct(const ConvolutionShape& shape, bool batch_reduce) {
  const bool small_kernel = shape.kernel[0] == 1 && shape.kernel[1] == 1;
  int chosen = -1;
  describe(shape, [&](Desc& desc) {
    int count = 0;
    do {
      const std::string_view name = desc.impl_info_str();
      const auto has = [name](std::string_view part) { return name.find(part) != name.npos; };
      if (name.starts_with("ref") || has("gemm") || has("sse41")) continue;
      if (is_batch_reduce(name) && !batch_reduce) continue;
      if (chosen < 0) chosen = count;
      // On AVX-512 the direct one is faster even for 1x1, and needs no scratch in bf16.
      if (small_kernel && has("avx512") && !has("_1x1") && !has("_dw")) {
        chosen = count;
        return;
      }
    } while (++count, desc.next_impl());
  });
  if (chosen < 0) return std::nullopt;
  return describe(shape, [&](Desc& desc) {
    for (int i = 0; i < chosen; ++i) desc.next_impl();
    return desc;
  });
}

WeightLayout layout_of(const dnnl::memory::desc& desc, const ConvolutionShape& shape) {
  WeightLayout layout;
  const int first = shape.groups > 1 ? 0 : 1;  // the library omits the group axis
#if DNNL_VERSION_MAJOR >= 3
  const Dims sizes = desc.get_dims();
  const Dims padded = desc.get_padded_dims();
  const Dims strides = desc.get_strides();
  const Dims blocks = desc.get_inner_blks();
  const Dims axes = desc.get_inner_idxs();
  const int inner_count = desc.get_inner_nblks();
#else
  const auto& sizes = desc.data.dims;
  const auto& padded = desc.data.padded_dims;
  const auto& blocking = desc.data.format_desc.blocking;
  const auto& strides = blocking.strides;
  const auto& blocks = blocking.inner_blks;
  const auto& axes = blocking.inner_idxs;
  const int inner_count = blocking.inner_nblks;
#endif
  layout.sizes[0] = layout.padded[0] = 1;
  for (int axis = first; axis < 5; ++axis) {
    const auto ours = static_cast<std::size_t>(axis);
    const auto theirs = static_cast<std::size_t>(axis - first);
    layout.sizes[ours] = sizes[theirs];
    layout.padded[ours] = padded[theirs];
    layout.strides[ours] = strides[theirs];
  }
  SEMBLANCE_ASSERT(inner_count <= WeightLayout::kMaxInner);
  layout.inner_count = inner_count;
  for (std::size_t i = 0; i < static_cast<std::size_t>(inner_count); ++i) {
    layout.inner_blocks[i] = blocks[i];
    layout.inner_axes[i] = static_cast<int>(axes[i]) + first;
  }
  layout.dtype = shape.dtype;
  layout.bytes = desc.get_size();
  return layout;
}

struct Steady {
  Desc desc;
  int threads;  // to compile for
};

/// Output channels that a batch-reduce implementation computes at once; 0 for other
/// implementations.
std::int64_t outputs_at_once(const std::optional<Desc>& desc, const ConvolutionShape& shape) {
  if (!desc || !is_batch_reduce(desc->impl_info_str())) return 0;
  return layout_of(desc->weights_desc(), shape).block(1);
}

/// An implementation whose sums do not depend on the number of rows nor (except for batch-reduce
/// ones) on the number of output channels; nullopt if there is none.
std::optional<Steady> describe_steady(const ConvolutionShape& shape) {
  if (may_batch_reduce(shape)) {
    ConvolutionShape tall = shape;
    tall.n = 1;
    tall.pad[0] = tall.pad[2] = 0;
    tall.out_h = kTallRows;
    tall.h = (kTallRows - 1) * shape.stride[0] + shape.kernel[0];
    const std::int64_t wanted = outputs_at_once(describe_direct(tall, true), tall);
    for (int limit = threads(); wanted > 0 && limit > 0; --limit) {
      const ThreadLimit scope(limit);
      set_openmp_threads();
      const std::optional<Desc> desc = describe_direct(shape, true);
      if (outputs_at_once(desc, shape) == wanted) return Steady{*desc, limit};
    }
  }
  const std::optional<Desc> desc = describe_direct(shape, false);
  if (!desc) return std::nullopt;
  return Steady{*desc, threads()};
}

}  // namespace

std::int64_t WeightLayout::block(int axis) const {
  std::int64_t product = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(inner_count); ++i) {
    if (inner_axes[i] == axis) product *= inner_blocks[i];
  }
  return product;
}

std::uint64_t hash_of(const WeightLayout& layout) {
  Fnv1a hash;
  const auto add = [&](std::int64_t value) { hash.add(static_cast<std::uint64_t>(value)); };
  for (std::size_t i = 0; i < layout.sizes.size(); ++i) {
    add(layout.sizes[i]), add(layout.padded[i]), add(layout.strides[i]);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(layout.inner_count); ++i) {
    add(layout.inner_blocks[i]), add(layout.inner_axes[i]);
  }
  add(static_cast<std::int64_t>(layout.dtype));
  return hash.value();
}

struct Convolution::Parts {
  ConvolutionShape shape;
  dnnl::convolution_forward::primitive_desc desc;
  WeightLayout layout;
  std::string implementation;
  int threads = 1;
  // Created by compile(); each run sets their data pointers.
  std::optional<dnnl::convolution_forward> primitive;
  dnnl::memory x, weight, bias, dst, scratch;
};

Convolution::Convolution(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Convolution::~Convolution() = default;

std::unique_ptr<Convolution> Convolution::make(const ConvolutionShape& shape,
                                               std::string& why_not) {
  try {
    return prepares([&]() -> std::unique_ptr<Convolution> {
      auto parts = std::make_unique<Parts>();
      parts->shape = shape;
      const auto steady = describe_steady(shape);
      if (!steady) {
        why_not =
            "oneDNN has no implementation for this shape that gives parts the bits of the whole";
        return nullptr;
      }
      parts->desc = steady->desc;
      parts->threads = steady->threads;
      parts->implementation = parts->desc.impl_info_str();
      parts->layout = layout_of(parts->desc.weights_desc(), shape);
      return std::unique_ptr<Convolution>(new Convolution(std::move(parts)));
    });
  } catch (const dnnl::error& error) {
    why_not = text_of(error);
    return nullptr;
  }
}

bool Convolution::is_exact_by_channels() const { return !gives_up_output_channels(parts_->shape); }
const WeightLayout& Convolution::weight_layout() const { return parts_->layout; }
std::size_t Convolution::scratch_bytes() const { return parts_->desc.scratchpad_desc().get_size(); }
std::string_view Convolution::implementation() const { return parts_->implementation; }

void Convolution::compile() try {
  Parts& parts = *parts_;
  const ThreadLimit scope(parts.threads);
  prepares([&] {
    parts.primitive.emplace(parts.desc);
    parts.x = dnnl::memory(parts.desc.src_desc(), engine(), nullptr);
    parts.weight = dnnl::memory(parts.desc.weights_desc(), engine(), nullptr);
    if (parts.shape.has_bias) parts.bias = dnnl::memory(parts.desc.bias_desc(), engine(), nullptr);
    parts.dst = dnnl::memory(parts.desc.dst_desc(), engine(), nullptr);
    parts.scratch = dnnl::memory(parts.desc.scratchpad_desc(), engine(), nullptr);
  });
} catch (const dnnl::error& error) {
  fail(ErrorKind::kDevice, "cannot generate code for a convolution: {}", text_of(error));
}

void Convolution::release() {
  Parts& parts = *parts_;
  parts.primitive.reset();
  parts.x = parts.weight = parts.bias = parts.dst = parts.scratch = dnnl::memory();
}

void Convolution::run(const std::byte* x, const std::byte* weight, const std::byte* bias,
                      std::byte* dst, std::byte* scratch) const try {
  Parts& parts = *parts_;
  // Uses the C interface because the C++ one builds two maps for every call.
  std::array<dnnl_exec_arg_t, 5> arguments{};
  int count = 0;
  const auto pass = [&](int argument, dnnl::memory& memory, const std::byte* data) {
    memory.set_data_handle(const_cast<std::byte*>(data));
    arguments[static_cast<std::size_t>(count++)] = {argument, memory.get()};
  };
  pass(DNNL_ARG_SRC, parts.x, x);
  pass(DNNL_ARG_WEIGHTS, parts.weight, weight);
  if (parts.shape.has_bias) pass(DNNL_ARG_BIAS, parts.bias, bias);
  pass(DNNL_ARG_DST, parts.dst, dst);
  pass(DNNL_ARG_SCRATCHPAD, parts.scratch, scratch);
  computes([&] {
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(parts.primitive->get(), stream().get(), count, arguments.data()),
        "could not execute a convolution");
    stream().wait();
  });
} catch (const dnnl::error& error) {
  fail(ErrorKind::kInternal, "internal error: {}", text_of(error));
}

void Convolution::reorder_weight(std::span<const float> plain, std::span<std::byte> packed) const {
  using Tag = dnnl::memory::format_tag;
  const auto desc = parts_->desc.weights_desc();
  const WeightLayout& layout = parts_->layout;
  Dims sizes(layout.sizes.begin() + (parts_->shape.groups > 1 ? 0 : 1), layout.sizes.end());
  const dnnl::memory::desc plain_desc(sizes, dnnl::memory::data_type::f32,
                                      parts_->shape.groups > 1 ? Tag::goihw : Tag::oihw);
  computes([&] {
    dnnl::memory src(plain_desc, engine(), const_cast<float*>(plain.data()));
    dnnl::memory dst(desc, engine(), packed.data());
    dnnl::reorder(src, dst).execute(stream(), src, dst);
    stream().wait();
  });
}

namespace {
bool has_isa(dnnl::cpu_isa least) {
  const int wanted = static_cast<int>(least);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}
}  // namespace

bool multiplies_bf16() { return has_isa(dnnl::cpu_isa::avx512_core_bf16); }
bool multiplies_matrices() { return has_isa(dnnl::cpu_isa::avx512_core_amx); }

}  // namespace semblance::onednn
