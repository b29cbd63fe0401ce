#include "model/encoder_config.h"

#include "common/file.h"
#include "model/json_fields.h"

namespace memlong::model {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr int64_t kMaxHeadDim = 256;

EncoderKind read_kind(const JsonFields& fields) {
  const std::string type = fields.text_or("model_type", "");
  if (type == "bert") return EncoderKind::bert;
  if (type == "xlm-roberta") return EncoderKind::xlm_roberta;
  fields.refuse("model_type",
                "is \"" + type + "\"; encoders that are read are bert and xlm-roberta");
}

void read_shape(const JsonFields& fields, EncoderConfig& config) {
  config.layers = fields.integer("num_hidden_layers", 1, 1000);
  config.hidden = fields.integer("hidden_size", 2, int64_t{1} << 17);
  config.ffn = fields.integer("intermediate_size", 1, int64_t{1} << 19);
  config.heads = fields.integer("num_attention_heads", 1, 1024);
  config.vocab = fields.integer("vocab_size", 1, int64_t{1} << 24);
  config.positions = fields.integer("max_position_embeddings", 1, int64_t{1} << 24);
  config.token_types = fields.integer_or("type_vocab_size", 1, 1024, 2);
  if (config.hidden % config.heads != 0) {
    fields.refuse("num_attention_heads", "is " + std::to_string(config.heads) +
                                             "; it must divide hidden_size, " +
                                             std::to_string(config.hidden));
  }
  config.head_dim = config.hidden / config.heads;
  if (config.head_dim % 2 != 0 || config.head_dim > kMaxHeadDim) {
    fields.refuse("num_attention_heads", "gives heads of " + std::to_string(config.head_dim) +
                                             "; they must be even and at most " +
                                             std::to_string(kMaxHeadDim));
  }
}

/// The form of the network that is computed; what differs from it is named.
void check_form(const JsonFields& fields) {
  const std::string activation = fields.text_or("hidden_act", "gelu");
  if (activation != "gelu") {
    fields.refuse("hidden_act", "is \"" + activation + "\"; encoders with gelu are read");
  }
  const std::string positions = fields.text_or("position_embedding_type", "absolute");
  if (positions != "absolute") {
    fields.refuse("position_embedding_type",
                  "is \"" + positions + "\"; encoders with absolute positions are read");
  }
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    if (fields.flag_or(key, false)) fields.refuse(key, "is true; a decoder is no sentence encoder");
  }
}

}  // namespace

EncoderConfig parse_encoder_config(const std::string& json, const std::string& origin) {
  const nlohmann::json root = parse_json_object(json, origin);
  const JsonFields fields(root, origin);
  EncoderConfig config;
  config.kind = read_kind(fields);
  check_form(fields);
  read_shape(fields, config);
  config.norm_eps = static_cast<float>(fields.number_or("layer_norm_eps", 1e-30, 1.0, 1e-12));
  if (config.kind == EncoderKind::xlm_roberta) {
    // The rows up to the padding token's id are padding's (fairseq's count of positions).
    config.first_position = fields.integer_or("pad_token_id", 0, 1024, 1) + 1;
  }
  if (config.max_tokens() < 3) {  // two special tokens, and one of a text
    fields.refuse("max_position_embeddings", "leaves no room for a text");
  }
  return config;
}

EncoderConfig load_encoder_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  return parse_encoder_config(read_file(file, kMaxConfigBytes), file.string());
}

}  // namespace memlong::model
