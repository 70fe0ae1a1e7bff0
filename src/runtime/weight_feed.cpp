#include "runtime/weight_feed.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/integers.h"
#include "memory/meter.h"
#include "runtime/trace.h"
#include "runtime/weight_packer.h"

namespace semblance {
namespace {

/// Size of one read. Reads that bypass the page cache need as much staging besides the ring.
constexpr std::uint64_t kReadBytes = 1 << 20;

/// Files count as cached from this share on.
constexpr double kCached = 0.98;

}  // namespace

WeightFeed::WeightFeed(const Program& program, const std::vector<Step>& steps,
                       const WeightView& weights)
    : program_(program), uses_(program.plan.weights.size()) {
  for (const NodeWeight& used : program.plan.node_weights) {
    Use& use = uses_[at(used.use)];
    if (use.kernel != nullptr) continue;
    use.kernel = steps[at(used.node)].kernel.get();
    use.src = used.src;
  }
  for (std::size_t i = 0; i < uses_.size(); ++i) uses_[i].stored = find_weight(weights, value(i));
  find_owners();
}

const ValueInfo& WeightFeed::value(std::size_t use) const {
  return program_.graph.values()[at(planned(use).weight)];
}

void WeightFeed::find_owners() {
  std::vector<std::pair<std::uint64_t, std::size_t>> places;  // of weights that stay
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    if (planned(i).keep == Keep::kPacked) places.emplace_back(planned(i).packed.offset, i);
  }
  std::sort(places.begin(), places.end());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool same = i > 0 && places[i - 1].first == places[i].first;
    uses_[places[i].second].owner = same ? uses_[places[i - 1].second].owner : places[i].second;
  }
}

void WeightFeed::take_memory(Executor& executor, Trace* trace) {
  executor_ = &executor;
  trace_ = trace;
  ring_ = Buffer(program_.plan.ring_bytes, Tag::kRing);
  staging_ = Buffer(program_.plan.staging_bytes, Tag::kStaging);
  passes_cache_ = !cache_would_hold_all();
  choose_stream();
}

std::vector<KeptWeights::Weight> WeightFeed::loaded() const {
  std::vector<KeptWeights::Weight> weights;
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    if (planned(i).keep == Keep::kPacked && uses_[i].is_loaded)
      weights.push_back({value(i), planned(i).needs.layout, planned(i).packed});
  }
  std::ranges::sort(weights, {}, [](const auto& weight) { return weight.place.offset; });
  return weights;
}

std::vector<Executor::Move> WeightFeed::take_over(const std::vector<KeptWeights::Weight>& kept) {
  using Key = std::tuple<std::string_view, std::uint64_t>;
  std::multimap<Key, const KeptWeights::Weight*> known;
  for (const KeptWeights::Weight& weight : kept)
    known.emplace(Key(weight.value.name, weight.layout), &weight);
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    if (planned(i).keep == Keep::kPacked && is_missing(i)) missing.push_back(i);
  }
  std::ranges::sort(missing, {}, [this](std::size_t i) { return planned(i).packed.offset; });
  std::vector<Executor::Move> moves;
  std::uint64_t end = 0;  // of the last place that moves
  for (const std::size_t i : missing) {
    const auto [first, last] = known.equal_range(Key(value(i).name, planned(i).needs.layout));
    const auto found = std::find_if(first, last, [&](const auto& entry) {
      const KeptWeights::Weight& weight = *entry.second;
      return weight.value.type == value(i).type && weight.value.rows == value(i).rows &&
             weight.place.bytes == planned(i).packed.bytes && weight.place.offset >= end;
    });
    if (found == last) continue;
    const Place& from = found->second->place;
    moves.push_back({from.offset, planned(i).packed.offset, from.bytes});
    end = from.offset + from.bytes;
    uses_[i].is_loaded = true;
  }
  return moves;
}

void WeightFeed::lose() {
  for (Use& use : uses_) use.is_loaded = false;
}

/// Whether the page cache can keep the streamed weights until the next run. If not, reads bypass
/// it: caching would not help, and would evict other programs' pages.
bool WeightFeed::cache_would_hold_all() const {
  std::uint64_t bytes = 0;
  for (const WeightUse& use : program_.plan.weights) {
    if (use.keep != Keep::kPacked) bytes += use.needs.raw_bytes;
  }
  return bytes + program_.plan.memory_bytes() <= Meter().available_bytes();
}

/// Whether the page cache holds what the stream would read and the ring is large enough for all
/// threads to read at once.
bool WeightFeed::is_cached() const {
  std::set<const File*> files;
  for (std::size_t use : order_) {
    const WeightRows& stored = uses_[use].stored;
    files.insert(stored.tensor.file.get());
    if (!stored.patcher) continue;
    for (const RowPatcher::Piece& piece : stored.patcher->pieces()) files.insert(piece.file.get());
  }
  if (cached_share(files) < kCached) return false;
  return std::all_of(order_.begin(), order_.end(), [&](std::size_t i) {
    const Use& use = uses_[i];
    const std::uint64_t factors = use.stored.patcher ? use.stored.patcher->factor_bytes() : 0;
    return raw_staging_bytes(*use.kernel, use.src, value(i).type.shape, use.stored.tensor.dtype) +
               factors <=
           ring_.size();
  });
}

bool WeightFeed::is_missing(std::size_t use) const {
  if (planned(use).keep == Keep::kOnce) return !uses_[use].is_loaded;
  return planned(use).keep == Keep::kPacked && uses_[use].owner == use && !uses_[use].is_loaded;
}

/// Chooses what the next run loads and how: streamed weights, and those that stay but are not
/// loaded yet.
void WeightFeed::choose_stream() {
  bool loads = false;
  for (std::size_t i = 0; i < uses_.size(); ++i) loads |= is_missing(i);
  if ((stream_ || reads_inline_) && !loads && !loads_) return;
  before_ = counts();
  stream_.reset();
  order_.clear();
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    if (planned(i).keep == Keep::kStreamed || is_missing(i)) order_.push_back(i);
  }
  loads_ = loads;
  reads_inline_ = !order_.empty() && is_cached();
  if (order_.empty() || reads_inline_) return;
  std::vector<WeightStream::Chunk> chunks;
  for (std::size_t i : order_) {
    const WeightRows& stored = uses_[i].stored;
    WeightStream::Chunk chunk{.name = trace_ != nullptr ? value(i).name : std::string(),
                              .pieces = {}};
    for (const FilePiece& piece : stored.pieces())
      chunk.pieces.push_back({stored.tensor.file, piece.offset, piece.bytes});
    if (stored.patcher) {
      for (const RowPatcher::Piece& piece : stored.patcher->pieces())
        chunk.pieces.push_back({piece.file, piece.offset, piece.bytes});
    }
    chunks.push_back(std::move(chunk));
  }
  WeightStream::Options options;
  options.cache = passes_cache_ ? WeightStream::Cache::kPass : WeightStream::Cache::kKeep;
  options.read_bytes = kReadBytes;
  options.trace = trace_;
  stream_.emplace(ring_.bytes(), std::move(chunks), options);
}

void WeightFeed::start(std::stop_token stop) {
  if (stream_) stream_->start(std::move(stop), !loads_);
  next_ = 0;
}

void WeightFeed::load_once_again() {
  bool was_loaded = false;
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    if (planned(i).keep == Keep::kOnce) was_loaded |= std::exchange(uses_[i].is_loaded, false);
  }
  if (was_loaded) choose_stream();
}

void WeightFeed::load(int node) {
  for (; next_ < order_.size() && planned(order_[next_]).loaded_from <= node; ++next_)
    load_use(order_[next_]);
}

void WeightFeed::load_use(std::size_t index) {
  Use& use = uses_[index];
  const DevicePlace place = place_of(planned(index));
  const PackedWeight target{*use.kernel, use.src, value(index).type.shape, staging_.bytes(),
                            executor_->begin_write(place)};
  const std::uint64_t raw_bytes = planned(index).needs.raw_bytes;
  double begin = Trace::now();
  if (reads_inline_) {
    read_and_pack(target, use.stored, ring_.bytes());
    before_.bytes_read += raw_bytes;
  } else {
    const std::span<const std::byte> raw = stream_->wait(next_);
    begin = Trace::now();
    pack(target, use.stored, raw);
    stream_->release(next_);
  }
  executor_->end_write(place);
  use.is_loaded = planned(index).keep != Keep::kStreamed;
  if (trace_ == nullptr) return;
  trace_->add(TraceRow::kCompute, reads_inline_ ? "read" : "pack", begin, Trace::now(), raw_bytes);
}

void WeightFeed::finish() { choose_stream(); }

void WeightFeed::stop() {
  if (stream_) stream_->stop();
  for (const std::size_t use : order_) uses_[use].is_loaded = false;
}

WeightFeed::Counts WeightFeed::counts() const {
  Counts counts = before_;
  if (stream_) {
    const WeightStream::Counts stream = stream_->counts();
    counts.bytes_read += stream.bytes_read;
    counts.wait_seconds += stream.wait_seconds;
  }
  return counts;
}

}  // namespace semblance
