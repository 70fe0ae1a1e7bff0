#include "onnx/model.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <set>

#include "core/error.h"
#include "core/other_content.h"
#include "onnx.pb.h"
#include "onnx/file_stream.h"
#include "onnx/tensor_reader.h"

namespace semblance {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Far above any face model (a few hundred nodes), far below what would do harm.
constexpr int kMostNodes = 65536;
constexpr int kMostNodeBytes = 4 << 20;
constexpr int kMostBytesOfNodes = 64 << 20;
constexpr int kMostDeclarations = 4096;
constexpr int kMostDeclarationBytes = 64 << 10;

class Reader {
 public:
  explicit Reader(std::shared_ptr<const File> file)
      : file_(std::move(file)), input_(*file_, 0, file_->size()), stream_(&input_) {}

  OnnxModel read() {
    model_.name = file_->name();
    bool has_graph = false;
    while (const std::uint32_t tag = next_tag()) {
      const int field = field_of(tag);
      if (field == 7) {
        if (has_graph) corrupt("it has two graphs");
        has_graph = true;
        with_message(INT32_MAX, "the graph", [this] { read_graph(); });
      } else if (field == 8) {
        onnx::OperatorSetIdProto set;
        parse(set, kMostDeclarationBytes, "an operator set");
        if (set.domain().empty() || set.domain() == "ai.onnx") model_.opset = set.version();
      } else if (field == 25) {
        unsupported("it defines functions of its own; export it without them");
      } else {
        skip(tag);
      }
    }
    if (!has_graph) corrupt("it has no graph: it is not an ONNX model");
    drop_initializers_from_inputs();
    return std::move(model_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kCorrupt, "cannot read {}: {}", file_->name(),
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kArgument, "cannot use {}: {}", file_->name(),
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::uint32_t next_tag() {
    const std::uint32_t tag = stream_.ReadTag();
    if (tag == 0 && !stream_.ConsumedEntireMessage())
      corrupt("it is truncated or not an ONNX file");
    return tag;
  }
  // The field's number, or 0 unless it is length-delimited, as all fields known here are.
  int field_of(std::uint32_t tag) const {
    const bool delimited =
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    return delimited ? WireFormatLite::GetTagFieldNumber(tag) : 0;
  }
  void skip(std::uint32_t tag) {
    if (!WireFormatLite::SkipField(&stream_, tag)) corrupt("it is truncated or not an ONNX file");
  }

  // Reads a length and calls f with the stream limited to it.
  template <typename F>
  int with_message(int most_bytes, std::string_view what, F&& f) {
    int bytes = 0;
    if (!stream_.ReadVarintSizeAsInt(&bytes)) corrupt("it is truncated in {}", what);
    if (bytes > most_bytes)
      corrupt("{} has {} bytes, at most {} are allowed", what, bytes, most_bytes);
    if (static_cast<std::uint64_t>(bytes) >
        file_->size() - static_cast<std::uint64_t>(stream_.CurrentPosition()))
      corrupt("{} extends past the end of the file", what);
    const auto limit = stream_.PushLimit(bytes);
    f();
    if (!stream_.ConsumedEntireMessage() || stream_.BytesUntilLimit() != 0)
      corrupt("{} does not end where its length says", what);
    stream_.PopLimit(limit);
    return bytes;
  }
  template <typename Message>
  int parse(Message& message, int most_bytes, std::string_view what) {
    return with_message(most_bytes, what, [&] {
      if (!message.MergePartialFromCodedStream(&stream_)) corrupt("{} is malformed", what);
    });
  }

  void read_graph() {
    while (const std::uint32_t tag = next_tag()) {
      const int field = field_of(tag);
      if (field == 1) {
        read_node();
      } else if (field == 5) {
        read_initializer();
      } else if (field == 11) {
        read_declaration(model_.inputs, "an input");
      } else if (field == 12) {
        read_declaration(model_.outputs, "an output");
      } else if (field == 15) {
        unsupported("it has sparse initializers; export them as plain tensors");
      } else {
        skip(tag);
      }
    }
  }

  void read_node() {
    onnx::NodeProto message;
    node_bytes_ += parse(message, kMostNodeBytes, "a node");
    if (model_.nodes.size() >= kMostNodes || node_bytes_ > kMostBytesOfNodes)
      corrupt("it has more than {} nodes or {} bytes of them", kMostNodes, kMostBytesOfNodes);
    OnnxNode node;
    node.op = message.op_type();
    node.domain = message.domain() == "ai.onnx" ? "" : message.domain();
    node.name = message.name();
    node.inputs = {message.input().begin(), message.input().end()};
    node.outputs = {message.output().begin(), message.output().end()};
    for (const onnx::AttributeProto& attribute : message.attribute()) {
      if (!node.attributes.emplace(attribute.name(), read_attribute(attribute, node)).second)
        corrupt("node '{}' ({}) has attribute {} twice", node.name, node.op, attribute.name());
    }
    model_.nodes.push_back(std::move(node));
  }

  OnnxAttribute read_attribute(const onnx::AttributeProto& attribute, const OnnxNode& node) const {
    if (attribute.has_ref_attr_name())
      unsupported("node '{}' ({}) refers to a function's attribute", node.name, node.op);
    switch (attribute.type()) {
      case 1:
        return attribute.f();
      case 2:
        return attribute.i();
      case 3:
        return attribute.s();
      case 4:
        return tensor_of(attribute.t(), fmt::format("attribute {} of node '{}' ({})",
                                                    attribute.name(), node.name, node.op));
      case 6:
        return std::vector<float>(attribute.floats().begin(), attribute.floats().end());
      case 7:
        return std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end());
      default:
        return std::monostate{};
    }
  }

  void read_initializer() {
    if (model_.initializers.size() >= kMostNodes)
      corrupt("it has more than {} initializers", kMostNodes);
    with_message(INT32_MAX, "an initializer", [this] {
      auto [name, tensor] = walk_tensor(stream_, file_, 0);
      if (name.empty()) corrupt("an initializer has no name");
      if (model_.initializers.find(name) != nullptr) corrupt("it has initializer '{}' twice", name);
      model_.initializers.add(std::move(name), tensor);
    });
  }

  void read_declaration(std::vector<OnnxValueInfo>& list, std::string_view what) {
    onnx::ValueInfoProto message;
    parse(message, kMostDeclarationBytes, what);
    // Old exports declare every initializer as an input too.
    if (list.size() >=
        static_cast<std::size_t>(kMostDeclarations) + model_.initializers.size() + kMostNodes)
      corrupt("it declares too many inputs or outputs");
    OnnxValueInfo info;
    info.name = message.name();
    if (info.name.empty()) corrupt("{} has no name", what);
    if (!message.type().has_tensor_type()) {
      unsupported("{} '{}' is not a tensor", what, info.name);
    }
    const onnx::TypeProto::Tensor& type = message.type().tensor_type();
    info.dtype = onnx_dtype(type.elem_type(), fmt::format("{} '{}'", what, info.name));
    info.has_shape = type.has_shape();
    for (const auto& size : type.shape().dim()) {
      // Exporters write -1, 0 or a name for a variable size.
      const bool fixed = size.has_dim_value() && size.dim_value() > 0;
      info.sizes.push_back(fixed ? std::optional(size.dim_value()) : std::nullopt);
    }
    list.push_back(std::move(info));
  }

  void drop_initializers_from_inputs() {
    std::erase_if(model_.inputs, [this](const OnnxValueInfo& info) {
      return model_.initializers.find(info.name) != nullptr;
    });
    std::set<std::string_view> names;
    for (const auto& list : {&model_.inputs, &model_.outputs}) {
      names.clear();
      for (const OnnxValueInfo& info : *list) {
        if (!names.insert(info.name).second) corrupt("it declares '{}' twice", info.name);
      }
    }
    if (model_.inputs.size() > kMostDeclarations || model_.outputs.size() > kMostDeclarations)
      corrupt("it declares more than {} inputs or outputs", kMostDeclarations);
  }

  std::shared_ptr<const File> file_;
  FileStream input_;
  CodedInputStream stream_;
  OnnxModel model_;
  int node_bytes_ = 0;
};

void check_content(const File& file) {
  if (file.size() > static_cast<std::uint64_t>(INT32_MAX)) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: it has {} bytes, an ONNX file (a protobuf message) has less than 2^31",
         file.name(), file.size());
  }
  std::string head(std::min<std::uint64_t>(file.size(), kContentBytes), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  refuse_other_content(file.name(), "an ONNX model", head);
}

}  // namespace

OnnxModel open_onnx(std::shared_ptr<const File> file) {
  check_content(*file);
  return Reader(std::move(file)).read();
}

std::pair<std::string, StoredTensor> open_onnx_tensor(const std::shared_ptr<const File>& file) {
  check_content(*file);
  FileStream input(*file, 0, file->size());
  CodedInputStream stream(&input);
  return walk_tensor(stream, file, 0);
}

}  // namespace semblance
