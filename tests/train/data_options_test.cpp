#include "train/data_options.h"

#include <gtest/gtest.h>

#include "train/error_line.h"

namespace memlong::train {
namespace {

TEST(Schedule, OneValueHoldsAlways) {
  const Schedule schedule = Schedule::parse("0.25");
  EXPECT_EQ(schedule.at(0), 0.25);
  EXPECT_EQ(schedule.at(100000), 0.25);
  EXPECT_EQ(schedule.text(), "0.25");
}

TEST(Schedule, TakesTheLastEntryWhoseStepHasCome) {
  const Schedule schedule = Schedule::parse("0:128,400:2.5,900:256");
  EXPECT_EQ(schedule.at(0), 128.0);
  EXPECT_EQ(schedule.at(399), 128.0);
  EXPECT_EQ(schedule.at(400), 2.5);
  EXPECT_EQ(schedule.count_at(899), 3);
  EXPECT_EQ(schedule.at(5000), 256.0);
  EXPECT_EQ(schedule.smallest(), 2.5);
  EXPECT_EQ(schedule.largest(), 256.0);
  EXPECT_EQ(schedule.text(), "0:128,400:2.5,900:256");
  EXPECT_EQ(Schedule::parse(schedule.text()).at(400), 2.5);
}

TEST(Schedule, RefusesWhatIsNone) {
  for (const char* text : {"", "x", "-1", "nan", "inf", "5:1", "0:1,", "0:1,0:2", "0:1,9:2,8:3",
                           "0:1,2", "0:-1", "0:1,2:x", "0:1 ,2:3", "1e400"}) {
    EXPECT_EQ(test::error_line(ErrorKind::usage, [&] { Schedule::parse(text); }),
              "'" + std::string(text) +
                  "' is no schedule: one value, or STEP:VALUE,... with rising steps from 0 and no "
                  "negative value");
  }
}

TEST(DataEntry, KindPathWeight) {
  const DataEntry text = DataEntry::parse("text:/a/b");
  EXPECT_EQ(text.kind, DataKind::text);
  EXPECT_EQ(text.path, "/a/b");
  EXPECT_EQ(text.weight, 1.0);
  const DataEntry dialogs = DataEntry::parse("dialogs:c.jsonl:0.5");
  EXPECT_EQ(dialogs.kind, DataKind::dialogs);
  EXPECT_EQ(dialogs.path, "c.jsonl");
  EXPECT_EQ(dialogs.weight, 0.5);
  const DataEntry colon = DataEntry::parse("jsonl:a:b.jsonl");
  EXPECT_EQ(colon.kind, DataKind::jsonl_text);
  EXPECT_EQ(colon.path, "a:b.jsonl");
}

TEST(DataEntry, RefusesWhatIsNone) {
  const auto message = [](const std::string& text) {
    return test::error_line(ErrorKind::usage, [&] { DataEntry::parse(text); });
  };
  EXPECT_EQ(
      message("book:x"),
      "data 'book:x': must be KIND:PATH or KIND:PATH:WEIGHT with KIND text, jsonl or dialogs");
  EXPECT_EQ(message(""),
            "data '': must be KIND:PATH or KIND:PATH:WEIGHT with KIND text, jsonl or dialogs");
  EXPECT_EQ(message("text"), "data 'text': names no path");
  EXPECT_EQ(message("text:"), "data 'text:': names no path");
  EXPECT_EQ(message("text::2"), "data 'text::2': names no path");
  EXPECT_EQ(message("text:a:0"), "data 'text:a:0': the weight must be above 0");
  EXPECT_EQ(message("text:a:-1"), "data 'text:a:-1': the weight must be above 0");
}

}  // namespace
}  // namespace memlong::train
