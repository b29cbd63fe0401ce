#include "tokenizer/spm_model.h"

#include "common/error.h"
#include "tokenizer/spm_charsmap.h"

namespace memlong::tokenizer {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr uint64_t kPieces = 1;
constexpr uint64_t kTrainer = 2;
constexpr uint64_t kNormalizer = 3;
constexpr uint64_t kSelfTest = 4;
constexpr uint64_t kDenormalizer = 5;
constexpr uint64_t kPieceText = 1;
constexpr uint64_t kPieceType = 3;
constexpr uint64_t kModelType = 3;
constexpr uint64_t kWordModel = 3;
constexpr uint64_t kWhitespaceAsSuffix = 24;
constexpr uint64_t kCharsmap = 2;
constexpr uint64_t kAddDummyPrefix = 3;
constexpr uint64_t kRemoveExtraWhitespaces = 4;

constexpr size_t kMaxPieces = size_t{1} << 24;

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint64_t number = 0;
  WireType type = kVarint;
  uint64_t value = 0;     ///< of a varint
  std::string_view body;  ///< of a message or string
  std::string_view all;   ///< with its tag
};

/// Walks over the fields of one protobuf message.
class Fields {
 public:
  Fields(std::string_view bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}

  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const size_t begin = at_;
    const uint64_t tag = varint();
    field = {};
    field.number = tag >> 3;
    field.type = static_cast<WireType>(tag & 7);
    if (field.type == kVarint) {
      field.value = varint();
    } else if (field.type == kBytes) {
      field.body = take(varint());
    } else if (field.type == kFixed64) {
      take(8);
    } else if (field.type == kFixed32) {
      take(4);
    } else {
      broken();
    }
    field.all = bytes_.substr(begin, at_ - begin);
    return true;
  }

 private:
  [[noreturn]] void broken() const {
    fail(ErrorKind::format, origin_ + " is not a sentencepiece model, or is damaged");
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) broken();
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    broken();
  }
  std::string_view take(uint64_t length) {
    if (length > bytes_.size() - at_) broken();
    const std::string_view part = bytes_.substr(at_, length);
    at_ += length;
    return part;
  }

  std::string_view bytes_;
  const std::string& origin_;
  size_t at_ = 0;
};

SpmPiece parse_piece(std::string_view bytes, const std::string& origin) {
  SpmPiece piece;
  Fields fields(bytes, origin);
  Field field;
  while (fields.next(field)) {
    if (field.number == kPieceText && field.type == kBytes) piece.text = field.body;
    if (field.number != kPieceType || field.type != kVarint) continue;
    if (field.value < 1 || field.value > 6) {
      fail(ErrorKind::format,
           origin + ": a piece has the unknown type " + std::to_string(field.value));
    }
    piece.type = static_cast<PieceType>(field.value);
  }
  if (piece.text.find('\0') != std::string::npos) {  // where the library would end it
    fail(ErrorKind::format, origin + ": a piece has a NUL byte in its text");
  }
  return piece;
}

void parse_flags(const Field& section, SpmModel& model, const std::string& origin) {
  Fields fields(section.body, origin);
  Field field;
  while (fields.next(field)) {
    if (section.number == kNormalizer && field.number == kCharsmap && field.type == kBytes &&
        !charsmap_sound(field.body)) {
      fail(ErrorKind::format, origin + ": its table of character replacements is damaged");
    }
    if (field.type != kVarint) continue;
    const bool on = field.value != 0;
    if (section.number == kTrainer && field.number == kModelType) {
      model.whole_words = field.value == kWordModel;
    }
    if (section.number == kTrainer && field.number == kWhitespaceAsSuffix) {
      model.whitespace_as_suffix = on;
    }
    if (section.number != kNormalizer) continue;
    if (field.number == kAddDummyPrefix) model.add_dummy_prefix = on;
    if (field.number == kRemoveExtraWhitespaces) model.remove_extra_whitespaces = on;
  }
}

/// As the library counts: by the first byte.
bool is_one_character(std::string_view text) {
  if (text.empty()) return false;
  const auto lead = static_cast<uint8_t>(text[0]);
  return text.size() <= (lead < 0xC0 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
}

void put_tag(std::string& out, uint64_t number, WireType type) {
  put_varint(out, number << 3 | type);
}

void put_message(std::string& out, uint64_t number, std::string_view body) {
  put_tag(out, number, kBytes);
  put_varint(out, body.size());
  out += body;
}

}  // namespace

SpmModel parse_spm(std::string_view bytes, const std::string& origin) {
  SpmModel model;
  Fields fields(bytes, origin);
  Field field;
  while (fields.next(field)) {
    if (field.type != kBytes) continue;
    if (field.number == kPieces) model.pieces.push_back(parse_piece(field.body, origin));
    if (field.number == kTrainer || field.number == kNormalizer) parse_flags(field, model, origin);
  }
  if (model.pieces.empty() || model.pieces.size() > kMaxPieces) {
    fail(ErrorKind::format, origin + " has " + std::to_string(model.pieces.size()) +
                                " pieces; it is no sentencepiece model");
  }
  return model;
}

std::string patch_spm(std::string_view bytes, const SpmPatch& patch) {
  const std::string origin = "sentencepiece model";
  std::string out;
  out.reserve(bytes.size() + 1024);
  Fields fields(bytes, origin);
  Field field;
  size_t piece = 0;
  while (fields.next(field)) {
    if (field.number == kSelfTest || field.number == kDenormalizer) continue;
    const bool is_piece = field.type == kBytes && field.number == kPieces;
    if (is_piece && patch.make_control && patch.make_control(piece++)) {
      std::string body(field.body);  // the last value of a field is the one that counts
      put_tag(body, kPieceType, kVarint);
      put_varint(body, static_cast<uint64_t>(PieceType::control));
      // The library looks a single character up by itself, among control pieces too: with a byte
      // that no UTF-8 has, it is not found.
      const std::string text = parse_piece(field.body, origin).text;
      if (is_one_character(text)) put_message(body, kPieceText, text + '\xFF');
      put_message(out, kPieces, body);
    } else {
      out += field.all;
    }
  }
  std::string flags;  // a second message of the same field is merged into the first
  if (patch.drop_dummy_prefix) {
    put_tag(flags, kAddDummyPrefix, kVarint);
    put_varint(flags, 0);
  }
  if (patch.keep_extra_whitespaces) {
    put_tag(flags, kRemoveExtraWhitespaces, kVarint);
    put_varint(flags, 0);
  }
  if (!flags.empty()) put_message(out, kNormalizer, flags);
  return out;
}

}  // namespace memlong::tokenizer
