// What a program needs to begin with: a model, its bank, the embedder of both.
#include "engine/open_bank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "engine/bank_embedder.h"
#include "support/paths.h"
#include "support/reference_model.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;
using membank::Bank;
using membank::OpenMode;

const fs::path kModel = fs::path(test::source_dir()) / "models/reference";

class OpenBankTest : public testing::Test {
 protected:
  [[nodiscard]] std::string noted() const {
    return Bank::open(bank_, {})->snapshot()->blob("model");
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_ = load_model(context_, {.folder = kModel});
  test::TempFolder folder_;
  fs::path bank_ = folder_.path() / "bank";
};

TEST_F(OpenBankTest, ANewBankIsTheModelsAndNotesItsFolder) {
  try {
    (void)open_bank(bank_, *model_, OpenMode::read);
    FAIL() << "there is no bank to read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
  }
  EXPECT_FALSE(Bank::exists(bank_));
  EXPECT_EQ(open_bank(bank_, *model_)->fingerprint(), model_->fingerprint(DType::bf16));
  EXPECT_EQ(noted(), kModel);
}

TEST_F(OpenBankTest, ABankKeepsItsDtype) {
  Bank::open(bank_, {.mode = OpenMode::write, .fingerprint = model_->fingerprint(DType::f16)});
  EXPECT_EQ(noted(), "");
  EXPECT_EQ(open_bank(bank_, *model_, OpenMode::read)->fingerprint().kv_dtype, DType::f16);
  EXPECT_EQ(noted(), "") << "who only reads notes nothing";
  EXPECT_EQ(open_bank(bank_, *model_)->fingerprint().kv_dtype, DType::f16);
  EXPECT_EQ(noted(), kModel);
}

TEST_F(OpenBankTest, AFolderIsNotedAnewOnlyWhereItIsGone) {
  const fs::path other = folder_.path() / "other";
  fs::create_directory(other);
  open_bank(bank_, *model_)->update([&](membank::Transaction& change) {
    change.set_blob("model", other.string());
  });
  (void)open_bank(bank_, *model_);
  EXPECT_EQ(noted(), other);
  fs::remove(other);
  (void)open_bank(bank_, *model_);
  EXPECT_EQ(noted(), kModel);
}

TEST_F(OpenBankTest, TheEmbedderIsSettledWithTheBank) {
  const auto bank = open_bank(bank_, *model_);
  EXPECT_EQ(bank->snapshot()->blob("sif"), "");
  const auto first = settle_embedder(context_, *model_, bank.get(), "A first text.");
  const std::string blob = bank->snapshot()->blob("sif");
  EXPECT_NE(blob, "");
  const auto again = settle_embedder(context_, *model_, bank.get(), "Quite another one.");
  EXPECT_EQ(bank->snapshot()->blob("sif"), blob);
  const auto vectors = [&](const auto& embedder) {
    return text_vectors(context_, model_, embedder, "What is my favourite drink?");
  };
  EXPECT_EQ(vectors(again), vectors(first));
  EXPECT_NE(settle_embedder(context_, *model_, nullptr, "No bank."), nullptr);
}

}  // namespace
}  // namespace memlong::engine
