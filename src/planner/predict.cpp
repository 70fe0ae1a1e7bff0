#include <algorithm>
#include <deque>

#include "core/integers.h"
#include "planner/fit.h"

namespace semblance {
namespace {

/// Simulates a run with three clocks: compute, the weight reader and the scratch file's mover. On a
/// device with memory of its own there are two more: the host, which packs weights while the device
/// computes, and the link to the device.
class Player {
 public:
  Player(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
         const Rates& rates)
      : graph_(graph),
        needs_(needs),
        plan_(plan),
        rates_(rates),
        ready_(graph.values().size()),
        uploaded_(plan.weights.size()) {}

  RunSeconds run() {
    std::size_t next_use = 0;
    std::size_t next_upload = 0;
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      for (ValueId src : node.src)
        ready_[at(node.dst)] = std::max(ready_[at(node.dst)], ready_[at(src)]);
      for (; next_upload < plan_.weights.size() && rates_.upload > 0; ++next_upload) {
        const WeightUse& use = plan_.weights[next_upload];
        if (use.keep == Keep::kStreamed && use.loaded_from > static_cast<int>(n)) break;
        upload(use, uploaded_[next_upload]);
      }
      if (plan_.is_view[n] || plan_.runs_once[n]) continue;
      for (; next_use < plan_.weights.size() &&
             plan_.weights[next_use].first_node <= static_cast<int>(n);
           ++next_use) {
        rates_.upload > 0 ? wait(uploaded_[next_use]) : take(plan_.weights[next_use]);
      }
      move_or_compute(n, node);
    }
    return {now_, waited_};
  }

 private:
  void wait(double until) {
    if (until <= now_) return;
    waited_ += until - now_;
    now_ = until;
  }

  void read(const WeightUse& use) {
    while (!held_.empty() && held_bytes_ + use.needs.raw_bytes > plan_.ring_bytes) {
      reader_ = std::max(reader_, held_.front().released);
      held_bytes_ -= held_.front().bytes;
      held_.pop_front();
    }
    reader_ += static_cast<double>(use.needs.raw_bytes) / rates_.read;
  }

  /// Packs it at `clock`, which the ring's bytes are ready for.
  void pack(const WeightUse& use, double& clock) {
    clock += static_cast<double>(use.needs.packed_bytes) / rates_.pack +
             use.needs.added_operations / rates_.add;
    held_.push_back({use.needs.raw_bytes, clock});
    held_bytes_ += use.needs.raw_bytes;
  }

  void take(const WeightUse& use) {
    if (use.keep != Keep::kStreamed) return;
    read(use);
    wait(reader_);
    pack(use, now_);
  }

  /// Begins once the place is free; computing goes on meanwhile.
  void upload(const WeightUse& use, double& done) {
    if (use.keep != Keep::kStreamed) return;
    read(use);
    host_ = std::max(host_, reader_);
    pack(use, host_);
    link_ = std::max({link_, host_, now_}) +
            static_cast<double>(use.needs.packed_bytes) / rates_.upload;
    done = link_;
  }

  double file_rate(double on_disk) const { return plan_.file_in_memory ? rates_.upload : on_disk; }

  void move_or_compute(std::size_t n, const Node& node) {
    const auto bytes = static_cast<double>(graph_.type(node.dst).bytes());
    if (std::holds_alternative<Spill>(node.op)) {
      mover_ = std::max(mover_, now_) + bytes / file_rate(rates_.file_write);
      pending_.push_back({plan_.spilled_before[n], mover_});
      return;
    }
    if (std::holds_alternative<Fetch>(node.op)) {
      mover_ = std::max(mover_, now_) + bytes / file_rate(rates_.file_read);
      ready_[at(node.dst)] = mover_;
      return;
    }
    for (const Pending& pending : pending_) {
      if (pending.before <= static_cast<int>(n)) wait(pending.done);
    }
    std::erase_if(pending_, [&](const Pending& p) { return p.before <= static_cast<int>(n); });
    wait(ready_[at(node.dst)]);
    ready_[at(node.dst)] = 0;
    now_ += needs_[n].seconds;
  }

  struct Held {
    std::uint64_t bytes;
    double released;
  };
  struct Pending {
    int before;
    double done;
  };

  const Graph& graph_;
  const std::vector<NodeNeeds>& needs_;
  const Plan& plan_;
  const Rates& rates_;
  std::vector<double> ready_;     // by value: when it has been read from the file
  std::vector<double> uploaded_;  // by weight use: when it is in its place
  double now_ = 0, waited_ = 0, reader_ = 0, mover_ = 0, host_ = 0, link_ = 0;
  std::deque<Held> held_;
  std::uint64_t held_bytes_ = 0;
  std::vector<Pending> pending_;
};

}  // namespace

RunSeconds predict(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                   const Rates& rates) {
  return Player(graph, needs, plan, rates).run();
}

}  // namespace semblance
