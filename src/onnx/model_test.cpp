// Hostile and unusual ONNX files, and the messages they lead to.
#include "onnx/model.h"

#include <gtest/gtest.h>

#include <span>

#include "onnx/constant.h"
#include "onnx/onnx_test.h"
#include "tests/support/errors.h"
#include "tests/support/failing_file.h"

namespace semblance::testing {
namespace {

// A protobuf message as bytes: enough to write ONNX files that no exporter would produce.
class Message {
 public:
  Message& number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  Message& real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

Message value_info(const std::string& name, std::vector<std::uint64_t> sizes, int dtype = 1) {
  Message shape;
  for (const std::uint64_t size : sizes) shape.message(1, Message().number(1, size));
  const Message tensor = Message().number(1, static_cast<std::uint64_t>(dtype)).message(2, shape);
  return Message().text(1, name).message(2, Message().message(1, tensor));
}

Message node(const std::string& op, std::vector<std::string> inputs, const std::string& output) {
  Message message;
  for (const std::string& input : inputs) message.text(1, input);
  return message.text(2, output).text(3, "the_node").text(4, op);
}

Message tensor(const std::string& name, std::vector<std::uint64_t> sizes,
               const std::vector<float>& values) {
  Message message;
  for (const std::uint64_t size : sizes) message.number(1, size);
  const std::string_view raw(reinterpret_cast<const char*>(values.data()), values.size() * 4);
  return message.number(2, 1).text(8, name).text(9, raw);
}

Message integers(const std::string& name, const std::vector<std::uint64_t>& values) {
  Message message = Message().number(1, values.size()).number(2, 7).text(8, name);
  for (const std::uint64_t value : values) message.number(7, value);
  return message;
}

Message attribute(const std::string& name, std::int64_t value) {
  return Message().text(1, name).number(3, static_cast<std::uint64_t>(value)).number(20, 2);
}

// A model x [1,2,4,4] -> y with the given parts of a graph.
Message model(Message graph, std::uint64_t opset = 11) {
  graph.message(11, value_info("x", {1, 2, 4, 4})).message(12, value_info("y", {}));
  return Message().number(1, 6).message(7, graph).message(8, Message().number(2, opset));
}

std::shared_ptr<const File> file_of(const std::string& bytes) {
  const auto copied = std::as_bytes(std::span(bytes));
  return memory_file("face.onnx", {copied.begin(), copied.end()});
}

void expect_refused(ErrorKind kind, const std::string& part, const Message& message,
                    const std::map<std::string, Shape>& shapes = {}) {
  const std::string text =
      expect_error(kind, part, [&] { import_onnx(open_onnx(file_of(message.bytes())), shapes); });
  EXPECT_NE(text.find("face.onnx"), std::string::npos) << text;
}

Message relu() { return Message().message(1, node("Relu", {"x"}, "y")); }

TEST(OnnxFile, ASmallModelRuns) {
  const OnnxModel opened = open_onnx(file_of(model(relu()).bytes()));
  EXPECT_EQ(opened.opset, 11);
  Array x{Shape{1, 2, 4, 4}, std::vector<float>(32, -1.0F)};
  x.values[5] = 2.0F;
  std::vector<float> want(32, 0.0F);
  want[5] = 2.0F;
  EXPECT_EQ(run_model(opened, {{"x", x}}).at("y").values, want);
}

TEST(OnnxFile, EveryTruncationIsRejected) {
  const std::string bytes = model(Message()
                                      .message(1, node("Conv", {"x", "w"}, "y"))
                                      .message(5, tensor("w", {1, 2, 1, 1}, {1, 2})))
                                .bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE(size);
    EXPECT_THROW(import_onnx(open_onnx(file_of(bytes.substr(0, size))), {}), Error);
  }
}

TEST(OnnxFile, NamesOtherKindsOfFiles) {
  EXPECT_EQ(error_of([] { open_onnx(file_of("version https://git-lfs.github.com/spec/v1\n")); }),
            "corrupt: cannot read face.onnx: expected an ONNX model, got a Git LFS pointer to it\n"
            "  fetch the file itself: git lfs pull");
  EXPECT_NE(error_of([] { open_onnx(file_of("<!doctype html><html>")); }).find("got a web page"),
            std::string::npos);
}

TEST(OnnxFile, AFailingDiskIsReported) {
  const auto file = file_of(model(relu()).bytes());
  EXPECT_EQ(error_of([&] { open_onnx(std::make_shared<FailingFile>(file, 10)); }),
            "device: cannot read face.onnx: Input/output error");
}

TEST(OnnxFile, WeightsStayInTheFile) {
  const std::string bytes = model(Message()
                                      .message(1, node("Conv", {"x", "w"}, "y"))
                                      .message(5, tensor("w", {1, 2, 1, 1}, {1, 2})))
                                .bytes();
  const auto file = file_of(bytes);
  const OnnxModel opened = open_onnx(file);
  EXPECT_EQ(opened.initializers.find("w")->file, file);
}

TEST(OnnxFile, PackedFloatsStayInTheFileAndIntegersDoNot) {
  const float values[] = {1, 2, 3};
  const std::string_view raw(reinterpret_cast<const char*>(values), sizeof(values));
  const auto file = file_of(Message().number(1, 3).number(2, 1).text(8, "w").text(4, raw).bytes());
  const StoredTensor stored = open_onnx_tensor(file).second;
  EXPECT_EQ(stored.file, file);
  EXPECT_EQ(array_of(stored).values, (std::vector<float>{1, 2, 3}));
  const auto loose =
      file_of(Message().number(1, 2).number(2, 1).text(8, "w").real(4, 1.0F).real(4, 2.0F).bytes());
  EXPECT_EQ(array_of(open_onnx_tensor(loose).second).values, (std::vector<float>{1, 2}));
  const StoredTensor list = open_onnx_tensor(file_of(integers("i", {7, 8}).bytes())).second;
  EXPECT_EQ(load(list).integers(), (std::vector<std::int64_t>{7, 8}));
}

TEST(OnnxFile, RejectsInvalidFiles) {
  const ErrorKind corrupt = ErrorKind::kCorrupt;
  expect_refused(corrupt, "it is not an ONNX model", Message());
  expect_refused(corrupt, "it has two graphs", Message().message(7, relu()).message(7, relu()));
  expect_refused(
      corrupt, "does not say which operator set",
      Message().message(
          7, Message(relu()).message(11, value_info("x", {1})).message(12, value_info("y", {1}))));
  expect_refused(ErrorKind::kArgument, "uses operator set 18, expected 7 to 17", model(relu(), 18));
  expect_refused(ErrorKind::kArgument, "functions of its own",
                 model(relu()).message(25, Message()));
  expect_refused(ErrorKind::kArgument, "sparse initializers", model(relu().message(15, Message())));
  expect_refused(corrupt, "has no outputs",
                 Message().message(7, relu()).message(8, Message().number(2, 11)));
}

TEST(OnnxFile, RejectsInvalidTensors) {
  const auto with = [](const Message& initializer) {
    return model(Message().message(1, node("Conv", {"x", "w"}, "y")).message(5, initializer));
  };
  const ErrorKind corrupt = ErrorKind::kCorrupt;
  const auto refused = [&](ErrorKind kind, const std::string& part, const Message& initializer) {
    expect_error(kind, part, [&] { open_onnx(file_of(with(initializer).bytes())); });
  };
  refused(corrupt, "[1,2,1,1] of f32 take 8 bytes, the file has 12",
          tensor("w", {1, 2, 1, 1}, {1, 2, 3}));
  refused(corrupt, "take 0 bytes", tensor("w", {0}, {1}));
  refused(corrupt, "cannot be negative", tensor("w", {~0ULL}, {1}));
  refused(corrupt, "2^48", tensor("w", {1ULL << 40, 1ULL << 40}, {1}));
  refused(ErrorKind::kArgument, "7 axes", tensor("w", {1, 1, 1, 1, 1, 1, 1}, {1}));
  refused(ErrorKind::kArgument, "in another file (external data)",
          Message().number(1, 1).number(2, 1).text(8, "w").number(14, 1));
  refused(ErrorKind::kArgument, "ONNX's number 8", Message().number(2, 8).text(8, "w"));
  refused(corrupt, "has no name", tensor("", {1}, {1}));
  refused(corrupt, "in several fields", tensor("w", {2}, {1}).text(9, "abcd"));
  const Message twice =
      model(Message().message(5, tensor("w", {1}, {1})).message(5, tensor("w", {1}, {1})));
  expect_error(corrupt, "'w' twice", [&] { open_onnx(file_of(twice.bytes())); });
}

TEST(OnnxGraph, RejectsBrokenGraphs) {
  const ErrorKind corrupt = ErrorKind::kCorrupt;
  expect_refused(corrupt, "reads 'z', which no earlier node makes",
                 model(Message().message(1, node("Relu", {"z"}, "y"))));
  expect_refused(corrupt, "which no earlier node makes",  // a cycle
                 model(Message()
                           .message(1, node("Add", {"x", "b"}, "a"))
                           .message(1, node("Relu", {"a"}, "b"))
                           .message(1, node("Relu", {"b"}, "y"))));
  expect_refused(corrupt, "makes 'y', which already exists",
                 model(relu().message(1, node("Relu", {"x"}, "y"))));
  expect_refused(corrupt, "no node makes output 'y'", model(Message()));
  expect_refused(corrupt, "declares 'x' twice", model(relu().message(11, value_info("x", {1}))));
  expect_refused(corrupt, "it needs input 1, which is not given",
                 model(Message().message(1, node("Add", {"x"}, "y"))));
}

TEST(OnnxGraph, NamesUnsupportedFeatures) {
  const ErrorKind argument = ErrorKind::kArgument;
  expect_refused(argument, "node 'the_node' (LSTM) of operator set 11 is not supported",
                 model(Message().message(1, node("LSTM", {"x"}, "y"))));
  expect_refused(argument, "of operator set com.microsoft along with 11",
                 model(Message().message(1, node("Relu", {"x"}, "y").text(7, "com.microsoft"))));
  expect_refused(
      argument, "attribute magic is not supported",
      model(Message().message(1, node("Relu", {"x"}, "y").message(5, attribute("magic", 1)))));
  expect_refused(argument, "is used for more than its first output",
                 model(Message().message(1, node("Dropout", {"x"}, "a").text(2, "y"))));
  expect_refused(argument, "depends on the values of the graph's inputs",
                 model(Message().message(1, node("Reshape", {"x", "x"}, "y"))));
  expect_refused(argument, "only float inputs may change",
                 model(Message()
                           .message(1, node("Gather", {"x", "i"}, "y"))
                           .message(11, value_info("i", {1}, 7))));
  expect_refused(ErrorKind::kShape, "'the_node' (Conv): conv2d: x's channels must be the weight's",
                 model(Message()
                           .message(1, node("Conv", {"x", "w"}, "y"))
                           .message(5, tensor("w", {1, 3, 1, 1}, {1, 2, 3}))));
  expect_refused(
      ErrorKind::kCorrupt, "attribute group has the wrong type",
      model(Message()
                .message(1, node("Conv", {"x", "w"}, "y")
                                .message(5, Message().text(1, "group").real(2, 1.0F).number(20, 1)))
                .message(5, tensor("w", {1, 2, 1, 1}, {1, 2}))));
}

TEST(OnnxGraph, ChecksInputShapes) {
  expect_refused(ErrorKind::kShape, "input 'x' is declared [1,2,4,4], got [1,2,8,8]", model(relu()),
                 {{"x", Shape{1, 2, 8, 8}}});
  expect_refused(ErrorKind::kArgument, "it has no input 'z', its inputs are x", model(relu()),
                 {{"z", Shape{1}}});
  const Message free =
      Message()
          .number(1, 6)
          .message(8, Message().number(2, 11))
          .message(
              7,
              relu().message(11, value_info("x", {0, 2, 0, 0})).message(12, value_info("y", {})));
  expect_refused(ErrorKind::kArgument, "input 'x' is declared [?,2,?,?], its shape must be given",
                 free);
  EXPECT_EQ(
      import_onnx(open_onnx(file_of(free.bytes())), {{"x", Shape{3, 2, 5, 7}}}).inputs[0].shape,
      (Shape{3, 5, 7, 2}));
}

TEST(OnnxGraph, LimitsTheCostOfFolding) {
  Message graph = Message().message(5, integers("sizes", {1 << 11, 1 << 11}));
  for (int i = 0; i < 100; ++i)
    graph.message(1, node("ConstantOfShape", {"sizes"}, "c" + std::to_string(i)));
  Message join = Message().text(4, "Concat").message(5, attribute("axis", 0)).text(2, "joined");
  for (int i = 0; i < 100; ++i) join.text(1, "c" + std::to_string(i));
  graph.message(1, join).message(1, node("Add", {"x", "joined"}, "y"));
  expect_refused(ErrorKind::kArgument, "more than 67108864 bytes of constants", model(graph));
  expect_refused(ErrorKind::kArgument, "has more than 4194304 elements",
                 model(Message()
                           .message(5, integers("sizes", {1 << 12, 1 << 12}))
                           .message(1, node("ConstantOfShape", {"sizes"}, "c"))
                           .message(1, node("Add", {"x", "c"}, "y"))));
}

TEST(TransposedMatrix, ReadsAnyRangeOfItsBytes) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const StoredTensor matrix = store(constant_of(DType::kF32, Shape{2, 3}, values), "m");
  const StoredTensor result = turned_matrix(matrix);
  EXPECT_EQ(result.shape, (Shape{3, 2}));
  const std::vector<float> want{1, 4, 2, 5, 3, 6};
  const auto* bytes = reinterpret_cast<const std::byte*>(want.data());
  for (std::size_t begin = 0; begin <= 24; ++begin) {
    for (std::size_t end = begin; end <= 24; ++end) {
      std::vector<std::byte> got(end - begin);
      result.file->read(begin, got);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), bytes + begin));
    }
  }
  std::vector<std::byte> beyond(8);
  EXPECT_THROW(result.file->read(20, beyond), Error);
  EXPECT_EQ(array_of(turned_matrix(result)).values, values);
}

}  // namespace
}  // namespace semblance::testing
