#include "weights/torch_zip.h"

#include <random>

#include "tests/support/sanitized.h"
#include "weights/pickle.h"
#include "weights/weights_test.h"

namespace semblance {
namespace {

using testing::FailingFile;
using testing::file_of;
using testing::little_endian;

std::string golden_bytes(const std::string& name) {
  return read_small_file(testing::golden_path("weights/" + name), 1 << 20);
}
auto reading(const std::string& name) {
  return [name] { read_torch_zip(open_file(testing::golden_path("weights/" + name))); };
}

/// Replaces the first occurrence by a part of the same length.
std::string with(std::string bytes, std::string_view old_part, std::string_view new_part) {
  const auto at = bytes.find(old_part);
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(old_part.size(), new_part.size());
  return bytes.replace(at, old_part.size(), new_part);
}
auto reading_bytes(const std::string& bytes) {
  return [bytes] { read_torch_zip(file_of(bytes)); };
}

TEST(TorchZip, ReadsNestedDictsSharedStoragesParametersAndEveryType) {
  for (const char* name : {"nested_2.bin", "nested_4.bin", "nested_5.bin"}) {
    SCOPED_TRACE(name);
    const auto weights = read_torch_zip(open_file(testing::golden_path("weights") / name));
    testing::expect_golden(weights, "nested.bin");
  }
}

TEST(TorchZip, ReadsAnArchiveFromAnotherZipWriter) {
  for (const char* name : {"plain.bin", "repacked.bin"}) {
    const auto weights = read_torch_zip(open_file(testing::golden_path("weights") / name));
    ASSERT_EQ(weights.size(), 1U);
    EXPECT_EQ(testing::values_of(*weights.find("a")), (std::vector<float>{-3, -2, -1, 0}));
  }
}

TEST(TorchZip, NamesFilesThatAreNotCheckpoints) {
  EXPECT_ERROR(reading("torchscript.bin"), "got a TorchScript archive");
  EXPECT_ERROR(reading("torchscript.bin"), "save it again with torch.save(model.state_dict())");
  EXPECT_ERROR(reading("compressed.bin"), "its entry plain/byteorder is compressed or encrypted");
  EXPECT_ERROR(reading("big_endian.bin"), "its numbers are big-endian");
  EXPECT_ERROR(reading("no_pickle.bin"), "it has no data.pkl");
  EXPECT_ERROR(reading("bare_tensor.bin"), "expected a dict of names and tensors");
  EXPECT_ERROR(reading("transposed.bin"), "tensor deep.turned is not stored in row-major order");
  EXPECT_ERROR(
      reading("module.bin"),
      "expected a dict of names and tensors, got an object (torch.nn.modules.linear Linear)");
  EXPECT_ERROR(reading("legacy.bin"), "it has no zip directory at its end");
}

TEST(TorchZip, RejectsHostilePicklesByName) {
  EXPECT_ERROR(reading("hostile_system.bin"),
               "refers to \"posix system\", which runs programs or code and is not needed by any "
               "checkpoint; nothing has been run");
  EXPECT_ERROR(reading("hostile_system.bin"), "delete it, and get the model from its maker");
  EXPECT_ERROR(reading("hostile_stack_global.bin"), "refers to \"posix system\"");
  EXPECT_ERROR(reading("hostile_eval.bin"), "refers to \"__builtin__ eval\"");
  EXPECT_ERROR(reading("hostile_persistent_id.bin"),
               "refers to a storage in a way that torch.save does not");
}

TEST(TorchZip, ReadsTheTensorsOfATrainersCheckpoint) {
  for (const char* name : {"trainer_2.ckpt", "trainer_4.ckpt", "trainer_twice.ckpt"}) {
    SCOPED_TRACE(name);
    const auto path = testing::golden_path("weights/formats") / name;
    testing::expect_f32(read_torch_zip(open_file(path)), "formats/trainer.ckpt");
  }
}

TEST(TorchZip, RejectsATruncatedArchiveAtEveryLength) {
  const std::string whole = golden_bytes("plain.bin");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_ERROR(reading_bytes(whole.substr(0, length)), "corrupt: cannot read made.file");
  }
}

TEST(TorchZip, RejectsAWrongDirectory) {
  const std::string whole = golden_bytes("repacked.bin");
  const auto entry = whole.find("PK\1\2");
  const auto end = whole.find("PK\5\6");
  const auto changed = [&](std::size_t at, std::uint64_t value, int width) {
    std::string bytes = whole;
    return bytes.replace(at, static_cast<std::size_t>(width), little_endian(value, width));
  };
  EXPECT_ERROR(reading_bytes(changed(entry, 0, 4)), "entry 0 of its zip directory is invalid");
  EXPECT_ERROR(reading_bytes(changed(entry + 42, 0x7fffffff, 4)), "past the end of the data");
  EXPECT_ERROR(reading_bytes(changed(entry + 42, 1, 4)), "is not at byte 1, where its zip");
  EXPECT_ERROR(reading_bytes(changed(entry + 20, 7, 4)), "compressed or encrypted");
  EXPECT_ERROR(reading_bytes(changed(entry + 28, 0xffff, 2)),
               "a field of its zip directory is cut");
  EXPECT_ERROR(reading_bytes(changed(end + 16, 0x7fffffff, 4)), "its zip directory points to");
  EXPECT_ERROR(reading_bytes(changed(end + 12, 0xfffffff0, 4)), "its zip directory claims");
  EXPECT_ERROR(reading_bytes(changed(end + 10, 0xffff, 2)), "a field of its zip directory is cut");
  EXPECT_ERROR(reading_bytes(changed(end + 4, 1, 2)), "one part of a multi-part zip archive");
  // Both sizes of the pickle enlarged: it would overlap the next entry.
  std::string enlarged = changed(entry + 20, 5000, 4);
  enlarged.replace(entry + 24, 4, little_endian(5000, 4));
  EXPECT_ERROR(reading_bytes(enlarged), "of 5000 bytes is not at byte");
  // Both names of one entry are changed.
  std::string twice = whole;
  for (std::size_t at = 0; (at = twice.find("plain/version", at)) != std::string::npos; ++at) {
    twice.replace(at, 13, "plain/.data/s");
  }
  EXPECT_ERROR(reading_bytes(twice), "no error");
  // The storage gets another name, but only in the directory.
  std::string renamed = whole;
  renamed.replace(renamed.find("plain/data/0", entry), 12, "plain/data/1");
  EXPECT_ERROR(reading_bytes(renamed), "it has no entry plain/data/0, which its pickle refers to");

  const std::string wide = golden_bytes("plain.bin");  // torch writes zip64
  EXPECT_ERROR(reading_bytes(with(wide, "PK\6\6", "PK\6\5")), "its zip64 end record is not where");
}

TEST(TorchZip, RejectsAWrongTensor) {
  const std::string whole = golden_bytes("repacked.bin");
  // ... "cpu", memo, 4 elements, tuple, memo, persistent id, offset 0, size 4, stride 1 ...
  const std::string storage("cpuq\6K\4tq", 8);
  ASSERT_NE(whole.find(storage), std::string::npos);
  EXPECT_ERROR(reading_bytes(with(whole, storage, std::string("cpuq\6K\5tq", 8))),
               "its entry plain/data/0 has 16 bytes, its pickle says 5 elements of f32");
  const std::string place("QK\0K\4\x85", 6);
  ASSERT_NE(whole.find(place), std::string::npos);
  EXPECT_ERROR(reading_bytes(with(whole, place, std::string("QK\1K\4\x85", 6))),
               "tensor a takes 4 elements from 1 on, its storage has 4");
  EXPECT_ERROR(reading_bytes(with(whole, place, std::string("QK\0K\5\x85", 6))),
               "tensor a takes 5 elements from 0 on, its storage has 4");
}

/// A zip archive with one stored entry.
std::string archive_of(const std::string& name, const std::string& content) {
  const std::string sizes = little_endian(content.size(), 4) + little_endian(content.size(), 4);
  std::string bytes("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
  bytes += sizes + little_endian(name.size(), 4) + name + content;
  const std::size_t directory = bytes.size();
  bytes += std::string("PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20) + sizes;
  bytes += little_endian(name.size(), 2) + std::string(16, '\0') + name;
  const std::size_t directory_bytes = bytes.size() - directory;
  bytes += std::string("PK\5\6\0\0\0\0\1\0\1\0", 12) + little_endian(directory_bytes, 4);
  return bytes + little_endian(directory, 4) + std::string(2, '\0');
}
auto reading_pickle(const std::string& pickle) {
  return reading_bytes(archive_of("a/data.pkl", pickle));
}
/// The instruction that pushes text.
std::string text(const std::string& value) { return "X" + little_endian(value.size(), 4) + value; }

TEST(TorchZip, ReadsAnEmptyDict) { EXPECT_ERROR(reading_pickle("\x80\2}."), "no error"); }

TEST(TorchZip, LimitsTheNamesFromDicts) {
  // A dict that contains itself.
  const std::string circle = std::string("}q\1") + text("k") + "h\1s.";
  EXPECT_ERROR(reading_pickle(circle), "its dicts are nested more than 16 deep");
  // Each dict contains the previous one 16 times: 2^44 names in 2 KB.
  std::string bomb = "}q\1";
  for (char level = 2; level < 13; ++level) {
    bomb += '0';
    bomb += '}';
    for (char name = 'a'; name < 'a' + 16; ++name) {
      bomb += text(std::string(1, name)) + 'h' + static_cast<char>(level - 1) + 's';
    }
    bomb += std::string("q") + level;
  }
  bomb += '.';
  EXPECT_ERROR(reading_pickle(bomb), "it names more than 400000 values");
  const std::string long_name = std::string("}") + text(std::string(5000, 'k')) + "}s.";
  EXPECT_ERROR(reading_pickle(long_name), "longer than 4096 bytes");
  const std::string control = std::string("}") + text("\x1b[2J") + "}s.";
  EXPECT_ERROR(reading_pickle(control), "the name \"?[2J\" has a control character");
  EXPECT_ERROR(reading_bytes(archive_of("\x1b/data.pkl", "")), "the name \"?/data.pkl\" has a");
  EXPECT_ERROR(reading_pickle("}N}s."), "a name in its dicts is neither text nor a number");
}

// Any changed byte leads to tensors inside the file or to an Error.
TEST(TorchZip, SurvivesEveryChangedByte) {
  std::mt19937 random(1);
  for (const char* name : {"plain.bin", "repacked.bin", "nested_2.bin"}) {
    const std::string whole = golden_bytes(name);
    const unsigned turns = whole.size() > 4000 ? 2 : testing::sweep(12);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (unsigned turn = 0; turn < turns; ++turn) {
        std::string changed = whole;
        changed[at] = static_cast<char>(random());
        try {
          for (const auto& [tensor_name, tensor] : read_torch_zip(file_of(changed))) {
            EXPECT_LE(tensor.offset + tensor.bytes(), changed.size());
          }
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
        }
      }
    }
  }
}

TEST(TorchZip, PassesDeviceErrorsThrough) {
  const auto whole = file_of(golden_bytes("plain.bin"));
  EXPECT_ERROR([&] { read_torch_zip(std::make_shared<FailingFile>(whole, 0)); }, "device: ");
}

// Hand-written pickles: c NAME is GLOBAL, q N remembers, h N recalls, ( is a mark, . ends.
auto unpickling(const std::string& bytes) {
  return [bytes] { read_pickle("made.pkl", bytes); };
}

TEST(Pickle, RejectsABrokenStack) {
  EXPECT_ERROR(unpickling(""), "cannot read made.pkl: its pickle is cut off");
  EXPECT_ERROR(unpickling("\x80\x01}."), "has protocol 1, expected 2 to 5");
  EXPECT_ERROR(unpickling("."), "takes a value from an empty stack");
  EXPECT_ERROR(unpickling("N(."), "takes a value from an empty stack");
  EXPECT_ERROR(unpickling("t."), "takes values up to a missing mark");
  EXPECT_ERROR(unpickling("NN."), "ends with values left on its stack");
  EXPECT_ERROR(unpickling("q"), "is cut off");
  EXPECT_ERROR(unpickling("q\1"), "has no value on its stack to remember");
  EXPECT_ERROR(unpickling("h\1"), "recalls a value that was never remembered");
  EXPECT_ERROR(unpickling("NNs"), "has no value on its stack to add values to");
  EXPECT_ERROR(unpickling("](NNu"), "adds values to something that cannot hold them");
  EXPECT_ERROR(unpickling("}(Nu"), "adds values to something that cannot hold them");
  EXPECT_ERROR(unpickling("X\xff\xff\xff\xff"), "is cut off");
  EXPECT_ERROR(unpickling("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "is cut off");
  EXPECT_ERROR(unpickling("\x95\xff\xff\xff\xff\xff\xff\xff\xff"),
               "a frame that extends past its end");
  EXPECT_ERROR(unpickling("\x8a\x09"), "is cut off");
  EXPECT_ERROR(unpickling("\x8b\xff\xff\xff\xff"), "is cut off");
  EXPECT_ERROR(unpickling("C\x09"), "is cut off");
  EXPECT_ERROR(unpickling("ctorch\nSize"), "is cut off");
}

TEST(Pickle, RejectsInstructionsAndCallsThatNoCheckpointNeeds) {
  EXPECT_ERROR(unpickling("i"), "uses the instruction 0x69, which no checkpoint of tensors needs");
  EXPECT_ERROR(unpickling("\x81"), "takes a value from an empty stack");
  EXPECT_ERROR(unpickling("\x82\1"), "uses the instruction 0x82");  // an extension's code
  EXPECT_ERROR(unpickling("NN\x93"), "refers to a name that is not text");
  EXPECT_ERROR(unpickling("N)R"), "calls something that is not a name");
  EXPECT_ERROR(unpickling("ctorch\nSize\n)R"), "calls \"torch Size\" with arguments that");
  EXPECT_ERROR(unpickling("ctorch\nfloat32\n)R"), "calls \"torch float32\" with arguments that");
  EXPECT_ERROR(unpickling("ccollections\nOrderedDict\n]\x85R"),
               "calls \"collections OrderedDict\"");
  EXPECT_ERROR(unpickling("ctorch._utils\n_rebuild_parameter\nN\x85R"),
               "_rebuild_parameter\" with");
  EXPECT_ERROR(unpickling("ctorch._utils\n_rebuild_tensor_v2\n)R"),
               "makes a tensor in a way that torch.save does not");
  EXPECT_ERROR(unpickling("]}b"), "sets attributes of something other than a dict");
  EXPECT_ERROR(unpickling("cos\n\x1b[2Jsystem\n"), "refers to \"os ?[2Jsystem\"");
  EXPECT_ERROR(unpickling("cos.path\njoin\n"), "refers to \"os.path join\"");
  EXPECT_ERROR(unpickling("cbuiltins\n__import__\n"), "refers to \"builtins __import__\"");
  EXPECT_ERROR(unpickling("cbuiltins\nset\n."), "no error");
}

/// An object of a class that is not known: its name alone is kept.
TEST(Pickle, KeepsObjectsByNameAlone) {
  const auto top = [](const std::string& bytes) {
    const Pickle pickle = read_pickle("made.pkl", bytes);
    EXPECT_EQ(pickle.bytes, bytes.size());
    return pickle.nodes[pickle.top];
  };
  for (const char* call : {")R", ")\x81", "K\1\x85R", ")}\x92", ")R}b", ")R(NNb", ")R(K\1K\2u",
                           ")R(K\1e", ")RNb", ")R)R", ")\x81NNs"}) {
    SCOPED_TRACE(call);
    std::string bytes = std::string("cmade.up\nThing\n") + call;
    if (std::string_view(call).ends_with("(NNb")) bytes.replace(bytes.size() - 4, 4, "(NNtb");
    const PickleNode node = top(bytes + ".");
    EXPECT_EQ(node.kind, PickleNode::Kind::kObject);
    EXPECT_EQ(node.text, "made.up Thing");
    EXPECT_TRUE(node.children.empty());
  }
  EXPECT_EQ(top("\x8f(K\1\x90.").text, "set");
  EXPECT_EQ(top("(K\1\x91.").text, "frozenset");
  EXPECT_EQ(top("\x88.").integer, 1);
  EXPECT_EQ(top("U\3abc.").text, "abc");
  EXPECT_EQ(top(std::string("\x8a\x09") + "123456789.").kind, PickleNode::Kind::kOther);
}

TEST(Pickle, RejectsWrongTensors) {
  const std::string storage = std::string("(X\x07\0\0\0storage", 13) + "ctorch\nFloatStorage\n" +
                              std::string(
                                  "X\1\0\0\0"
                                  "0NK\4tQ",
                                  11);
  const std::string rebuild = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage;
  EXPECT_ERROR(unpickling(rebuild + "K\1K\1\x85)tR."),
               "with different numbers of sizes and strides");
  EXPECT_ERROR(unpickling(rebuild + "K\1N\x85K\1\x85tR."), "with a size that is not a number");
  EXPECT_ERROR(unpickling(rebuild + "K\1(K\1K\1K\1K\1K\1K\1K\1t)tR."), "more than 6 axes");
  EXPECT_ERROR(unpickling(rebuild + "K\1K\1\x85K\1\x85tR."), "no error");
}

TEST(Pickle, LimitsItsValues) {
  EXPECT_ERROR(unpickling(std::string(2'000'000, 'N')), "has more than 1048576 values");
  EXPECT_ERROR(unpickling(std::string(2'000'000, '(')), "has more than 1048576 values");
  std::string recalls = "Nq\1";
  for (int i = 0; i < 1'100'000; ++i) recalls += "h\1";
  EXPECT_ERROR(unpickling(recalls), "has more than 1048576 values");
}

}  // namespace
}  // namespace semblance
