#include "train/corpus.h"

#include <gmock/gmock.h>

#include "support/temp_folder.h"
#include "train/error_line.h"
#include "train/small_corpus.h"

namespace memlong::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

constexpr const char* kDialog =
    R"({"turns": [{"role": "user", "content": "My dog is called Vex."},)"
    R"( {"role": "assistant", "content": "I will remember that."},)"
    R"( {"role": "user", "content": "What is my dog called?"},)"
    R"( {"role": "assistant", "content": "Your dog is called Vex."},)"
    R"( {"role": "user", "content": "And my cat?"},)"
    R"( {"role": "assistant", "content": "You have not told me that yet."}],)"
    R"( "probes": [{"turn": 5, "answer": "not told", "fact_turn": null},)"
    R"( {"turn": 3, "answer": "Vex", "fact_turn": 0}], "later": 2, "topics": ["dog", "cat"]})";

struct Dialog {
  std::shared_ptr<engine::LoadedModel> model = test::text_model();
  Document document = parse_dialog(kDialog, *model);

  /// Where the content of a turn begins and the turn ends, by encoding what is before it.
  [[nodiscard]] int64_t turn(size_t index) const { return document.turns[index]; }
  [[nodiscard]] std::string text(int64_t begin, int64_t end) const {
    return model->tokens->decode(Ids(document.ids.begin() + begin, document.ids.begin() + end),
                                 true);
  }
};

TEST(ParseDialog, IsSpelledAsTheTemplateDoes) {
  const Dialog dialog;
  EXPECT_EQ(dialog.text(0, dialog.document.size()),
            "<s><|user|>My dog is called Vex.<|end|><|assistant|>I will remember that.<|end|>"
            "<|user|>What is my dog called?<|end|><|assistant|>Your dog is called Vex.<|end|>"
            "<|user|>And my cat?<|end|><|assistant|>You have not told me that yet.<|end|>");
  ASSERT_EQ(dialog.document.turns.size(), 6U);
  EXPECT_EQ(dialog.turn(0), 1) << "after <s>";
  EXPECT_EQ(dialog.text(dialog.turn(3), dialog.turn(4)),
            "<|assistant|>Your dog is called Vex.<|end|>");
  EXPECT_EQ(dialog.document.later, dialog.turn(2));
  EXPECT_THAT(dialog.document.topics, ElementsAre("cat", "dog"));
}

TEST(ParseDialog, WindowsThatOpenWithBosLeaveItOut) {
  const auto model = test::text_model();
  model->settings.window_bos = true;
  EXPECT_EQ(parse_dialog(kDialog, *model).turns.front(), 0);
}

TEST(ParseDialog, ProbedAnswersAreWhatEvaluationCompares) {
  const Dialog dialog;
  ASSERT_EQ(dialog.document.answers.size(), 2U);
  const ProbedAnswer& told = dialog.document.answers[0];
  EXPECT_EQ(dialog.text(told.begin, told.end), "Your dog is called Vex.<|end|>");
  EXPECT_EQ(told.kind, AnswerKind::told);
  EXPECT_EQ(told.fact, dialog.turn(0));
  const ProbedAnswer& unsaid = dialog.document.answers[1];
  EXPECT_EQ(dialog.text(unsaid.begin, unsaid.end), "You have not told me that yet.<|end|>");
  EXPECT_EQ(unsaid.kind, AnswerKind::unsaid);
  EXPECT_EQ(unsaid.fact, -1);
}

TEST(ParseDialog, KindsOfTokens) {
  const Dialog dialog;
  std::string by_kind[5];
  for (int64_t i = 0; i < dialog.document.size(); ++i) {
    by_kind[static_cast<size_t>(dialog.document.kind(i))] += dialog.text(i, i + 1);
  }
  EXPECT_EQ(by_kind[0], "");
  EXPECT_EQ(by_kind[1],
            "<s><|user|>My dog is called Vex.<|end|><|assistant|>"
            "<|user|>What is my dog called?<|end|><|assistant|>"
            "<|user|>And my cat?<|end|><|assistant|>");
  EXPECT_EQ(by_kind[2], "I will remember that.<|end|>");
  EXPECT_EQ(by_kind[3], " Vex not told");
  EXPECT_EQ(by_kind[4], "Your dog is called.<|end|>You have me that yet.<|end|>");
}

TEST(ParseDialog, AnswerWithoutItsStringIsAllContent) {
  const auto model = test::text_model();
  const Document document = parse_dialog(
      R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}],
          "probes": [{"turn": 1}]})",
      *model);
  ASSERT_EQ(document.answers.size(), 1U);
  EXPECT_EQ(document.answers[0].kind, AnswerKind::told);
  for (int64_t i = document.answers[0].begin; i + 1 < document.answers[0].end; ++i) {
    EXPECT_EQ(document.kind(i), TokenKind::answer);
  }
  EXPECT_EQ(document.kind(document.size() - 1), TokenKind::reply) << "<|end|>";
}

TEST(ParseDialog, QueriesAreWholeMessages) {
  const Dialog dialog;
  ASSERT_EQ(dialog.document.spans.size(), 3U);
  const engine::AnswerSpan& span = dialog.document.spans[1];
  EXPECT_EQ(span.begin, dialog.turn(3));
  EXPECT_EQ(span.end, dialog.turn(4));
  EXPECT_EQ(dialog.text(span.query_begin, span.query_end), "<|user|>What is my dog called?<|end|>");
}

TEST(ParseDialog, RefusesWhatIsNone) {
  const auto model = test::text_model();
  const auto message = [&](const std::string& line) {
    return test::error_line(ErrorKind::format, [&] { parse_dialog(line, *model); });
  };
  const std::string turns =
      R"("turns": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
  EXPECT_EQ(message("{"), "not JSON (byte 1)");
  EXPECT_EQ(message("[1]"), "not a JSON object");
  EXPECT_EQ(message("{}"), "neither \"messages\" nor \"turns\"");
  EXPECT_EQ(message(R"({"turns": 1})"), "\"turns\" is no list of messages");
  EXPECT_EQ(message(R"({"messages": []})"), "\"messages\" is no list of messages");
  EXPECT_EQ(message(R"({"messages": [{"role": "user"}]})"), "message 0 has no string \"content\"");
  EXPECT_EQ(message(R"({"messages": [{"role": 1, "content": ""}]})"),
            "message 0 has no string \"role\"");
  EXPECT_THAT(message(R"({"messages": [{"role": "cook", "content": ""}]})"), HasSubstr("cook"));
  EXPECT_EQ(message("{" + turns + R"(, "later": 2})"),
            "\"later\" must be a number of a turn from 1 to 1");
  EXPECT_EQ(message("{" + turns + R"(, "later": "x"})"),
            "\"later\" must be a number of a turn from 1 to 1");
  EXPECT_EQ(message("{" + turns + R"(, "probes": 1})"), "\"probes\" is no list");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [1]})"), "a probe that is no JSON object");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [{"turn": 0}]})"),
            "a probe that names no answer of the dialog");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [{}]})"),
            "a probe that names no answer of the dialog");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [{"turn": 1, "answer": 5}]})"),
            "a probe whose \"answer\" is no string");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [{"turn": 1, "fact_turn": 1}]})"),
            "\"fact_turn\" must be a number of a turn from 0 to 0");
  EXPECT_EQ(message("{" + turns + R"(, "probes": [{"turn": 1}, {"turn": 1}]})"),
            "two probes name the same answer");
  EXPECT_EQ(message("{" + turns + R"(, "topics": "x"})"), "\"topics\" is no list of strings");
  EXPECT_EQ(message("{" + turns + R"(, "topics": [1]})"), "\"topics\" is no list of strings");
}

struct Files {
  memlong::test::TempFolder folder;
  std::shared_ptr<engine::LoadedModel> model = test::text_model();
  [[nodiscard]] std::shared_ptr<const Corpus> read(std::vector<DataEntry> entries) const {
    return read_corpus(entries, *model);
  }
  [[nodiscard]] std::string error(DataKind kind, const std::string& name,
                                  ErrorKind expected = ErrorKind::format) const {
    return test::error_line(expected, [&] { (void)read({{.kind = kind, .path = folder / name}}); });
  }
};

TEST(ReadCorpus, FilesOfAFolderByPathAsIngestReadsThem) {
  const Files files;
  files.folder.write("books/b.txt", "Second text.\r\nA line.\n");
  files.folder.write("books/a/z.txt", "First text.\n");
  files.folder.write("books/note.md", "not taken");
  const auto corpus = files.read({{.kind = DataKind::text, .path = files.folder / "books"}});
  ASSERT_EQ(corpus->entries.size(), 1U);
  const auto& documents = corpus->entries[0].documents;
  ASSERT_EQ(documents.size(), 2U);
  EXPECT_EQ(documents[0].name, files.folder / "books/a/z.txt");
  Ids ids = {files.model->tokens->bos()};
  for (const int32_t id : files.model->tokens->encode("Second text.\nA line.\n")) ids.push_back(id);
  EXPECT_EQ(documents[1].ids, ids);
  EXPECT_FALSE(documents[1].is_dialog());
  EXPECT_EQ(documents[1].kind(3), TokenKind::text);
  EXPECT_EQ(corpus->entries[0].tokens, documents[0].size() + documents[1].size());
  EXPECT_EQ(corpus->tokens(), corpus->entries[0].tokens);
}

TEST(ReadCorpus, WindowsThatOpenWithBosLeaveItOut) {
  const Files files;
  files.folder.write("a.txt", "Some text.");
  files.model->settings.window_bos = true;
  const auto corpus = files.read({{.kind = DataKind::text, .path = files.folder / "a.txt"}});
  EXPECT_EQ(corpus->entries[0].documents[0].ids, files.model->tokens->encode("Some text."));
}

TEST(ReadCorpus, LinesOfJson) {
  const Files files;
  files.folder.write("t.jsonl", "{\"text\": \"One.\", \"more\": 1}\n\n{\"text\": \"Two.\"}\n");
  files.folder.write("d.jsonl", std::string(kDialog) + "\n");
  const auto corpus =
      files.read({{.kind = DataKind::jsonl_text, .path = files.folder / "t.jsonl", .weight = 2.0},
                  {.kind = DataKind::dialogs, .path = files.folder / "d.jsonl"}});
  ASSERT_EQ(corpus->entries.size(), 2U);
  ASSERT_EQ(corpus->entries[0].documents.size(), 2U);
  EXPECT_EQ(corpus->entries[0].data.weight, 2.0);
  EXPECT_EQ(corpus->entries[0].documents[1].name, files.folder / "t.jsonl:3");
  EXPECT_EQ(files.model->tokens->decode(corpus->entries[0].documents[1].ids), "Two.");
  EXPECT_TRUE(corpus->entries[1].documents[0].is_dialog());
  EXPECT_EQ(corpus->entries[1].documents[0].name, files.folder / "d.jsonl:1");
}

TEST(ReadCorpus, TellsHowFarItIs) {
  const Files files;
  const std::string text(100000, 'x');
  files.folder.write("a.txt", text + "\n");
  files.folder.write("d.jsonl", std::string(kDialog) + "\n");
  std::vector<int64_t> seen;
  int64_t total = 0;
  read_corpus({{.kind = DataKind::text, .path = files.folder / "a.txt"},
               {.kind = DataKind::dialogs, .path = files.folder / "d.jsonl"}},
              *files.model, [&](int64_t bytes, int64_t all) {
                seen.push_back(bytes);
                total = all;
              });
  ASSERT_GT(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), total);
  EXPECT_EQ(total, 100001 + static_cast<int64_t>(std::string(kDialog).size()) + 1);
}

TEST(ReadCorpus, HashTellsDataApart) {
  const Files files;
  const auto hash = [&](const std::string& text) {
    files.folder.write("d.jsonl", text);
    return files.read({{.kind = DataKind::dialogs, .path = files.folder / "d.jsonl"}})->hash;
  };
  std::string other = kDialog;
  other.replace(other.find("\"later\": 2"), 10, "\"later\": 4");
  EXPECT_EQ(hash(kDialog), hash(kDialog));
  EXPECT_NE(hash(kDialog), hash(other));
}

TEST(ReadCorpus, LeavesEmptyTextsOutWithOneWarning) {
  const Files files;
  files.folder.write("some/a.txt", "");
  files.folder.write("some/b.txt", "A text.");
  files.folder.write("some/c.txt", " \n");
  files.folder.write("some.jsonl", "{\"text\": \"\"}\n{\"text\": \"ok\"}\n{\"text\": \"\\n\"}\n");
  testing::internal::CaptureStderr();
  const auto corpus =
      files.read({{.kind = DataKind::text, .path = files.folder / "some"},
                  {.kind = DataKind::jsonl_text, .path = files.folder / "some.jsonl"}});
  const std::string warning = testing::internal::GetCapturedStderr();
  ASSERT_EQ(corpus->entries[0].documents.size(), 1U);
  EXPECT_EQ(corpus->entries[0].documents[0].name, files.folder / "some/b.txt");
  ASSERT_EQ(corpus->entries[1].documents.size(), 1U);
  EXPECT_EQ(corpus->entries[1].documents[0].name, files.folder / "some.jsonl" + ":2");
  EXPECT_THAT(warning, HasSubstr("4 empty texts are left out, the first at " +
                                 files.folder / "some/a.txt\n"));
  files.folder.write("none.jsonl", "{\"text\": \" \"}\n");
  EXPECT_EQ(files.error(DataKind::jsonl_text, "none.jsonl"),
            files.folder / "none.jsonl" + ": empty, no line holds a document");
}

TEST(ReadCorpus, NamesFileAndLineOfWhatIsWrong) {
  const Files files;
  files.folder.write("empty/x.md", "");
  files.folder.write("blank.txt", " \n");
  files.folder.write("latin.txt", "caf\xE9 au lait");
  files.folder.write("none.jsonl", "\n \n");
  files.folder.write("bad.jsonl", "{\"text\": \"ok\"}\n{\"text\": 1}\n");
  files.folder.write("cut.jsonl", "{\"text\": \"ok\"}\n{\"text\": \"o");
  files.folder.write("dialog.jsonl", std::string(kDialog) + "\n{}\n");
  const auto place = [&](const std::string& name) { return files.folder / name; };
  EXPECT_EQ(files.error(DataKind::text, "gone", ErrorKind::io),
            place("gone") + ": no such file or folder");
  EXPECT_EQ(files.error(DataKind::text, "empty"),
            place("empty") + ": no *.txt file below this folder");
  EXPECT_EQ(files.error(DataKind::dialogs, "empty"),
            place("empty") + ": a folder; name the file of JSON lines");
  EXPECT_EQ(files.error(DataKind::text, "blank.txt"),
            place("blank.txt") + ": empty, no file holds a text");
  EXPECT_EQ(files.error(DataKind::text, "latin.txt"),
            place("latin.txt") +
                ": not UTF-8: byte 3 begins no valid character; convert the text to UTF-8");
  EXPECT_EQ(files.error(DataKind::dialogs, "none.jsonl"),
            place("none.jsonl") + ": empty, no line holds a document");
  EXPECT_EQ(files.error(DataKind::jsonl_text, "bad.jsonl"),
            place("bad.jsonl") + ":2: no string \"text\"");
  EXPECT_EQ(files.error(DataKind::jsonl_text, "cut.jsonl"),
            place("cut.jsonl") + ":2: not JSON (byte 11)");
  EXPECT_EQ(files.error(DataKind::dialogs, "dialog.jsonl"),
            place("dialog.jsonl") + ":2: neither \"messages\" nor \"turns\"");
}

}  // namespace
}  // namespace memlong::train
