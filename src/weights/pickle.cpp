#include "weights/pickle.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/shape.h"
#include "weights/names.h"

namespace semblance {
namespace {

using Kind = PickleNode::Kind;
using Index = PickleNode::Index;

constexpr std::size_t kMaxValues = 1 << 20;  // SDXL's UNet has about 60,000

constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::string_view kSize = "torch Size";

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorages = {{
    {"torch FloatStorage", DType::kF32},
    {"torch HalfStorage", DType::kF16},
    {"torch BFloat16Storage", DType::kBF16},
    {"torch DoubleStorage", DType::kF64},
    {"torch LongStorage", DType::kI64},
    {"torch IntStorage", DType::kI32},
    {"torch ShortStorage", DType::kI16},
    {"torch CharStorage", DType::kI8},
    {"torch ByteStorage", DType::kU8},
    {"torch BoolStorage", DType::kBool},
}};
constexpr std::array<std::string_view, 10> kDTypes = {
    "torch float32", "torch float16", "torch bfloat16", "torch float64", "torch int64",
    "torch int32",   "torch int16",   "torch int8",     "torch uint8",   "torch bool"};

std::optional<DType> storage_dtype(std::string_view global) {
  for (const auto& [name, dtype] : kStorages) {
    if (global == name) return dtype;
  }
  return std::nullopt;
}

/// Names whose calls are understood; all others make objects.
bool is_known(std::string_view global) {
  for (std::string_view dtype : kDTypes) {
    if (global == dtype) return true;
  }
  return global == kRebuildTensor || global == kRebuildParameter || global == kOrderedDict ||
         global == kSize || storage_dtype(global).has_value();
}

/// Modules and functions that run programs or code. No checkpoint refers to one but to attack
/// whoever loads it with Python. Nothing depends on this list: no name is ever called here.
constexpr std::array<std::string_view, 18> kHarmfulModules = {
    "os",   "posix",  "nt",      "subprocess", "sys",   "commands",
    "pty",  "socket", "shutil",  "importlib",  "runpy", "ctypes",
    "code", "codeop", "marshal", "webbrowser", "pdb",   "multiprocessing"};
constexpr std::array<std::string_view, 14> kHarmfulBuiltins = {
    "eval",    "exec",    "execfile", "compile",    "open",  "file",       "getattr",
    "setattr", "delattr", "globals",  "__import__", "input", "breakpoint", "apply"};

bool is_harmful(std::string_view global) {
  const std::string_view module = global.substr(0, global.find_first_of(" ."));
  const std::string_view name = global.substr(global.rfind(' ') + 1);
  const auto is_in = [](const auto& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  if (module == "builtins" || module == "__builtin__") return is_in(kHarmfulBuiltins, name);
  return is_in(kHarmfulModules, module);
}

class Reader {
 public:
  Reader(std::string_view what, std::string_view bytes) : what_(what), bytes_(bytes) {}

  Pickle read() {
    while (!done_) step();
    pickle_.bytes = at_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void refuse(std::string_view reason) const {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: its pickle {} (near byte {})\n  save it again with "
         "torch.save(model.state_dict()) or as safetensors",
         what_, reason, at_);
  }

  void step() {
    const auto opcode = static_cast<int>(number(1));
    if (!control(opcode) && !push_plain(opcode)) push_compound(opcode);
  }

  /// Handles instructions that frame the program, change its stack or use its memo; false for all
  /// others.
  bool control(int opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const auto protocol = number(1); protocol < 2 || protocol > 5) {
          refuse(fmt::format("has protocol {}, expected 2 to 5", protocol));
        }
        return true;
      case 0x95:  // FRAME: a hint about buffering
        if (number(8) > bytes_.size() - at_) refuse("has a frame that extends past its end");
        return true;
      case '.':
        pickle_.top = pop();
        if (!marks_.empty() || !stack_.empty()) refuse("ends with values left on its stack");
        done_ = true;
        return true;
      case '(':
        check_count(marks_.size());
        marks_.push_back(stack_.size());
        return true;
      case '0':
        pop();
        return true;
      case '1':
        since_mark();
        return true;
      case 'q':
        remember(number(1));
        return true;
      case 'r':
        remember(number(4));
        return true;
      case 0x94:
        remember(memo_.size());
        return true;
      case 'h':
        recall(number(1));
        return true;
      case 'j':
        recall(number(4));
        return true;
      default:
        return false;
    }
  }

  /// Handles instructions that make a number, a text or a placeholder for one; false for all
  /// others.
  bool push_plain(int opcode) {
    switch (opcode) {
      case 'N':  // None
        push_empty(Kind::kOther);
        return true;
      case 0x88:  // True
      case 0x89:  // False
        push_integer(opcode == 0x88);
        return true;
      case 'G':  // float
        push_other(8);
        return true;
      case 'C':  // bytes
        push_other(number(1));
        return true;
      case 'B':
        push_other(number(4));
        return true;
      case 0x8e:
      case 0x96:
        push_other(number(8));
        return true;
      case 'J':
        push_integer(static_cast<std::int32_t>(number(4)));
        return true;
      case 'K':
        push_integer(static_cast<std::int64_t>(number(1)));
        return true;
      case 'M':
        push_integer(static_cast<std::int64_t>(number(2)));
        return true;
      case 0x8a:
        push_long(number(1));
        return true;
      case 0x8b:
        push_long(number(4));
        return true;
      case 'X':
      case 'T':  // of Python 2
        push_text(number(4));
        return true;
      case 'U':
      case 0x8c:
        push_text(number(1));
        return true;
      case 0x8d:
        push_text(number(8));
        return true;
      default:
        return false;
    }
  }

  /// Instructions that put values together.
  void push_compound(int opcode) {
    switch (opcode) {
      case ')':
        return push_tuple({});
      case 't':
        return push_tuple(since_mark());
      case 0x85:
      case 0x86:
      case 0x87:
        return push_tuple(pop_many(static_cast<std::size_t>(opcode - 0x84)));
      case ']':
        return push_empty(Kind::kList);
      case 'a': {
        const Index value = pop();
        return extend(Kind::kList, std::span(&value, 1));
      }
      case 'e':
        return extend(Kind::kList, since_mark());
      case '}':
        return push_empty(Kind::kDict);
      case 's':
        return extend(Kind::kDict, pop_many(2));
      case 'u':
        return extend(Kind::kDict, since_mark());
      case 0x8f:  // an empty set
        return push_object("set");
      case 0x90:  // values of a set
        return extend(Kind::kObject, since_mark());
      case 0x91:
        since_mark();
        return push_object("frozenset");
      case 'c': {
        const std::string module = line();
        return push_global(module + " " + line());
      }
      case 0x93: {
        const auto names = pop_many(2);
        if (node(names[0]).kind != Kind::kText || node(names[1]).kind != Kind::kText) {
          refuse("refers to a name that is not text");
        }
        return push_global(node(names[0]).text + " " + node(names[1]).text);
      }
      case 'R':
      case 0x81:  // NEWOBJ
        return reduce(pop_many(2));
      case 0x92: {  // NEWOBJ_EX, with named arguments
        auto values = pop_many(3);
        values.pop_back();
        return reduce(values);
      }
      case 'b':
        return build();
      case 'Q':
        return push_storage(pop());
      default:
        refuse(fmt::format("uses the instruction 0x{:02x}, which no checkpoint of tensors needs",
                           opcode));
    }
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) refuse("is cut off");
    const auto taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const auto field = take(width);
    for (std::size_t i = 0; i < width; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(field[i])) << (8 * i);
    }
    return value;
  }
  std::string line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("is cut off");
    std::string text(take(end - at_));
    ++at_;
    return text;
  }

  void check_count(std::size_t count) const {
    if (count >= kMaxValues) refuse(fmt::format("has more than {} values", kMaxValues));
  }
  PickleNode& node(Index index) { return pickle_.nodes[index]; }
  void push_index(Index index) {
    check_count(stack_.size());
    stack_.push_back(index);
  }
  void push(PickleNode value) {
    check_count(pickle_.nodes.size());
    pickle_.nodes.push_back(std::move(value));
    push_index(static_cast<Index>(pickle_.nodes.size() - 1));
  }
  Index pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back())) {
      refuse("takes a value from an empty stack");
    }
    const Index index = stack_.back();
    stack_.pop_back();
    return index;
  }
  /// The last `count` values, in the order in which they were pushed.
  std::vector<Index> pop_many(std::size_t count) {
    std::vector<Index> values(count);
    for (std::size_t i = count; i > 0; --i) values[i - 1] = pop();
    return values;
  }
  std::vector<Index> since_mark() {
    if (marks_.empty()) refuse("takes values up to a missing mark");
    const auto mark = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Index> values(mark, stack_.end());
    stack_.erase(mark, stack_.end());
    marks_.pop_back();
    return values;
  }
  PickleNode& peek(std::string_view purpose) {
    if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back())) {
      refuse(fmt::format("has no value on its stack {}", purpose));
    }
    return node(stack_.back());
  }

  void push_empty(Kind kind) {
    PickleNode made;
    made.kind = kind;
    push(std::move(made));
  }
  void push_integer(std::int64_t value) {
    PickleNode made;
    made.kind = Kind::kInteger;
    made.integer = value;
    push(std::move(made));
  }
  void push_other(std::uint64_t bytes) {
    take(bytes);
    push_empty(Kind::kOther);
  }
  void push_object(std::string name) {
    PickleNode made;
    made.kind = Kind::kObject;
    made.text = std::move(name);
    push(std::move(made));
  }
  /// No tensor needs an integer of more than 8 bytes.
  void push_long(std::uint64_t bytes) {
    const auto width = static_cast<std::size_t>(bytes);
    if (width > 8) return push_other(width);
    std::uint64_t value = number(width);
    if (width > 0 && width < 8 && (value >> (8 * width - 1) & 1) != 0) {
      value |= ~std::uint64_t{0} << (8 * width);
    }
    push_integer(static_cast<std::int64_t>(value));
  }
  void push_text(std::uint64_t bytes) {
    PickleNode made;
    made.kind = Kind::kText;
    made.text = take(bytes);
    push(std::move(made));
  }
  void push_tuple(std::vector<Index> children) {
    PickleNode made;
    made.kind = Kind::kTuple;
    made.children = std::move(children);
    push(std::move(made));
  }
  void push_global(std::string name) {
    if (is_harmful(name)) {
      fail(
          ErrorKind::kCorrupt,
          "cannot read {}: its pickle refers to \"{}\", which runs programs or code and is not "
          "needed by any checkpoint; nothing has been run (near byte {})\n  the file is malicious: "
          "delete it, and get the model from its maker",
          what_, printable(name), at_);
    }
    PickleNode made;
    made.kind = Kind::kGlobal;
    made.text = std::move(name);
    push(std::move(made));
  }
  void extend(Kind kind, std::span<const Index> values) {
    PickleNode& container = peek("to add values to");
    if (container.kind == Kind::kObject) return;
    if (container.kind != kind || (kind == Kind::kDict && values.size() % 2 != 0)) {
      refuse("adds values to something that cannot hold them");
    }
    container.children.insert(container.children.end(), values.begin(), values.end());
  }
  void remember(std::uint64_t slot) {
    peek("to remember");
    check_count(memo_.size());
    memo_[slot] = stack_.back();
  }
  void recall(std::uint64_t slot) {
    const auto place = memo_.find(slot);
    if (place == memo_.end()) refuse("recalls a value that was never remembered");
    push_index(place->second);
  }

  /// BUILD sets attributes. state_dict() sets one on its OrderedDict, "_metadata", which no weight
  /// depends on.
  void build() {
    const Index state = pop();
    if (peek("to set attributes of").kind == Kind::kObject) return;
    if (node(state).kind != Kind::kDict || peek("to set attributes of").kind != Kind::kDict) {
      refuse("sets attributes of something other than a dict");
    }
  }

  /// The call of a name with a tuple of arguments.
  void reduce(const std::vector<Index>& call) {
    const PickleNode& callable = node(call[0]);
    const bool is_name = callable.kind == Kind::kGlobal || callable.kind == Kind::kObject;
    if (!is_name || node(call[1]).kind != Kind::kTuple) {
      refuse("calls something that is not a name");
    }
    const std::string name = callable.text;
    if (callable.kind == Kind::kObject || !is_known(name)) return push_object(name);
    const std::vector<Index> values = node(call[1]).children;
    if (name == kRebuildTensor) return push_tensor(values);
    if (name == kRebuildParameter && values.size() >= 2 &&
        (node(values[0]).kind == Kind::kTensor || node(values[0]).kind == Kind::kObject)) {
      return push_index(values[0]);
    }
    if (name == kOrderedDict && values.empty()) {
      return push_empty(Kind::kDict);
    }
    if (name == kSize && values.size() == 1) return push_index(values[0]);
    refuse(fmt::format("calls \"{}\" with arguments that torch.save never writes", name));
  }

  /// A persistent id: ("storage", its class, its key, its device, its number of elements). torch
  /// before 1.6 adds None for a storage that is not part of another one.
  void push_storage(Index id) {
    const std::vector<Index> values =
        node(id).kind == Kind::kTuple ? node(id).children : std::vector<Index>();
    if (!values.empty() && node(values[0]).text == "module") return push_object("module");
    const bool fits =
        (values.size() == 5 || (values.size() == 6 && node(values[5]).kind == Kind::kOther)) &&
        node(values[0]).text == "storage" && node(values[1]).kind == Kind::kGlobal &&
        node(values[2]).kind == Kind::kText && node(values[4]).kind == Kind::kInteger &&
        node(values[4]).integer >= 0;
    if (!fits) refuse("refers to a storage in a way that torch.save does not");
    const std::optional<DType> dtype = storage_dtype(node(values[1]).text);
    if (!dtype) return push_object(node(values[1]).text);
    PickleNode made;
    made.kind = Kind::kStorage;
    made.dtype = *dtype;
    made.text = node(values[2]).text;
    made.integer = node(values[4]).integer;
    push(std::move(made));
  }

  /// (storage, offset, sizes, strides, ...); the rest concerns gradients.
  void push_tensor(const std::vector<Index>& values) {
    if (!values.empty() && node(values[0]).kind == Kind::kObject)
      return push_object(node(values[0]).text);
    const bool fits = values.size() >= 4 && node(values[0]).kind == Kind::kStorage &&
                      node(values[1]).kind == Kind::kInteger &&
                      node(values[2]).kind == Kind::kTuple && node(values[3]).kind == Kind::kTuple;
    if (!fits) refuse("makes a tensor in a way that torch.save does not");
    PickleNode made;
    made.kind = Kind::kTensor;
    made.children = {values[0]};
    made.integer = node(values[1]).integer;
    made.sizes = integers(values[2]);
    made.strides = integers(values[3]);
    if (made.sizes.size() != made.strides.size()) {
      refuse("makes a tensor with different numbers of sizes and strides");
    }
    push(std::move(made));
  }
  std::vector<std::int64_t> integers(Index tuple) {
    if (node(tuple).children.size() > Shape::kMaxRank) {
      refuse(fmt::format("makes a tensor of more than {} axes", Shape::kMaxRank));
    }
    std::vector<std::int64_t> values;
    for (Index child : node(tuple).children) {
      if (node(child).kind != Kind::kInteger)
        refuse("makes a tensor with a size that is not a number");
      values.push_back(node(child).integer);
    }
    return values;
  }

  std::string_view what_;
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool done_ = false;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Index> memo_;
  Pickle pickle_;
};

}  // namespace

Pickle read_pickle(std::string_view what, std::string_view bytes) {
  return Reader(what, bytes).read();
}

}  // namespace semblance
